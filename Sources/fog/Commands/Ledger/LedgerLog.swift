internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogLedger

/// `fog ledger checkpoint`: what the coordinator signs of its log, held against what was kept here.
struct LedgerCheckpoint: SessionCommand {
    static let configuration = CommandConfiguration(
        "checkpoint", "Show the log's newest signed checkpoint, held against the one kept here.",
        examples: [
            "fog ledger checkpoint", "fog ledger checkpoint --out today.checkpoint",
            "fog ledger checkpoint --witness w1.example+…+… --out cosigned.checkpoint",
        ],
        more: "Exit 1: the log is shorter than it was or another; both checkpoints are then in a file of evidence.")

    @Option(help: "Also write the signed note to this file.", completion: .file())
    var out: String?

    @OptionGroup var witnesses: WitnessOptions

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let client = try await session.client()
        guard var newest = try await session.keptCheckpoint(client).follow(client) else {
            throw CommandLineFailure("no_checkpoint", "the coordinator has signed nothing yet")
        }
        var found: [NoteKey] = []
        if !witnesses.isEmpty { (newest, found) = try await client.cosigned(by: witnesses.read()) }
        if let out { try Disk.write(newest.note.bytes, to: out) }
        CheckpointSheet(checkpoint: newest, key: try client.logKey, witnesses: found).show(session)
    }
}

/// `fog ledger consistency`: that the log goes on from a checkpoint.
struct LedgerConsistency: SessionCommand {
    static let configuration = CommandConfiguration(
        "consistency", "Check that the log goes on from a checkpoint that you kept.",
        examples: ["fog ledger consistency today.checkpoint"],
        more: "The proof is made here, from the log's public tiles. Exit 0: it does; 1: it does not.")

    @Argument(help: "The signed note.", completion: .file())
    var file: String

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        guard let bytes = try Disk.readSmall(file) else {
            throw CommandLineFailure("unreadable", "there is no file \(file)", status: .usage)
        }
        let client = try await session.client()
        let newest = try await client.follow(VerifiedCheckpoint(bytes, key: client.logKey))
        CheckpointSheet(checkpoint: newest, key: try client.logKey).show(session)
    }
}

extension Session {
    func keptCheckpoint(_ client: FogClient) throws -> KeptCheckpoint {
        try KeptCheckpoint(state: folders.state, coordinator: client.coordinatorKey)
    }

    /// A client for a command about money, after a look at the log that it rests on: what is wrong there is said, and the
    /// command goes on.
    func ledgerClient() async throws -> FogClient {
        let client = try await client()
        do {
            _ = try await keptCheckpoint(client).follow(client)
        } catch let failure as CommandLineFailure where failure.code.hasPrefix("log_") {
            console.note("\(failure.message) (\(failure.code))")
        }
        return client
    }
}

extension FogClient {
    /// The newest checkpoint that witnesses cosigned, which the log must go on from.
    /// - Throws: `no_quorum` when too few did, `log_fork` when it is of another history.
    func cosigned(by policy: WitnessPolicy) async throws -> (VerifiedCheckpoint, [NoteKey]) {
        guard let cosigned = try await cosignedCheckpoint() else {
            throw CommandLineFailure("no_quorum", "no witness has cosigned a checkpoint of this log")
        }
        let found = try policy.check(cosigned.note)
        _ = try await follow(cosigned)
        return (cosigned, found)
    }
}

/// A checkpoint for people and scripts.
struct CheckpointSheet {
    let checkpoint: VerifiedCheckpoint
    let key: NoteKey
    var witnesses: [NoteKey] = []

    func show(_ session: Session) {
        let head = checkpoint.head
        switch session.mode {
        case .quiet: session.console.print("\(head.size)")
        case .json:
            session.console.print(
                .object([
                    "origin": .string(checkpoint.checkpoint.origin), "size": .integer(Int64(clamping: head.size)),
                    "root": .string(head.root.description), "key": .string(key.description),
                    "witnesses": .array(witnesses.map { .string($0.name) }),
                    "note": .string(String(decoding: checkpoint.note.bytes, as: UTF8.self)),
                ]))
        case .table:
            var sheet = Sheet()
            sheet.add("log", checkpoint.checkpoint.origin)
            sheet.add("records", "\(head.size)")
            sheet.add("root", head.root.description)
            sheet.add("key", key.description)
            sheet.add("witnesses", witnesses.isEmpty ? nil : witnesses.map(\.name).joined(separator: ", "))
            sheet.add("signature", "valid", .good)
            session.console.print(sheet)
        }
    }
}
