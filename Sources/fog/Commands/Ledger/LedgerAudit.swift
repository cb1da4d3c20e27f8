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

    @OptionGroup var witnesses: WitnessOptions

    @Flag(help: "Leave out the signatures of who asked for each record, some 60 microseconds each.")
    var withoutSignatures = false

    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard export == nil || database == nil && since == nil else {
            throw ValidationError("--export goes neither with --database nor with --since")
        }
    }

    // In small steps: the compiler's optimiser falls over a longer one.
    func run(_ session: Session) async throws {
        let scope = try scope()
        let report: JSON
        do {
            report = try await ask(session, scope)
        } catch {
            throw Self.ending(error)
        }
        show(report, session)
        let status = AuditDocument(report).status
        guard status == .success else { throw status.exit }
    }

    /// Against which checkpoints, and from which record on.
    private struct Scope {
        var outside: [OutsideCheckpoint]
        var start: UInt64?
    }

    private func scope() throws -> Scope {
        var scope = Scope(outside: try checkpoint.map(Self.kept))
        if !witnesses.isEmpty {
            let policy = try witnesses.read()
            for kept in scope.outside { try policy.check(SignedNote(kept.note)) }
        }
        if let since {
            scope.start = UInt64(since)
            if scope.start == nil {
                let kept = try Self.kept(since)
                scope.outside.append(kept)
                scope.start = kept.size
            }
        }
        if let start = scope.start, let older = scope.outside.first(where: { $0.size < start }) {
            throw CommandLineFailure(
                "bad_checkpoint",
                "\(older.name) is of \(older.size) records, and only what follows \(start) is checked", status: .usage)
        }
        return scope
    }

    private static func kept(_ path: String) throws -> OutsideCheckpoint {
        guard let bytes = try Disk.readSmall(path) else {
            throw CommandLineFailure("unreadable", "there is no file \(path)", status: .usage)
        }
        return try OutsideCheckpoint(name: path, note: bytes)
    }

    private func ask(_ session: Session, _ scope: Scope) async throws -> JSON {
        if !witnesses.isEmpty, checkpoint.isEmpty, database != nil || export != nil {
            throw CommandLineFailure(
                "bad_checkpoint", "--witness and --policy speak of a --checkpoint, found none",
                help: "fog ledger checkpoint --witness KEY --out FILE", status: .usage)
        }
        if let database { return try await ask(database: database, session, scope) }
        if let export { return try ask(export: export, session, scope) }
        return try await ask(coordinator: session.ledgerClient(), scope)
    }

    private func ask(database: String, _ session: Session, _ scope: Scope) async throws -> JSON {
        let progress = Self.progress(session, .things)
        let report = try await LedgerFileAudit.database(
            database, outside: scope.outside, since: scope.start, verifiesRequests: !withoutSignatures
        ) { done, all in progress.update(done: Int64(clamping: done), of: Int64(clamping: all)) }
        progress.finish()
        return report.json
    }

    private func ask(export: String, _ session: Session, _ scope: Scope) throws -> JSON {
        let progress = Self.progress(session, .bytes)
        let report = try LedgerFileAudit.export(
            export, outside: scope.outside, verifiesRequests: !withoutSignatures
        ) { done, all in progress.update(done: done, of: all) }
        progress.finish()
        return report.json
    }

    private func ask(coordinator client: FogClient, _ scope: Scope) async throws -> JSON {
        if !witnesses.isEmpty { _ = try await client.cosigned(by: witnesses.read()) }
        for kept in scope.outside { _ = try await client.follow(VerifiedCheckpoint(kept.note, key: client.logKey)) }
        return try await client.audit(since: scope.start, verifiesRequests: !withoutSignatures)
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
