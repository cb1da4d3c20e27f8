internal import FogCommandLine
internal import FogCore
internal import FogLedger

/// A file that proves a record: which key it is checked with, and what it says.
struct ProofSheet {
    let record: LedgerRecord
    let checkpoint: VerifiedCheckpoint
    let witnesses: [NoteKey]

    static let suffix = ".tlog-proof"
    private static let beginning = Array("c2sp.org/tlog-proof".utf8)

    static func isProof(_ bytes: [UInt8]) -> Bool { bytes.starts(with: beginning) }

    /// Checks a file.
    /// - Parameters:
    ///   - key: a verifier key; nil = that of the coordinator among this installation's contexts whose log it is.
    ///   - policy: which cosignatures it needs; the logs that it names are believed.
    init(checking bytes: [UInt8], key: String?, policy: WitnessPolicy, _ session: Session) throws {
        let proof = try InclusionProof(decoding: bytes)
        let logKey: NoteKey
        if let key {
            logKey = try NoteKey(key)
        } else {
            let origin = try Checkpoint(text: SignedNote(proof.checkpoint).text).origin
            let keys = try policy.logs + session.contexts().contexts.map { try NoteKey(coordinator: $0.coordinator) }
            guard let known = keys.first(where: { $0.name == origin }) else {
                throw CommandLineFailure(
                    "unknown_log",
                    "the proof is of the log `\(DisplayText.clean(origin))`, whose coordinator was never joined",
                    help: "fog ledger verify FILE --key VKEY", status: .usage)
            }
            logKey = known
        }
        (record, checkpoint, witnesses) = try proof.verify(key: logKey, policy: policy)
    }

    func show(_ session: Session) {
        let transfer = record.transfer
        switch session.mode {
        case .quiet: session.console.print("\(record.sequence)")
        case .json:
            session.console.print(
                .object([
                    "record": .integer(Int64(clamping: record.sequence)), "time": .string(record.time.description),
                    "kind": transfer.map { .string($0.kind.description) },
                    "transfer": transfer.map { .string($0.id.description) },
                    "from": transfer.map { .string($0.debit.description) },
                    "to": transfer.map { .string($0.credit.description) },
                    "amount": transfer.map { .string($0.amount.description) },
                    "subject": .string(record.subject.description), "evidence": .string(record.evidence.description),
                    "log": .string(checkpoint.checkpoint.origin),
                    "size": .integer(Int64(clamping: checkpoint.head.size)),
                    "root": .string(checkpoint.head.root.description),
                    "witnesses": .array(witnesses.map { .string($0.name) }), "proof": "valid",
                ]))
        case .table:
            var sheet = Sheet()
            sheet.add("record", "\(record.sequence) of \(checkpoint.head.size)")
            sheet.add("time", record.time.description)
            sheet.add("kind", transfer?.kind.description)
            sheet.add("amount", transfer.map { "\($0.amount) credits" })
            sheet.add("from", transfer?.debit.description)
            sheet.add("to", transfer?.credit.description)
            sheet.add("about", record.subject.description)
            sheet.add("evidence", record.evidence == .zero ? nil : record.evidence.description)
            sheet.add("log", checkpoint.checkpoint.origin)
            sheet.add("witnesses", witnesses.isEmpty ? nil : witnesses.map(\.name).joined(separator: ", "))
            sheet.add("proof", "valid", .good)
            session.console.print(sheet)
        }
    }
}
