internal import FogAPI
internal import FogCoordinator
internal import FogCore
internal import FogJobs

/// What a worker's word is taken for: numbers that no machine has are refused before anything is added to them, and
/// files are taken only under names that lie below a folder.
///
/// A worker is a stranger's machine. What it says of itself is summed over the pool and multiplied by the depth of its
/// queue, so one that claims 2^63 bytes would stop the coordinator for everybody.
enum WorkerBounds {
    private static let cores: Int64 = 1_000_000
    private static let memory = ByteCount.gibibytes(64 << 10)
    private static let disk = ByteCount.gibibytes(1 << 20)
    private static let slots = 100_000
    private static let gpus = 4096
    private static let bitsPerSecond: Int64 = 1 << 50
    static let nameCharacters = 255
    /// Of one text, and of texts in one list.
    static let textCharacters = 4096
    static let texts = 4096

    static let millicores = 0...cores * 1000
    static let memoryBytes = 0...memory.bytes
    static let diskBytes = 0...disk.bytes
    static let gpuCount = 0...Int64(gpus)
    static let slotCount = 0...Int64(slots)
    static let bandwidth = 0...bitsPerSecond

    static func check(_ hello: WorkerHello) throws(Problem) {
        let report = hello.report
        try check("report.cpu", report.cpu.count, millicores, "millicores")
        try check("report.memory", report.memory.bytes, memoryBytes, "bytes")
        try check("report.disk", report.disk.bytes, diskBytes, "bytes")
        try check("report.gpu", Int64(report.gpu), gpuCount, "GPUs")
        guard (1...nameCharacters).contains(report.name.unicodeScalars.count),
            report.name.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
        else {
            throw Problem(
                400, "bad_report", "`report.name` has 1 to \(nameCharacters) characters and no control character")
        }
        let programs = report.programs.map(\.key) + report.programs.map(\.value)
        let lists = [report.labels, report.volumes, report.profiles, report.missingIsolation, programs]
        let plain = [report.architecture, report.region, report.software, hello.incarnation]
        guard lists.allSatisfy({ $0.count <= texts }),
            (lists.joined() + plain).allSatisfy({ $0.unicodeScalars.count <= textCharacters })
        else {
            throw Problem(
                400, "bad_report",
                "a report's lists have at most \(texts) texts, each of at most \(textCharacters) characters")
        }
        try check(hello.allowance)
    }

    static func check(_ allowance: Allowance) throws(Problem) {
        try check("allowance.cpu_cap", allowance.cpuCap.count, millicores, "millicores")
        try check("allowance.memory_cap", allowance.memoryCap.bytes, memoryBytes, "bytes")
        try check("allowance.slots", Int64(allowance.slots), slotCount, "tasks")
        try check("allowance.bandwidth_cap", allowance.bandwidthCap ?? 0, bandwidth, "bits a second")
        let texts =
            [allowance.reason] + (allowance.profileCeiling ?? []) + (allowance.submitters?.allow ?? [])
            + (allowance.submitters?.deny ?? [])
        guard texts.count <= Self.texts, texts.allSatisfy({ $0.unicodeScalars.count <= textCharacters }) else {
            throw Problem(400, "bad_report", "a text of `allowance` has more than \(textCharacters) characters")
        }
    }

    private static func check(
        _ field: String, _ value: Int64, _ range: ClosedRange<Int64>, _ unit: String
    ) throws(Problem) {
        guard range.contains(value) else {
            throw Problem(
                400, "bad_report",
                "`\(field)` must be \(range.lowerBound) to \(range.upperBound) \(unit), found \(value)")
        }
    }

    /// What is wrong with a report of an attempt's end, or nil.
    static func mistake(in report: AttemptReport) -> String? {
        guard report.stdoutSize >= 0, report.stderrSize >= 0 else { return "a log's size is below 0" }
        guard report.detail?.unicodeScalars.count ?? 0 <= textCharacters else {
            return "`detail` has more than \(textCharacters) characters"
        }
        return mistake(in: report.outputs) ?? mistake(in: report.checkpoint ?? [])
    }

    /// What is wrong with a list of files, or nil: a name twice, one that leaves its folder, a size below 0.
    static func mistake(in files: [OutputFile]) -> String? {
        guard !files.isEmpty else { return nil }
        if let large = files.first(where: { !(0...disk.bytes).contains($0.size) }) {
            return "`\(large.name.prefix(80))` cannot have \(large.size) bytes"
        }
        let entries = files.map {
            FileTable.Entry(path: $0.name, digest: $0.digest, size: ByteCount($0.size), isExecutable: $0.executable)
        }
        // A table takes one nameless file for the source itself; a file that a task left has a name.
        guard !files.contains(where: \.name.isEmpty) else { return "a file has no name" }
        do throws(JobsFailure) {
            _ = try FileTable(["files": entries])
            return nil
        } catch {
            return error.message
        }
    }
}

extension Routes {
    /// The ends of attempts. A report that cannot be true is rejected by itself; the others of the request are taken.
    ///
    /// Content that did not come with a report must be the worker's own upload: a digest alone, which anybody may know,
    /// would else make another owner's content readable as this job's output.
    func complete(_ request: CompletionRequest, _ asked: AuthenticatedRequest) async throws -> CompletionAnswer {
        guard request.reports.count <= CompletionRequest.limit else {
            return try await coordinator.complete(request, from: asked.principal.key.id)
        }
        var rejected: [Int: CompletionVerdict] = [:]
        var taken: [AttemptReport] = []
        for (index, report) in request.reports.enumerated() {
            if let mistake = try await mistake(in: report, asked) {
                rejected[index] = CompletionVerdict(attempt: nil, verdict: .rejected, detail: mistake)
            } else {
                taken.append(report)
            }
        }
        guard !rejected.isEmpty else { return try await coordinator.complete(request, from: asked.principal.key.id) }
        let answer = try await coordinator.complete(CompletionRequest(reports: taken), from: asked.principal.key.id)
        var verdicts = answer.verdicts[...]
        return CompletionAnswer(
            verdicts: request.reports.indices.compactMap { rejected[$0] ?? verdicts.popFirst() })
    }

    private func mistake(in report: AttemptReport, _ asked: AuthenticatedRequest) async throws -> String? {
        if let mistake = WorkerBounds.mistake(in: report) { return mistake }
        let uploaded = zip(report.outputs, report.contents).filter { $0.1 == nil }.map(\.0) + (report.checkpoint ?? [])
        guard !uploaded.isEmpty else { return nil }
        let attempt = (try? SignedReceipt(bytes: report.receipt.bytes))?.receipt.attempt
        return try await missing(uploaded, of: attempt, asked)
    }

    /// Which of the files the worker did not upload, or not in that size, in words; nil when it uploaded all.
    func missing(_ files: [OutputFile], of attempt: AttemptID?, _ asked: AuthenticatedRequest) async throws -> String? {
        guard !files.isEmpty else { return nil }
        let sizes = try await coordinator.nameable(files.map(\.digest), for: asked.principal, reporting: attempt)
        for file in files {
            guard let size = sizes[file.digest] else { return "`\(file.name)` (\(file.digest)) was not uploaded" }
            guard size == file.size else { return "`\(file.name)` has \(size) bytes, not \(file.size)" }
        }
        return nil
    }
}
