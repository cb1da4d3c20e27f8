import FogAPI
import FogCore
import FogJobs
import Glibc

/// Results that wait for the coordinator, a folder each: `spool/<attempt>/report` and the files beside it.
///
/// The report is written last and put in place whole, so what a crash interrupts has no report and is never sent.
struct Spool: Sendable {
    /// Results kept; beyond it no new work is taken.
    static let maxResults = 2048
    private static let reportLimit = 32 << 20
    private static let reportName = "report"

    let folder: String

    /// What ``FinishedAttempt`` is on disk.
    private struct Document: Codable {
        struct Log: Codable {
            var stream: String
            var size: Int64
        }

        var attempt: AttemptID
        var report: AttemptReport
        var uploads: [FinishedAttempt.Upload]
        var logs: [Log]
    }

    init(folder: String) throws(WorkerFailure) {
        self.folder = folder
        try Disk.makeFolders(folder)
    }

    /// Writes a result so that it outlives the process. Flushes; slow.
    func keep(_ finished: FinishedAttempt) throws(WorkerFailure) -> FinishedAttempt {
        guard !finished.isDurable else { return finished }
        var kept = finished
        let place = finished.folder ?? folder + "/" + finished.attempt.description
        try Disk.makeFolder(place)
        for index in kept.logs.indices {
            guard let bytes = kept.logs[index].bytes else { continue }
            let path = place + "/" + kept.logs[index].stream
            unlink(path)
            try Disk.writeDurably(bytes, to: path, in: place)
            kept.logs[index].bytes = nil
        }
        for name in kept.uploads.map(\.name) + kept.logs.map(\.stream) { try Disk.flush(place + "/" + name) }
        let document = Document(
            attempt: kept.attempt, report: kept.report, uploads: kept.uploads,
            logs: kept.logs.map { Document.Log(stream: $0.stream, size: $0.size) })
        guard let body = try? Wire.encode(document) else {
            throw WorkerFailure("spool_failed", "the report of \(kept.attempt) cannot be written as JSON")
        }
        let text = Array((Digest.blake2b(body).description + "\n").utf8) + body
        try Disk.writeDurably(text, to: place + "/" + Self.reportName, in: place)
        try Disk.flush(folder)
        kept.folder = place
        kept.isDurable = true
        return kept
    }

    /// The results of former starts; folders without a whole report are removed.
    func load() -> [FinishedAttempt] {
        var results: [FinishedAttempt] = []
        for name in Disk.names(folder).sorted() {
            let place = folder + "/" + name
            guard results.count < Self.maxResults, let result = Self.read(place), result.attempt.description == name
            else {
                Disk.removeTree(place)
                continue
            }
            results.append(result)
        }
        return results
    }

    private static func read(_ place: String) -> FinishedAttempt? {
        guard let text = Disk.read(place + "/" + reportName, limit: reportLimit), text.count > 65,
            text[64] == UInt8(ascii: "\n"), let digest = try? Digest(String(decoding: text[..<64], as: UTF8.self)),
            Digest.blake2b(Array(text[65...])) == digest,
            let document = try? Wire.decode(Document.self, from: Array(text[65...]))
        else { return nil }
        // A log is offered from its start: the coordinator says where its copy ends.
        return FinishedAttempt(
            attempt: document.attempt, report: document.report, uploads: document.uploads,
            logs: document.logs.map { .init(stream: $0.stream, offset: 0, size: $0.size) }, folder: place,
            isDurable: true)
    }

    /// Forgets a result that was delivered or is void.
    func remove(_ finished: FinishedAttempt) {
        if let folder = finished.folder { Disk.removeTree(folder) }
    }
}
