internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// What a private job's tasks wrote and left, opened on this machine.
struct PrivateReading: Sendable {
    private let session: Session
    private let client: FogClient
    private let job: JobBody
    private let reader: PrivateJobReader

    /// Tasks that are printed without being asked for one by one.
    private static let maxTasks = 10_000

    /// - Throws: `lost_key`.
    init(_ session: Session, _ client: FogClient, _ job: JobBody) throws {
        guard let id = job.seal else {
            throw CommandLineFailure("not_private", "job \(job.id.short) is public")
        }
        (self.session, self.client, self.job) = (session, client, job)
        reader = PrivateJobReader(client: client, job: job, record: try session.jobKeys.record(of: id))
    }

    func printLogs(task: UInt32?, token: UInt32?, streams: [LogStreamName]) async throws {
        let isSingle = task != nil || job.tasks == 1
        let printer = LogPrinter(
            console: session.console, form: session.mode == .json ? .json : isSingle ? .raw : .prefixed)
        let numbers: [UInt32]
        if isSingle {
            numbers = [task ?? 0]
        } else {
            let (rows, isWhole) = try await JobPages(client: client, id: job.id).tasks(limit: Self.maxTasks)
            numbers = rows.filter { $0.token > 0 }.map(\.number)
            if !isWhole {
                session.console.warn("only the first \(Self.maxTasks) tasks are printed; --task N prints one")
            }
        }
        var isSilent = true
        for number in numbers {
            guard let (token, log) = try await reader.log(number, token: token) else { continue }
            isSilent = false
            for stream in streams {
                let bytes = stream == .stdout ? log.stdout : log.stderr
                if !bytes.isEmpty {
                    await printer.receive(.piece(LogPiece(task: number, token: token, stream: stream, bytes: bytes)))
                }
            }
            if let detail = log.detail, session.mode == .table {
                session.console.note("task \(number): \(DisplayText.clean(detail))")
            }
        }
        await printer.finish()
        if isSilent, !job.state.isFinal {
            session.console.note("a private task's log comes when it has ended; \(job.sentence)")
        }
    }

    /// Why the one task of the job ended as it did, where that is to be said.
    func detail() async throws -> String? { try await reader.log(0)?.log.detail }

    func outputs(
        task: UInt32?, into folder: String, isExpected: (String) -> Bool
    ) async throws -> (files: [PlannedFile], result: Downloader.Result) {
        try await reader.outputs(
            task: task, into: folder, cache: session.folders.cache, isExpected: isExpected, onProgress: { _, _ in })
    }
}
