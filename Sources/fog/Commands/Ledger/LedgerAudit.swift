internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogLedger
internal import FogNet

/// `fog ledger audit`: derives every credit again.
struct LedgerAudit: SessionCommand {
    static let configuration = CommandConfiguration(
        "audit", "Check the whole ledger: every record, sum, signature and projection.",
        examples: [
            "fog ledger audit", "fog ledger audit --database fog.sqlite -o json",
            "fog ledger audit --checkpoint today.checkpoint", "fog ledger audit --since today.checkpoint",
            "fog ledger audit --export log.jsonl",
        ],
        more: "Exit 0: clean; 1: tampered; 2: the records could not be read.")

    @Option(help: "Check a database file here instead of asking the coordinator.", completion: .file())
    var database: String?

    @Option(help: "Check an export here (`fog ledger export --format jsonl`): its records alone.", completion: .file())
    var export: String?

    @Option(help: "A checkpoint that you kept: the log must go on from it. Repeat it for more.", completion: .file())
    var checkpoint: [String] = []

    @Option(
        help: ArgumentHelp(
            "Check only what was added since: a record's number, or a checkpoint of when it was checked before.",
            valueName: "record-or-checkpoint"))
    var since: String?

    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard export == nil || database == nil && since == nil else {
            throw ValidationError("--export goes neither with --database nor with --since")
        }
    }

    func run(_ session: Session) async throws {
        var outside = try checkpoint.map(Self.kept)
        var start: UInt64?
        if let since {
            start = UInt64(since)
            if start == nil {
                outside.append(try Self.kept(since))
                start = outside.last?.size
            }
        }
        if let start, let older = outside.first(where: { $0.size < start }) {
            throw CommandLineFailure(
                "bad_checkpoint",
                "\(older.name) is of \(older.size) records, and only what follows \(start) is checked",
                status: .usage)
        }
        let report: JSON
        do {
            report = try await ask(session, outside, start)
        } catch {
            throw Self.ending(error)
        }
        show(report, session)
        let status = AuditDocument(report).status
        guard status == .success else { throw status.exit }
    }

    private static func kept(_ path: String) throws -> OutsideCheckpoint {
        guard let bytes = try Disk.readSmall(path) else {
            throw CommandLineFailure("unreadable", "there is no file \(path)", status: .usage)
        }
        return try OutsideCheckpoint(name: path, note: bytes)
    }

    private func ask(_ session: Session, _ outside: [OutsideCheckpoint], _ start: UInt64?) async throws -> JSON {
        if let database {
            let progress = Self.progress(session, .things)
            defer { progress.finish() }
            return try await LedgerFileAudit.database(database, outside: outside, since: start) { done, all in
                progress.update(done: Int64(clamping: done), of: Int64(clamping: all))
            }.json
        }
        if let export {
            let progress = Self.progress(session, .bytes)
            defer { progress.finish() }
            return try LedgerFileAudit.export(export, outside: outside) { done, all in
                progress.update(done: done, of: all)
            }.json
        }
        let client = try await session.ledgerClient()
        for kept in outside { _ = try await client.follow(VerifiedCheckpoint(kept.note, key: client.logKey)) }
        return try await client.audit(since: start)
    }

    private static func progress(_ session: Session, _ unit: ProgressLine.Unit) -> LiveProgress {
        LiveProgress(session, label: "auditing", total: 0, unit: unit)
    }

    /// A fork is an answer; everything else means that there is none.
    private static func ending(_ error: any Error) -> any Error {
        error is LogFork ? error : EndedWith(status: .unreadable, error: error)
    }

    private func show(_ report: JSON, _ session: Session) {
        let audit = AuditDocument(report)
        switch session.mode {
        case .json: session.console.print(report)
        case .quiet: break
        case .table:
            session.console.print(audit.table)
            session.console.print(audit.sentence)
        }
    }
}
