import FogCore
import FogLedger
import Testing

@Suite("Exports of the log")
struct ExportTests {
    private func export(_ format: LedgerExport.Format, _ log: HonestLog) throws -> String {
        var export = LedgerExport(format)
        return try export.head + log.rows.map { try export.text(of: $0.bytes) }.joined() + export.tail
    }

    @Test("the same log gives the same bytes, in every form", arguments: LedgerExport.Format.allCases)
    func repeats(_ format: LedgerExport.Format) throws {
        let log = try HonestLog(seed: 31)
        #expect(try export(format, log) == export(format, log))
        #expect(try export(format, HonestLog(seed: 32)) != export(format, log))
    }

    @Test("postings add up to the ledger's own balances, each transfer to nothing")
    func csv() throws {
        let log = try HonestLog(seed: 31)
        var sums: [String: Int64] = [:]
        var transfers: [String: Int64] = [:]
        for line in try export(.csv, log).split(separator: "\r\n").dropFirst() {
            let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            try #require(fields.count == 8)
            sums[fields[5], default: 0] += try #require(Int64(fields[7]))
            transfers[fields[3], default: 0] += try #require(Int64(fields[7]))
        }
        #expect(transfers.values.allSatisfy { $0 == 0 } && transfers.count > 50)
        for account in log.fixture.projection.accounts {
            #expect(sums[account.id.description, default: 0] == account.balance.micro, "\(account.id)")
        }
    }

    @Test("every record is a line of JSON, with its hash and the one before")
    func jsonLines() throws {
        let log = try HonestLog(seed: 31)
        let lines = try export(.jsonl, log).split(separator: "\n").map { try JSON(parsing: Array($0.utf8)) }
        #expect(lines.count == log.rows.count)
        for (index, line) in lines.enumerated() {
            #expect(line["record"]?.integer == Int64(index))
            #expect(line["hash"]?.string == log.rows[index].hash.description)
            if index > 0 { #expect(line["previous"]?.string == log.rows[index - 1].hash.description) }
        }
        #expect(lines.contains { $0["type"]?.string == "key_enrolled" })
    }

    @Test(
        "books assert the balance of every account at their end",
        arguments: [.beancount, .hledger] as [LedgerExport.Format])
    func books(_ format: LedgerExport.Format) throws {
        let log = try HonestLog(seed: 31)
        let text = try export(format, log)
        for account in log.fixture.projection.accounts where account.kind == .user {
            let name = "Assets:User:\(account.id.description.uppercased())"
            let wanted =
                format == .beancount
                ? " balance \(name) \(account.balance.micro) UFOG\n"
                : "\(name)  0 UFOG = \(account.balance.micro) UFOG\n"
            #expect(text.contains(wanted), "\(name)")
        }
    }
}
