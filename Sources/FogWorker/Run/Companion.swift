import FogAPI
import FogCore
import FogJobs
import Logging

/// Goes along with a task that runs longer than a moment: sends its log on and copies its checkpoints.
struct Companion: Sendable {
    let lease: Lease
    let place: AttemptPlace
    let logs: [LogCapture]
    let interval: TimeSpan
    let courier: Courier
    let logger: Logger

    /// Ends when the task does (by cancellation), or with the refusal that says the lease is not ours any more.
    func run() async -> Refusal? {
        let clock = courier.client.clock
        var checkpointDue = lease.checkpoint.every.map { clock.sinceBoot + $0 }
        while !Task.isCancelled {
            for log in logs {
                if await sendOn(log) == .stale { return .stale }
            }
            if let due = checkpointDue, let every = lease.checkpoint.every, clock.sinceBoot >= due {
                if await takeCheckpoint() == .stale { return .stale }
                // Counted from the end of the copy: a large checkpoint must not fill the task's whole time.
                checkpointDue = clock.sinceBoot + every
            }
            try? await Task.sleep(for: min(interval, lease.checkpoint.every ?? interval).duration)
        }
        return nil
    }

    /// Sends what is new. The offset makes a repeated piece harmless.
    private func sendOn(_ log: LogCapture) async -> Refusal? {
        while log.size > log.sent ?? 0, !Task.isCancelled {
            let offset = log.sent ?? 0
            let piece = log.read(at: offset, count: Courier.logPieceBytes)
            guard !piece.isEmpty else { return nil }
            // From the first try on the log is a streamed one: the coordinator may have the piece though no answer came.
            log.acknowledge(offset)
            do {
                let received = try await courier.client.appendLog(
                    lease.attempt, stream: log.stream, offset: offset, bytes: piece)
                guard received > offset else { return nil }
                log.acknowledge(received)
            } catch {
                return Refusal(error)
            }
        }
        return nil
    }

    private func takeCheckpoint() async -> Refusal? {
        let (place, maxSize) = (place, lease.checkpoint.maxSize)
        defer { Disk.removeTree(place.checkpointCopy) }
        do {
            let taken = try await Disk.offload { () throws(WorkerFailure) in
                try CheckpointTaking.take(
                    from: place.checkpoint, to: place.checkpointCopy, maxSize: maxSize, running: true)
            }
            guard let taken else { return nil }
            try await courier.send(taken.uploads, in: place.checkpointCopy)
            try await courier.client.checkpoint(CheckpointReport(attempt: lease.attempt, files: taken.files))
            return nil
        } catch {
            let refusal = Refusal(error)
            if !Task.isCancelled, refusal != .stale {
                logger.warning(
                    "A checkpoint was not taken; the next try follows",
                    metadata: ["attempt": "\(lease.attempt)", "error": "\(refusal.words)"])
            }
            return refusal
        }
    }
}
