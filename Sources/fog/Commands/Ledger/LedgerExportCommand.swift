internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogLedger
internal import FogStore

/// `fog ledger export`: the log for other programs.
struct LedgerExportCommand: SessionCommand {
    static let configuration = CommandConfiguration(
        "export", "Write the log as a file of Beancount, hledger, CSV or JSON Lines.",
        examples: [
            "fog ledger export --format beancount --out fog.beancount",
            "fog ledger export --database fog.db --format csv --out fog.csv",
        ],
        more: "Amounts are whole micro-credits (UFOG). Equal logs give equal bytes. Online it needs the role auditor.")

    @Option(help: "jsonl, csv, beancount or hledger.")
    var format: String

    @Option(help: "The file to write.", completion: .file())
    var out: String

    @Option(help: "Read a database file here instead of asking the coordinator.", completion: .file())
    var database: String?

    @OptionGroup var common: CommonOptions

    /// Records kept in memory before they are written.
    private static let piece = 4096

    func validate() throws {
        guard LedgerExport.Format(rawValue: format) != nil else {
            let known = LedgerExport.Format.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("--format is one of \(known), found `\(format)`")
        }
    }

    func run(_ session: Session) async throws {
        guard let format = LedgerExport.Format(rawValue: format) else { return }
        let file = try ReplacedFile(out)
        do {
            var export = LedgerExport(format)
            var count = 0
            try file.write(export.head)
            if let database {
                let store = try SQLiteStore(path: database, readOnly: true)
                while case let rows = try await store.ledgerRecords(from: UInt64(count), limit: Self.piece),
                    !rows.isEmpty
                {
                    for row in rows { try file.write(export.text(of: row.bytes)) }
                    count += rows.count
                }
                try store.close()
            } else {
                let client = try await session.ledgerClient()
                while true {
                    let entries = try await client.entries(ofBundle: UInt64(count / TileID.width))
                    for entry in entries { try file.write(export.text(of: entry)) }
                    count += entries.count
                    guard entries.count == TileID.width else { break }
                }
            }
            try file.write(export.tail)
            try file.commit()
            switch session.mode {
            case .json:
                session.console.print(.object(["file": .string(out), "records": .integer(Int64(count))]))
            case .quiet: break
            case .table: session.console.print("\(out): \(Human.count(count, "record")) as \(format.rawValue)")
            }
        } catch {
            file.discard()
            throw error
        }
    }
}
