internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogLedger

/// Whose cosignatures a checkpoint needs.
struct WitnessOptions: ParsableArguments {
    @Option(help: "The verifier key of a witness whose cosignature counts; repeat it for more.")
    var witness: [String] = []

    @Option(help: "How many of those witnesses must have cosigned; default all.")
    var quorum: Int?

    @Option(
        help: "A file that says which witnesses must have cosigned (C2SP tlog-policy), instead.", completion: .file())
    var policy: String?

    func validate() throws {
        guard policy == nil || witness.isEmpty && quorum == nil else {
            throw ValidationError("--policy goes neither with --witness nor with --quorum")
        }
        guard (0...witness.count).contains(quorum ?? witness.count) else {
            throw ValidationError("--quorum is at most the number of --witness, \(witness.count)")
        }
    }

    /// Whether anything is asked for.
    var isEmpty: Bool { policy == nil && witness.isEmpty }

    /// - Throws: `bad_policy`, `bad_note_key`, `unreadable`.
    func read() throws -> WitnessPolicy {
        guard let policy else {
            return WitnessPolicy(try witness.map { try NoteKey($0) }, quorum: quorum ?? witness.count)
        }
        guard let bytes = try Disk.readSmall(policy) else {
            throw CommandLineFailure("unreadable", "there is no file \(policy)", status: .usage)
        }
        return try WitnessPolicy(String(decoding: bytes, as: UTF8.self))
    }
}
