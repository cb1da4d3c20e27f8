import FogCore
import FogLedger

/// A log of some 300 records as a coordinator would write it, and the tools of a forger.
struct HonestLog {
    let fixture: LedgerFixture
    var records: [LedgerRecord] { fixture.rows.map(\.record) }
    var rows: [StoredRow] { fixture.stored }

    init(seed: UInt64) throws {
        fixture = try LedgerFixture(seed: seed)
        var random = SeededGenerator(seed: seed ^ 0xf06)
        let payers = try (0..<3).map { _ in try fixture.funded(.credits(50)) }
        let payees = (0..<4).map { _ in fixture.account() }
        let client = try SigningKey(seed: [UInt8](repeating: 9, count: 32)).publicKey
        fixture.apply(.enrol(KeyEnrolment(key: client, roles: [.worker, .client], owner: payers[0])))
        fixture.apply(.setRoles(client.id, [.client]))
        var job = 0
        while fixture.rows.count < 280 {
            job += 1
            try Self.run(fixture, &random, payer: payers[job % 3], payees: payees, price: job % 5 == 0 ? 0 : 1000)
            if job % 4 == 0 { try fixture.grant(micro(777), to: payers[job % 3]) }
        }
        try Self.run(fixture, &random, payer: payers[0], payees: payees, price: 10, stop: true)
    }

    /// One job: grants in groups, ends of every kind, then refund and close, unless it is to stop half way.
    private static func run(
        _ fixture: LedgerFixture, _ random: inout SeededGenerator, payer: AccountID, payees: [AccountID],
        price: Int64, stop: Bool = false
    ) throws {
        let (job, escrow) = (fixture.subject(), AccountID(at: fixture.clock, using: &fixture.random))
        fixture.apply(Settlement.open(escrow: escrow, job: job))
        for group in 0..<3 {
            fixture.clock = fixture.clock + .milliseconds(Int64(random.next() % 3000))
            let charges = (0..<3).map { index in
                Charge(
                    escrow: escrow, payer: payer, payee: payees[(group + index) % payees.count],
                    subject: fixture.subject(), bound: micro(price), grantedAt: fixture.clock,
                    expires: random.next() % 2 == 0 ? nil : fixture.clock + .seconds(60))
            }
            fixture.apply(Settlement.grant(charges, in: fixture.ledger))
            if stop { continue }
            for charge in charges {
                fixture.clock = fixture.clock + .milliseconds(Int64(random.next() % 3000))
                switch random.next() % 8 {
                case 0:
                    fixture.apply(Settlement.release(charge, at: fixture.clock, in: fixture.ledger))
                case 1:
                    fixture.clock = fixture.clock + .seconds(61)
                    fixture.apply(Settlement.release(charge, at: fixture.clock, in: fixture.ledger))
                default:
                    let used = micro(price == 0 ? 0 : Int64(random.next() % UInt64(price + 200)))
                    let receipt = try fixture.receipt(for: charge.subject, by: charge.payee)
                    fixture.apply(Settlement.pay(charge, metered: used, evidence: receipt))
                    // Late ends are voided: what is still open when its time is over.
                    fixture.apply(Settlement.release(charge, at: fixture.clock, in: fixture.ledger))
                }
            }
        }
        if stop { return }
        fixture.apply(
            Settlement.close(escrow: escrow, payer: payer, job: job, at: fixture.clock, in: fixture.ledger))
        fixture.over.insert(job)
    }

    // MARK: - The forger

    /// The records chained and hashed again from the first one that differs.
    func chained(_ records: [LedgerRecord]) -> [StoredRow] {
        var previous = LedgerFixture.origin
        return records.enumerated().map { index, record in
            let row = record.with(previous: previous).sealed()
            previous = row.hash
            return StoredRow(sequence: UInt64(index), bytes: row.bytes, hash: row.hash)
        }
    }

    /// The audit of a log to which a transfer was added at the end, with counters and projections made to fit.
    func audit(inserting record: LedgerRecord) throws -> AuditReport {
        guard let transfer = record.transfer, var debit = fixture.found(transfer.debit),
            var credit = fixture.found(transfer.credit)
        else { return try fixture.audit() }
        debit.counters.debitsPosted += transfer.amount.micro
        credit.counters.creditsPosted += transfer.amount.micro
        let added = record.with(
            rawBody: .transfer(transfer, debitAfter: debit.counters, creditAfter: credit.counters)
        ).with(sequence: UInt64(records.count)).with(time: fixture.clock + .days(1)).with(following: 0)
        let rows = chained(records + [added])
        var projection = fixture.projection
        projection.accounts = projection.accounts.map { $0.id == debit.id ? debit : $0.id == credit.id ? credit : $0 }
        var tables = fixture.tables
        tables.append(.transfer(transfer.id, sequence: added.sequence, resolution: nil))
        return try fixture.audit(rows, projection: projection, tables: tables)
    }
}

extension LedgerRecord {
    func with(
        sequence: UInt64? = nil, time: Timestamp? = nil, previous: Digest? = nil, subject: SubjectID? = nil,
        evidence: Digest? = nil, rawBody: Body? = nil, following: UInt16? = nil
    ) -> LedgerRecord {
        LedgerRecord(
            sequence: sequence ?? self.sequence, time: time ?? self.time, previous: previous ?? self.previous,
            salt: salt, subject: subject ?? self.subject, evidence: evidence ?? self.evidence,
            authorisation: authorisation, body: rawBody ?? body, following: following ?? self.following)
    }

    /// Another transfer with the same counters, without subject or evidence.
    func with(body transfer: Transfer) -> LedgerRecord {
        with(
            subject: SubjectID.none, evidence: .zero,
            rawBody: .transfer(transfer, debitAfter: .zero, creditAfter: .zero))
    }

    func changed(
        credit edit: (inout Counters) -> Void = { _ in }, _ change: (Transfer) -> Transfer
    ) -> LedgerRecord {
        guard case .transfer(let transfer, let debitAfter, var creditAfter) = body else { return self }
        edit(&creditAfter)
        return with(rawBody: .transfer(change(transfer), debitAfter: debitAfter, creditAfter: creditAfter))
    }
}

extension Transfer {
    func with(
        id: TransferID? = nil, credit: AccountID? = nil, amount: Credits? = nil, pending: TransferID? = nil
    ) -> Transfer {
        Transfer(
            id: id ?? self.id, kind: kind, debit: debit, credit: credit ?? self.credit, amount: amount ?? self.amount,
            unit: unit, pending: pending ?? self.pending, expires: expires, ordinal: ordinal)
    }

    func with(id: TransferID, ordinal: UInt32?) -> Transfer {
        Transfer(
            id: id, kind: kind, debit: debit, credit: credit, amount: amount, unit: unit, pending: pending,
            expires: expires, ordinal: ordinal)
    }
}
