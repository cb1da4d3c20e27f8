internal import ArgumentParser
internal import FogCommandLine
internal import FogCoordinator
internal import FogCore
internal import FogLedger
internal import FogStore
import Foundation

/// `fog coordinator backup`: one file with everything a coordinator needs to go on.
struct CoordinatorBackup: SessionCommand {
    static let configuration = CommandConfiguration(
        "backup", "Copy a coordinator's database, keys, content and logs into one file, also while it runs.",
        examples: [
            "fog coordinator backup /backup/lab-2027-03-01.tar", "fog coordinator backup lab.tar --state /srv/fog",
        ],
        more:
            "The file holds the coordinator's secret key: whoever reads it can act as the coordinator. Its mode is 0600."
    )

    @Argument(help: "The file to write; must not be there yet.", completion: .file())
    var file: String

    @Option(help: "The coordinator's folder; default in the state folder.")
    var state: String?

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let folder = Disk.absolute(state ?? "\(session.folders.state)/coordinator")
        let path = Disk.absolute(file)
        let made = try await BackupWriter(folder: folder, software: FogVersion.current).write(
            to: path, at: session.now)
        switch session.mode {
        case .json:
            session.console.printLine(
                .object([
                    "file": .string(path), "files": .integer(Int64(made.files)), "bytes": .integer(made.bytes),
                    "missing": .array(made.missing.map { .string($0.description) }),
                    "damaged": .array(made.damaged.map { .string($0.description) }),
                ]))
        case .quiet: session.console.print(path)
        case .table:
            session.console.print(
                "wrote \(path): \(Human.count(made.files, "file")), \(ByteCount(made.bytes).brief)")
        }
        for (digests, words) in [
            (made.missing, "the database names and the folder does not have"), (made.damaged, "is damaged"),
        ] where !digests.isEmpty {
            session.console.note("\(Human.count(digests.count, "blob")) that \(words), the first \(digests[0])")
        }
        guard made.damaged.isEmpty else { throw ExitStatus.failure.exit }
    }
}

/// `fog coordinator restore`: a coordinator from its backup.
struct CoordinatorRestore: SessionCommand {
    static let configuration = CommandConfiguration(
        "restore", "Make a coordinator's folder from a backup, where there is none.",
        examples: ["fog coordinator restore /backup/lab-2027-03-01.tar"],
        more: """
            Every file is held against its digest and the ledger is audited before the folder gets its name. What happened \
            after the backup is gone; leases that were granted after it can never win again. Open invitations end: whether \
            their tokens were used up or withdrawn since, the backup does not know.
            """)

    @Argument(help: "The file that fog coordinator backup wrote.", completion: .file())
    var file: String

    @Option(help: "The folder to make; default in the state folder. Must not be there, or be empty.")
    var state: String?

    @Flag(help: "Let invitations go on that were open when the backup was made.")
    var keepInvitations = false

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let folder = Disk.absolute(state ?? "\(session.folders.state)/coordinator")
        try Self.requireEmpty(folder)
        if let slash = folder.lastIndex(of: "/") { try Disk.makeFolder(String(folder[..<slash]), mode: 0o700) }
        let made = "\(folder).restoring-\(getpid())"
        do {
            let summary = try BackupReader(path: Disk.absolute(file)).unpack(into: made)
            let (report, ended) = try await prepare(made, summary, session)
            rmdir(folder)
            guard rename(made, folder) == 0 else {
                throw CommandLineFailure("unwritable", "\(folder) cannot be made: \(Disk.words())")
            }
            show(folder, summary, report, ended, session)
        } catch {
            try? FileManager.default.removeItem(atPath: made)
            throw error
        }
    }

    /// Audits the restored database, raises its fence and ends what is open to newcomers.
    /// - Returns: the audit, and how many invitations ended.
    private func prepare(_ folder: String, _ summary: BackupReader.Summary, _ session: Session) async throws
        -> (AuditReport, Int)
    {
        let path = "\(folder)/fog.db"
        // Opened for writing first: an older version's file is brought to this schema, which the audit asks for.
        let store = try SQLiteStore(path: path)
        do {
            let key = try KeyFile.read("\(folder)/coordinator.key")
            // A backup of an older version has no tree yet.
            _ = try await LedgerSealer.open(store, key: key)
            let report = try await LedgerAuditor(store: store, coordinator: key.publicKey).run()
            guard report.ok else {
                throw CommandLineFailure(
                    "audit_failed",
                    "the ledger in the backup is not whole: \(AuditDocument(report.json).sentence)",
                    help: "tar -xf FILE -C DIR, then fog ledger audit --database DIR/fog.db")
            }
            try await Fencing.raise(in: store, madeAt: summary.madeAt, now: session.now)
            let ended = keepInvitations ? 0 : try await Invitations.endAll(in: store, now: session.now)
            try store.close()
            return (report, ended)
        } catch {
            try? store.close()
            throw error
        }
    }

    private func show(
        _ folder: String, _ summary: BackupReader.Summary, _ report: AuditReport, _ ended: Int, _ session: Session
    ) {
        let age = Human.age(of: summary.madeAt, at: session.now)
        switch session.mode {
        case .json:
            session.console.printLine(
                .object([
                    "folder": .string(folder), "files": .integer(Int64(summary.files)),
                    "bytes": .integer(summary.bytes), "made_at": .string(summary.madeAt.description),
                    "ended_invitations": .integer(Int64(ended)), "audit": report.json,
                ]))
        case .quiet: session.console.print(folder)
        case .table:
            session.console.print(
                "restored \(folder): \(Human.count(summary.files, "file")), \(ByteCount(summary.bytes).brief), "
                    + "as it was \(age) ago; the ledger is whole")
            if ended > 0 {
                session.console.note("\(Human.count(ended, "open invitation")) ended; fog enroll create makes new ones")
            }
            let what =
                keepInvitations ? "tokens that were used up and keys that were revoked" : "keys that were revoked"
            session.console.note("\(what) since are good again: revoke them once more")
        }
    }

    private static func requireEmpty(_ folder: String) throws {
        guard Disk.exists(folder) else { return }
        guard try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty else {
            throw CommandLineFailure(
                "exists", "\(folder) is not empty: a backup is restored only where there is no coordinator",
                help: "mv \(folder) \(folder).old", status: .usage)
        }
    }
}
