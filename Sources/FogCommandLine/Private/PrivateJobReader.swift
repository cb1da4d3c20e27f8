package import FogAPI
internal import FogCore
package import FogJobs
internal import Glibc

/// Opens on this machine what the tasks of a private job left.
package struct PrivateJobReader: Sendable {
    private let client: FogClient
    private let job: JobBody
    private let record: JobKeyRecord
    private let patience: Patience

    private static let pieceBytes = 1 << 20
    /// Of one task's log, sealed.
    private static let logLimit: Int64 = 64 << 20
    private static let maxAttempts = 4_000_000

    package init(client: FogClient, job: JobBody, record: JobKeyRecord, patience: Patience = Patience()) {
        self.client = client
        self.job = job
        self.record = record
        self.patience = patience
    }

    /// Which task of the manifest a task of the job is.
    private func place(of task: UInt32) throws -> SealedPlace {
        guard let step = job.steps.first(where: { task >= $0.base && task - $0.base < $0.count }),
            let number = StandIn.step(inName: step.name)
        else { throw CommandLineFailure("not_found", "the job has no task \(task)") }
        return SealedPlace(step: number, element: Int(task - step.base))
    }

    // MARK: - Logs

    /// What an attempt of a task wrote; nil while there is nothing.
    /// - Parameter token: nil = the attempt that succeeded, else the newest that ended.
    package func log(_ task: UInt32, token: UInt32? = nil) async throws -> (token: UInt32, log: SealedLog)? {
        let place = try place(of: task)
        let attempts = try await attempts(task: task).filter { $0.outcome != nil && $0.stdoutSize > 0 }
        let attempt =
            token.map { wanted in attempts.first { $0.token == wanted } }
            ?? (attempts.last { $0.outcome == .success } ?? attempts.last)
        guard let attempt else { return nil }
        guard attempt.stdoutSize <= Self.logLimit else {
            throw CommandLineFailure(
                "bad_log", "the log of task \(task) has \(attempt.stdoutSize) bytes, which none has")
        }
        let (client, id) = (client, job.id)
        var bytes: [UInt8] = []
        while Int64(bytes.count) < attempt.stdoutSize {
            let at = Int64(bytes.count)
            let answer = try await patience {
                try await client.log(
                    id, task: task, token: attempt.token, stream: "stdout", offset: at, limit: Self.pieceBytes)
            }
            guard !answer.bytes.isEmpty else { break }
            bytes += answer.bytes
        }
        do {
            return (attempt.token, try SealedLog(opening: bytes, record.seal, at: place, token: attempt.token))
        } catch let failure as any CodedFailure {
            throw CommandLineFailure(
                failure.code, "the log of task \(task) does not open: \(failure.message)", status: .denied)
        }
    }

    private func attempts(task: UInt32?) async throws -> [AttemptBody] {
        var all: [AttemptBody] = []
        var after: AttemptID?
        repeat {
            let (client, id, from) = (client, job.id, after)
            let answer = try await patience { try await client.attempts(id, task: task, after: from, limit: 500) }
            all += answer.attempts
            after = answer.next
        } while after != nil && all.count < Self.maxAttempts
        return all
    }

    // MARK: - Outputs

    /// Fetches the results of the tasks that succeeded, opens them and writes their files.
    ///
    /// - Parameters:
    ///   - cache: where sealed results lie until they were opened; an interrupted fetch goes on there.
    ///   - isExpected: asked with each file's name; one that was never asked for is refused.
    /// - Throws: `bad_seal`, `bad_result` for a result that is not what its tag says, `unsafe_output`, `unwritable`.
    package func outputs(
        task: UInt32?, into path: String, cache: String, isExpected: (String) -> Bool,
        onProgress: @escaping @Sendable (_ done: Int64, _ total: Int64) -> Void
    ) async throws -> (files: [PlannedFile], result: Downloader.Result) {
        var winners: [UInt32: AttemptBody] = [:]
        for attempt in try await attempts(task: task) where attempt.outcome == .success {
            if let known = winners[attempt.task], known.token > attempt.token { continue }
            winners[attempt.task] = attempt
        }
        let sealed = try winners.sorted { $0.key < $1.key }.map { task, attempt in
            guard attempt.outputs.count == 1, let file = attempt.outputs.first, file.name == StandIn.resultName else {
                throw CommandLineFailure("bad_result", "task \(task) left something else than one sealed result")
            }
            return PlannedFile(
                task: task, components: ["\(file.digest)"], size: file.size, digest: file.digest, isExecutable: false)
        }
        let folder = "\(cache)/private"
        let downloader = Downloader(client: client, patience: patience, onProgress: onProgress)
        var result = Downloader.Result()
        var files: [PlannedFile] = []
        let target = sealed.isEmpty ? nil : try OutputFolder(path)
        for file in sealed {
            let fetched = try await downloader.fetch(OutputPlan(sealed: file), into: folder)
            result.bytes += fetched.bytes
            let place = "\(folder)/\(file.digest)"
            defer { unlink(place) }
            guard let target else { continue }
            files += try open(place, of: file, into: target, isExpected, &result)
        }
        return (files, result)
    }

    private func open(
        _ path: String, of sealed: PlannedFile, into folder: OutputFolder, _ isExpected: (String) -> Bool,
        _ result: inout Downloader.Result
    ) throws -> [PlannedFile] {
        let place = try place(of: sealed.task)
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw CommandLineFailure("unreadable", "\(path) cannot be read: \(Disk.words())") }
        defer { close(descriptor) }
        let salt = try Self.read(descriptor, 8, SealedPieces.saltBytes)
        do {
            var reader = try ArchiveReader(record.seal, .result(place), size: sealed.size) {
                try Self.read(descriptor, $0, $1)
            }
            let list = try SealedFiles(head: reader.head).files
            guard record.seal.tag(of: list, at: place).bytes == salt else {
                throw CommandLineFailure("bad_result", "the result of task \(sealed.task) is not what its tag says")
            }
            let own = try layout(of: sealed.task).folder(of: sealed.task)
            var planned: [PlannedFile] = []
            for file in list {
                let name = DisplayText.clean(String(file.name.prefix(200)))
                guard isExpected(file.name) else {
                    throw CommandLineFailure("unsafe_output", "the output `\(name)` was not asked for")
                }
                let plan = PlannedFile(
                    task: sealed.task, components: own + (try OutputPlan.components(of: file.name)), size: file.size,
                    digest: file.digest, isExecutable: file.executable)
                if try folder.has(plan) {
                    try reader.read(file.size) { _ in }
                    result.present += 1
                } else {
                    var partial = try folder.begin(plan, resumes: false)
                    try reader.read(file.size) { try partial.append(Array($0)) }
                    try partial.finish()
                    result.fetched += 1
                }
                planned.append(plan)
            }
            try reader.finish()
            return planned
        } catch let failure as any CodedFailure where failure.code == "bad_seal" || failure.code == "bad_archive" {
            throw CommandLineFailure(
                failure.code, "the result of task \(sealed.task) does not open: \(failure.message)", status: .denied)
        }
    }

    private static func read(_ descriptor: Int32, _ offset: Int64, _ count: Int) throws -> [UInt8] {
        var out = [UInt8](repeating: 0, count: count)
        let got = out.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, count, off_t(offset)) }
        guard got == count else { throw CommandLineFailure("unreadable", "a sealed result: \(Disk.words())") }
        return out
    }

    /// Where a task's files go, by the manifest that only this machine has.
    private func layout(of task: UInt32) throws -> StepLayout {
        var own = job
        let names = record.stepNames
        for index in own.steps.indices {
            guard let number = StandIn.step(inName: own.steps[index].name), names.indices.contains(number) else {
                continue
            }
            if !own.steps[index].name.isEmpty { own.steps[index].name = names[number] }
        }
        guard let layout = StepLayout.layouts(of: own, document: record.document).first(where: { $0.holds(task) })
        else {
            throw CommandLineFailure("not_found", "the job has no task \(task)")
        }
        return layout
    }
}

extension OutputPlan {
    /// One sealed result, under a name of this machine's.
    init(sealed file: PlannedFile) { files = [file] }
}
