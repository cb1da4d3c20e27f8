package import FogAPI
internal import FogCore
internal import FogJobs

/// Which of a task's two logs.
package enum LogStreamName: String, Sendable, CaseIterable {
    case stdout, stderr
}

/// A piece of a task's log.
package struct LogPiece: Hashable, Sendable {
    package let task: UInt32
    package let token: UInt32
    package let stream: LogStreamName
    package let bytes: [UInt8]

    package init(task: UInt32, token: UInt32, stream: LogStreamName, bytes: [UInt8]) {
        self.task = task
        self.token = token
        self.stream = stream
        self.bytes = bytes
    }
}

/// Reads a task's log, attempt after attempt, to its end or to what there is now.
package struct LogFollower: Sendable {
    private static let longPoll = TimeSpan.seconds(20)
    private static let pieceBytes = 1 << 20
    /// Attempts of one task that are followed: far beyond any retry policy.
    private static let maxAttempts = 10_000

    /// What a reader is told beside the log itself.
    package enum Event: Sendable {
        case piece(LogPiece)
        /// The log of an attempt is over, and another attempt has begun.
        case again(task: UInt32, token: UInt32)
        /// The rest of a log is not shown: a stranger's machine wrote it and was not paid for it.
        case withheld(task: UInt32, stream: LogStreamName, bytes: Int64)
    }

    package typealias Receiver = @Sendable (Event) async -> Void

    private let client: FogClient
    private let job: JobBody
    private let streams: [LogStreamName]
    private let patience: Patience

    package init(client: FogClient, job: JobBody, streams: [LogStreamName], patience: Patience = .long) {
        self.client = client
        self.job = job
        self.streams = streams
        self.patience = patience
    }

    /// What there is now of the attempt that people want to see: the one that won, else the newest.
    /// - Parameter token: nil = that one; else the attempt with this token.
    package func read(_ task: UInt32, token: UInt32? = nil, _ receive: Receiver) async throws {
        for stream in streams {
            try await copy(task, token: token, shown: token ?? 0, stream, follows: false, receive)
        }
    }

    /// Everything until the task is final; from the newest attempt on.
    package func follow(_ task: UInt32, _ receive: @escaping Receiver) async throws {
        var watch = JobWatch(client: client, job: job, patience: patience)
        var last: UInt32 = 0
        for _ in 0..<Self.maxAttempts {
            guard let token = try await nextToken(of: task, after: last, &watch) else { return }
            if last > 0 { await receive(.again(task: task, token: token)) }
            last = token
            try await withThrowingTaskGroup(of: Void.self) { group in
                for stream in streams {
                    group.addTask {
                        try await copy(task, token: token, shown: token, stream, follows: true, receive)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    /// Waits for a lease that is newer; nil when there will be none.
    private func nextToken(of task: UInt32, after last: UInt32, _ watch: inout JobWatch) async throws -> UInt32? {
        let (client, id) = (client, job.id)
        while true {
            let row = try await patience {
                try await client.tasks(id, after: task == 0 ? nil : task - 1, limit: 1).tasks.first {
                    $0.number == task
                }
            }
            if let row, row.token > last { return row.token }
            if row?.state.isFinal ?? false { return nil }
            // A task that was never granted has no row of its own: cancelled ones stay that way.
            if row == nil, try await patience({ try await client.job(id.description) }).state.isFinal { return nil }
            try await watch.change()
        }
    }

    private func copy(
        _ task: UInt32, token: UInt32?, shown: UInt32, _ stream: LogStreamName, follows: Bool, _ receive: Receiver
    ) async throws {
        let (client, id) = (client, job.id)
        var offset: Int64 = 0
        while true {
            let at = offset
            let answer = try await patience {
                try await client.log(
                    id, task: task, token: token, stream: stream.rawValue, offset: at, limit: Self.pieceBytes,
                    wait: follows ? Self.longPoll : .zero)
            }
            if !answer.bytes.isEmpty {
                await receive(.piece(LogPiece(task: task, token: shown, stream: stream, bytes: answer.bytes)))
                offset += Int64(answer.bytes.count)
            }
            if answer.withheld > 0, answer.isComplete || !follows {
                await receive(.withheld(task: task, stream: stream, bytes: answer.withheld))
            }
            if answer.isComplete || !follows && (answer.bytes.isEmpty || offset >= answer.size) { return }
        }
    }
}
