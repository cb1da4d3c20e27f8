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

    // MARK: - Audit

    private func audit(_ text: String, _ outside: [OutsideCheckpoint] = []) throws -> AuditReport {
        var audit = ExportAudit(origin: LedgerFixture.origin, outside: outside)
        for line in text.split(separator: "\n") { try audit.take(line: line.utf8) }
        return audit.report()
    }

    @Test("an export of honest books is clean, and says what it cannot tell")
    func honestExport() throws {
        let log = try HonestLog(seed: 31)
        let report = try audit(export(.jsonl, log))
        #expect(report.failed == [])
        #expect(report.verdict == .clean)
        #expect(report.records == UInt64(log.rows.count))
        #expect(report[.export]?.verdict == .ok)
        #expect(report[.evidence]?.verdict == .absent)
        #expect(report[.projectedAccounts]?.verdict == .absent)
        #expect(report.json["checks"]?.array?.contains { $0["verdict"]?.string == "absent" } == true)
    }

    @Test("a changed word, a missing line, two lines that changed places, a record made new")
    func doctoredExport() throws {
        let log = try HonestLog(seed: 31)
        let lines = try export(.jsonl, log).split(separator: "\n").map(String.init)
        let place = try #require(lines.indices.dropFirst(40).first { lines[$0].contains("\"micro_credits\":\"777\"") })
        var changed = lines
        changed[place] = changed[place].replacing("\"777\"", with: "\"778\"")
        let first = try audit(changed.joined(separator: "\n"))
        #expect(first.failed.map(\.check) == [.export])
        #expect(first.firstBadSequence == UInt64(place))
        var missing = lines
        missing.remove(at: place)
        #expect(try audit(missing.joined(separator: "\n"))[.chain]?.sequence == UInt64(place))
        var swapped = lines
        swapped.swapAt(place, place + 1)
        #expect(try audit(swapped.joined(separator: "\n")).firstBadSequence == UInt64(place))
        let record = log.records[place]
        let later = record.with(time: Timestamp(microseconds: record.time.microseconds + 1)).sealed()
        var forged = LedgerExport(.jsonl)
        var remade = lines
        remade[place] = String(try forged.text(of: later.bytes).dropLast())
        let report = try audit(remade.joined(separator: "\n"))
        #expect(report[.chain]?.sequence == UInt64(place + 1))
        #expect(report[.export]?.verdict == .ok)
    }

    @Test(
        "what is no export is refused, with its line",
        arguments: ["{}", "no json", "{\"bytes\":\"!\",\"hash\":\"00\"}"])
    func noExport(_ line: String) throws {
        let lines = try export(.jsonl, HonestLog(seed: 31)).split(separator: "\n")
        let good = try #require(lines.first)
        let failure = #expect(throws: LedgerFailure.self) { try audit(good + "\n" + line) }
        #expect(failure?.message.hasPrefix("line 2 ") == true)
    }
}
