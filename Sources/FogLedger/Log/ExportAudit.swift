package import FogCore

/// Judges an export in JSON Lines: the records in it, and that each line is what its record gives.
///
/// What tables, documents and stored checkpoints would tell is absent from the report.
package struct ExportAudit {
    private var audit: Audit
    private var export = LedgerExport(.jsonl)
    private var count: UInt64 = 0

    /// - Parameter origin: what the first record must carry as its previous hash.
    /// - Parameter verifiesRequests: also the signature of who asked for each record.
    package init(origin: Digest = .zero, outside: [OutsideCheckpoint] = [], verifiesRequests: Bool = true) {
        audit = Audit(
            origin: origin, isLogAlone: true,
            sources: Audit.Sources(
                document: { _ in nil },
                receipt: { _ throws(LedgerFailure) in throw LedgerFailure("bad_evidence", "an export has none") },
                isOver: { _ in false }))
        audit.verifiesRequests = verifiesRequests
        for checkpoint in outside { audit.require(checkpoint) }
    }

    /// The next line, without its end.
    /// - Throws: `bad_export` for what no export writes.
    package mutating func take(line: some Collection<UInt8>) throws {
        guard let text = String(validating: line, as: UTF8.self), let json = try? JSON(parsing: text),
            let bytes = json["bytes"]?.string.flatMap({ Base64.decode($0) }), let hash = json["hash"]?.string
        else {
            throw LedgerFailure("bad_export", "line \(count + 1) is no record of an export in JSON Lines")
        }
        try audit.take(.record(sequence: count, bytes: bytes, hash: Hex.decode(hash) ?? [], earlier: nil))
        // A record that does not read is told already.
        if let wanted = try? export.text(of: bytes), wanted != text + "\n" {
            let (expected, found) = Self.difference(String(wanted.dropLast()), text)
            audit.take(line: count, expected: expected, found: found)
        }
        count += 1
    }

    /// The words around the first place where two lines differ.
    private static func difference(_ wanted: String, _ found: String) -> (String, String) {
        let same = zip(wanted, found).prefix { $0 == $1 }.count
        let start = max(0, same - wordsBefore)
        func words(_ line: String) -> String { "…" + line.dropFirst(start).prefix(wordsBefore + wordsAfter) + "…" }
        return (words(wanted), words(found))
    }

    private static let wordsBefore = 24
    private static let wordsAfter = 24

    package consuming func report() -> AuditReport { audit.report() }
}
