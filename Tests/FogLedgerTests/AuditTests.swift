import FogCore
import FogLedger
import Testing

@Suite("Ledger audit")
struct AuditTests {
    @Test("honest logs raise no alarm", arguments: 0..<20 as Range<UInt64>)
    func honest(seed: UInt64) throws {
        let report = try HonestLog(seed: seed).fixture.audit()
        #expect(report.failed == [])
        #expect(report.verdict == .clean)
        #expect(report.records > 250)
    }

    /// The classes of bytes of a record: a name, and the place of one byte of it.
    static let places: [(String, Int)] = [
        ("version", 0), ("type", 2), ("sequence", 10), ("time", 15), ("previous", 30), ("salt", 60), ("subject", 70),
        ("evidence", 100), ("base length", 118), ("key length", 122), ("signature length", 126), ("first tag", 127),
        ("first length", 129), ("first value", 133),
    ]

    @Test("a flipped byte is named at its record", arguments: places.indices)
    func flipped(place: Int) throws {
        let log = try HonestLog(seed: 3)
        for index in stride(from: 1, to: log.rows.count, by: 43) {
            var rows = log.rows
            rows[index].bytes[Self.places[place].1] ^= 0x01
            let report = try log.fixture.audit(rows)
            #expect(report.verdict == .tampered)
            #expect(report.firstBadSequence == UInt64(index), "\(Self.places[place].0) of \(index)")
            #expect(report[.storedHash]?.sequence == UInt64(index))
            // The hash mended too: then the next record tells.
            rows[index].hash = LedgerRecord.leafHash(rows[index].bytes)
            let mended = try log.fixture.audit(rows)
            #expect(mended.verdict == .tampered)
            #expect([UInt64(index), UInt64(index) + 1].contains(mended.firstBadSequence ?? 0))
        }
    }

    @Test("a byte near the end of a record is named too")
    func flippedCounters() throws {
        let log = try HonestLog(seed: 4)
        for index in stride(from: 2, to: log.rows.count, by: 31) {
            var rows = log.rows
            rows[index].bytes[rows[index].bytes.count - 1] ^= 0x01
            #expect(try log.fixture.audit(rows).firstBadSequence == UInt64(index))
        }
    }

    // MARK: - Rows

    @Test("a missing, repeated, exchanged or cut row is named")
    func rows() throws {
        let log = try HonestLog(seed: 5)
        for index in stride(from: 0, to: log.rows.count - 1, by: 37) {
            var missing = log.rows
            missing.remove(at: index)
            let without = try log.fixture.audit(missing)
            #expect(without[.dense]?.sequence == UInt64(index) + 1)
            #expect(without.firstBadSequence == UInt64(index) + 1)
            var repeated = log.rows
            repeated.insert(repeated[index], at: index + 1)
            #expect(try log.fixture.audit(repeated)[.dense]?.sequence == UInt64(index))
            var exchanged = log.rows
            (exchanged[index].bytes, exchanged[index + 1].bytes) = (exchanged[index + 1].bytes, exchanged[index].bytes)
            (exchanged[index].hash, exchanged[index + 1].hash) = (exchanged[index + 1].hash, exchanged[index].hash)
            let swapped = try log.fixture.audit(exchanged)
            #expect(swapped.firstBadSequence == UInt64(index))
            #expect(swapped[.dense]?.sequence == UInt64(index))
        }
        for length in 1...40 { #expect(!(try log.fixture.audit(log.rows.dropLast(length)).ok), "\(length) fewer") }
        #expect(!(try log.fixture.audit([]).ok))
    }

    @Test("a log of another ledger is refused at its first record")
    func origin() throws {
        let log = try HonestLog(seed: 6)
        #expect(try log.fixture.audit(origin: .zero)[.chain]?.sequence == 0)
    }

    // MARK: - Forgers who chain again

    /// A rewrite of one record by somebody who then chains the whole log again and mends the stored head.
    struct Forgery: Sendable, CustomTestStringConvertible {
        let name: String
        let check: AuditCheck
        let kind: TransferKind
        let change: @Sendable (LedgerRecord) -> LedgerRecord
        var testDescription: String { name }
    }

    static let forgeries: [Forgery] = [
        Forgery(name: "a larger post", check: .counters, kind: .post) { record in
            record.changed { $0.with(amount: micro($0.amount.micro + 1)) }
        },
        Forgery(name: "a larger pending", check: .counters, kind: .pending) { record in
            record.changed { $0.with(amount: micro($0.amount.micro + 1)) }
        },
        Forgery(name: "a one-sided entry", check: .sums, kind: .post) { record in
            record.changed(credit: { $0.creditsPosted += 5 }) { $0 }
        },
        Forgery(name: "another payee", check: .counters, kind: .post) { record in
            record.changed { $0.with(credit: .fees) }
        },
        Forgery(name: "another payee of the same pending", check: .pendings, kind: .post) { record in
            record.changed { $0.with(credit: .fees) }
        },
        Forgery(name: "another id", check: .derivedIDs, kind: .post) { record in
            record.changed { $0.with(id: TransferID(high: $0.id.high, low: $0.id.low ^ 1)) }
        },
        Forgery(name: "another subject", check: .derivedIDs, kind: .hold) { record in
            record.with(subject: SubjectID(high: 1, low: 1))
        },
        Forgery(name: "another pending", check: .pendings, kind: .post) { record in
            record.changed { $0.with(pending: TransferID(high: 1, low: 1)) }
        },
        Forgery(name: "other evidence", check: .evidence, kind: .post) { $0.with(evidence: Digest.sha256([9])) },
        Forgery(name: "no evidence", check: .evidence, kind: .post) { $0.with(evidence: .zero) },
        Forgery(name: "a larger grant", check: .evidence, kind: .issue) { record in
            record.changed { $0.with(amount: micro($0.amount.micro * 2)) }
        },
        Forgery(name: "an earlier time", check: .time, kind: .post) { $0.with(time: .zero) },
        Forgery(name: "a broken chain", check: .linked, kind: .hold) { $0.with(following: 7) },
        Forgery(name: "another sequence", check: .dense, kind: .void) { $0.with(sequence: 1) },
    ]

    @Test("a forger who chains again is caught at the record", arguments: forgeries)
    func forged(_ forgery: Forgery) throws {
        let log = try HonestLog(seed: 8)
        let places = log.records.indices.filter { log.records[$0].transfer?.kind == forgery.kind }
        #expect(places.count > 3)
        for index in places.prefix(12) {
            var records = log.records
            records[index] = forgery.change(records[index])
            let rows = log.chained(records)
            let report = try log.fixture.audit(rows)
            #expect(report[.chain]?.verdict == .ok)
            #expect(report[.storedHash]?.verdict == .ok)
            let wanted = UInt64(forgery.check == .linked ? index + 1 : index)
            #expect(report[forgery.check]?.sequence == (forgery.check == .dense ? UInt64(index) : wanted))
            #expect(report.firstBadSequence == (forgery.check == .dense ? UInt64(index) : wanted))
        }
    }

    @Test("counters made to fit do not hide a second payment, a paid ghost or an overdraft")
    func refitted() throws {
        let log = try HonestLog(seed: 9)
        let post = try #require(log.records.last { $0.transfer?.kind == .post && $0.transfer?.amount != .zero })
        let again = post.changed { $0.with(id: TransferID(high: $0.id.high, low: 77), ordinal: nil) }
        var report = try log.audit(inserting: again)
        let end = UInt64(log.records.count)
        #expect(report[.singlePayment]?.sequence == end)
        #expect(report[.pendings]?.sequence == end)
        #expect(report[.counters]?.verdict == .ok)
        #expect(report.firstBadSequence == end)

        report = try log.audit(inserting: post)
        #expect(report[.uniqueIDs]?.sequence == end)

        let transfer = try #require(post.transfer)
        let moved = Transfer(
            id: TransferID(high: 3, low: 3), kind: .move, debit: transfer.credit, credit: .fees,
            amount: .credits(1_000_000))
        report = try log.audit(inserting: post.with(body: moved))
        #expect(report[.floors]?.sequence == end)
        #expect(report[.counters]?.verdict == .ok)

        let closed = try #require(log.fixture.closed.keys.first)
        report = try log.audit(
            inserting: post.with(
                body: Transfer(
                    id: TransferID(high: 3, low: 4), kind: .move, debit: transfer.credit, credit: closed,
                    amount: micro(1))))
        #expect(report[.closed]?.sequence == end)

        let minted = Transfer(
            id: TransferID(high: 3, low: 5), kind: .move, debit: .issuance, credit: transfer.credit, amount: micro(1))
        report = try log.audit(inserting: post.with(body: minted))
        #expect(report[.accounts]?.sequence == end)
    }

    // MARK: - Tables

    @Test("an edited, missing or surplus row of accounts, pendings and keys is named")
    func projections() throws {
        let log = try HonestLog(seed: 10)
        let honest = log.fixture.projection
        func report(_ edit: (inout LedgerProjection) -> Void) throws -> AuditReport {
            var projection = honest
            edit(&projection)
            return try log.fixture.audit(projection: projection)
        }
        for index in honest.accounts.indices {
            let account = honest.accounts[index]
            let last = log.records.last { $0.counters(of: account.id) != nil }?.sequence
            let edited = try report { $0.accounts[index].counters.creditsPosted += 1 }
            #expect(edited.failed.map(\.check) == [.projectedAccounts])
            #expect(edited.firstBadSequence == last)
            #expect(
                edited[.projectedAccounts]?.expected == "account \(account.id): balance \(account.balance)")
            #expect(
                edited[.projectedAccounts]?.found == "balance \(Credits(micro: account.balance.micro + 1))")
            #expect(!(try report { $0.accounts[index].isClosed.toggle() }.ok))
            #expect(!(try report { $0.accounts[index].openPendings += 1 }.ok))
            #expect(!(try report { $0.accounts.remove(at: index) }.ok))
            #expect(!(try report { $0.accounts.append(account) }.ok))
            #expect(
                !(try report {
                    $0.accounts[index] = Account(
                        id: account.id, kind: account.kind, unit: account.unit, owner: SubjectID(high: 1, low: 1),
                        counters: account.counters, openPendings: account.openPendings, isClosed: account.isClosed)
                }.ok))
        }
        let ghost = Account(id: AccountID(high: 5, low: 5), kind: .user)
        #expect(try report { $0.accounts.append(ghost) }.failed.map(\.check) == [.projectedAccounts])
        let pending = try #require(honest.pendings.first)
        let lost = try report { $0.pendings.removeFirst() }
        #expect(lost.failed.map(\.check) == [.projectedPendings])
        #expect(lost.firstBadSequence == pending.sequence)
        let promoted = try report { $0.keys[0].roles.insert(.admin) }
        #expect(promoted.failed.map(\.check) == [.projectedKeys])
        let enrolled = log.records.last { record in
            let key = honest.keys[0].key
            guard case .keyEnrolled(let enrolment) = record.body else { return record.body.changes(key.id) }
            return enrolment.key == key
        }
        #expect(promoted.firstBadSequence == enrolled?.sequence)
        #expect(try report { $0.keys.removeLast() }.failed.map(\.check) == [.projectedKeys])
        #expect(try report { $0.keys.append($0.keys[0]) }.failed.map(\.check) == [.projectedKeys])
    }

    @Test("a missing, edited or surplus row of an index over the log is named, with its record")
    func indexes() throws {
        let log = try HonestLog(seed: 16)
        let honest = log.fixture.tables
        #expect(honest.count > 300)
        for index in stride(from: 0, to: honest.count, by: 7) {
            let (check, sequence) = honest[index].place
            guard check != .documents else { continue }
            var rows = honest
            rows.remove(at: index)
            var report = try log.fixture.audit(tables: rows)
            #expect(report.failed.map(\.check) == [check])
            #expect(report.firstBadSequence == sequence)
            rows.insert(honest[index].moved(by: 1), at: index)
            report = try log.fixture.audit(tables: rows)
            #expect(report.failed.map(\.check) == [check])
            #expect(report.firstBadSequence == sequence)
            rows = honest
            rows.insert(honest[index].moved(by: 1 << 40), at: index + 1)
            report = try log.fixture.audit(tables: rows)
            #expect(report.failed.map(\.check) == [check])
        }
        for check in [AuditCheck.projectedTransfers, .projectedPaid] {
            let emptied = try log.fixture.audit(tables: honest.filter { $0.place.check != check })
            #expect(emptied.failed.map(\.check) == [check])
            let rows = honest.filter { $0.place.check == check }
            #expect(emptied.firstBadSequence == rows.compactMap(\.place.sequence).min())
        }
        let ended = honest.map { row in
            guard case .transfer(let id, let sequence, .post) = row else { return row }
            return EconomyRow.transfer(id, sequence: sequence, resolution: .void)
        }
        #expect(try log.fixture.audit(tables: ended).failed.map(\.check) == [.projectedTransfers])
    }

    @Test("what stands beside a record, and with an account, leads to all records of the account")
    func earlierRecords() throws {
        let log = try HonestLog(seed: 18)
        let honest = log.fixture.rows.map { row in
            StoredRow(sequence: row.record.sequence, bytes: row.bytes, hash: row.hash, earlier: row.earlier)
        }
        #expect(try log.fixture.audit(honest).failed == [])
        for account in log.fixture.projection.accounts {
            let named = log.records.filter { $0.accounts.contains(account.id) }
            var found: [UInt64] = []
            var place: UInt64? = account.lastRecord
            while let sequence = place {
                found.insert(sequence, at: 0)
                let row = log.fixture.rows[Int(sequence)]
                place = row.record.accounts.firstIndex(of: account.id).flatMap { row.earlier[$0] }
            }
            #expect(found == named.map(\.sequence))
            #expect(account.firstRecord == found.first)
        }
        for index in stride(from: 3, to: honest.count, by: 17) {
            let earlier = log.fixture.rows[index].earlier
            for wrong in [
                EarlierRecords(first: (earlier.first ?? 0) + 1, second: earlier.second),
                EarlierRecords(first: earlier.second, second: earlier.first ?? 0),
                EarlierRecords(first: earlier.first, second: earlier.second == nil ? 1 : nil),
            ] where wrong != earlier {
                var rows = honest
                rows[index].earlier = wrong
                let report = try log.fixture.audit(rows)
                #expect(report.failed.map(\.check) == [.projectedAccountRecords])
                #expect(report.firstBadSequence == UInt64(index))
            }
        }
        for index in log.fixture.projection.accounts.indices {
            for place in [\Account.firstRecord, \Account.lastRecord] {
                var projection = log.fixture.projection
                projection.accounts[index][keyPath: place] += 1
                let report = try log.fixture.audit(honest, projection: projection)
                #expect(report.failed.map(\.check) == [.projectedAccountRecords])
            }
        }
    }

    @Test("a row that does not read is told under its table's check", arguments: EconomyTable.allCases)
    func unreadable(table: EconomyTable) throws {
        let log = try HonestLog(seed: 17)
        let rows = log.fixture.tables + [.unreadable(table, "99 is no kind")]
        let report = try log.fixture.audit(tables: rows)
        #expect(report.verdict == .tampered)
        #expect(report.failed.count == 1)
        #expect(report.failed.first?.found == "99 is no kind")
    }

    @Test("an escrow or a pending transfer left open for work that is over is named")
    func escrow() throws {
        let log = try HonestLog(seed: 12)
        let open = try #require(log.fixture.ledger.projection.accounts.first { $0.kind == .escrow })
        let pending = try #require(log.fixture.projection.pendings.first)
        log.fixture.over = log.fixture.over.union([pending.subject])
        var report = try log.fixture.audit()
        #expect(report.failed.map(\.check) == [.escrows])
        #expect(report.firstBadSequence == pending.sequence)
        log.fixture.over = [open.owner]
        report = try log.fixture.audit()
        #expect(report.failed.map(\.check) == [.escrows])
        #expect(report.firstBadSequence == log.records.last { $0.counters(of: open.id) != nil }?.sequence)
    }

    // MARK: - Newer software, reports, history

    @Test("records of newer software are not called tampering")
    func newer() throws {
        let log = try HonestLog(seed: 13)
        var records = log.records
        let place = try #require(
            records.indices.dropFirst(20).dropLast(80).first {
                records[$0].time.microseconds - records[$0 - 1].time.microseconds > 1000
            })
        records.insert(
            records[place].with(
                time: records[place].time - .milliseconds(1),
                rawBody: .unrecognised(type: 0x0501, bytes: [1, 0, 1, 0])), at: place)
        records = records.enumerated().map { $1.with(sequence: UInt64($0)) }
        var rows = log.chained(records)
        let tree = try log.fixture.tree(over: rows.map(\.hash))
        var report = try log.fixture.audit(rows, tree: tree)
        #expect(report.verdict == .newerSoftware)
        #expect(report[.counters]?.verdict == .unjudged)
        #expect(report[.counters]?.sequence == UInt64(place))
        #expect(report[.chain]?.verdict == .ok)
        rows[place + 40].bytes[60] ^= 1
        report = try log.fixture.audit(rows)
        #expect(report.verdict == .tampered)
        #expect(report[.storedHash]?.sequence == UInt64(place + 40))
    }

    @Test("the report reads as JSON and names the tables it vouches for")
    func report() throws {
        let log = try HonestLog(seed: 14)
        let clean = try log.fixture.audit()
        #expect(clean.json["ok"] == true)
        #expect(clean.json["records"]?.integer == Int64(log.records.count))
        #expect(clean.json["checks"]?.array?.count == AuditCheck.allCases.count)
        #expect(clean.json["head"]?.string == log.rows.last?.hash.description)
        #expect(
            clean.json["vouches_for"]?.array?.compactMap(\.string) == [
                "ledger_records", "ledger_accounts", "ledger_pendings", "ledger_keys", "ledger_transfers",
                "ledger_rules", "ledger_paid", "ledger_tiles", "ledger_checkpoints", "evidence_documents",
            ])
        var rows = log.rows
        rows[7].bytes[60] ^= 1
        let bad = try log.fixture.audit(rows)
        #expect(bad.json["verdict"]?.string == "tampered")
        #expect(bad.json["first_bad_sequence"]?.integer == 7)
        let stored = bad.json["checks"]?.array?.first { $0["name"]?.string == "stored_hash" }
        #expect(stored?["verdict"]?.string == "failed")
        #expect(stored?["first_bad_sequence"]?.integer == 7)
        #expect(try JSON(parsing: bad.json.compact)["first_bad_sequence"]?.integer == 7)
    }

    @Test("a balance of the past is read off the records, and replay rebuilds the ledger")
    func history() throws {
        let log = try HonestLog(seed: 15)
        var audit = Audit(origin: LedgerFixture.origin, sources: log.fixture.sources)
        var bytes: [[UInt8]] = []
        for (index, row) in log.rows.enumerated() {
            try audit.take(row.row)
            bytes.append(row.bytes)
            guard index % 50 == 7 else { continue }
            for account in audit.replayed.accounts {
                let found = try AccountHistory.counters(
                    of: account.id, at: UInt64(index), in: log.rows.map(\.bytes))
                #expect(found == account.counters)
            }
        }
        #expect(audit.replayed == log.fixture.projection)
        #expect(Ledger(audit.replayed).projection == log.fixture.projection)
        #expect(
            try AccountHistory.counters(of: AccountID(high: 1, low: 1), at: .max, in: bytes) == nil)
    }
}

extension EconomyRow {
    /// The check that speaks of the row, and the record it points to.
    fileprivate var place: (check: AuditCheck, sequence: UInt64?) {
        switch self {
        case .transfer(_, let sequence, _): (.projectedTransfers, sequence)
        case .rule(let sequence): (.projectedRules, sequence)
        case .paid(_, let sequence): (.projectedPaid, sequence)
        default: (.documents, nil)
        }
    }

    /// The row of an index pointing elsewhere.
    fileprivate func moved(by distance: UInt64) -> EconomyRow {
        switch self {
        case .transfer(let id, let sequence, let resolution):
            .transfer(id, sequence: sequence + distance, resolution: resolution)
        case .rule(let sequence): .rule(sequence: sequence + distance)
        case .paid(let subject, let sequence): .paid(subject, sequence: sequence + distance)
        default: self
        }
    }
}

extension LedgerRecord.Body {
    fileprivate func changes(_ id: KeyID) -> Bool {
        switch self {
        case .rolesSet(id, _), .keyRevoked(id): true
        default: false
        }
    }
}
