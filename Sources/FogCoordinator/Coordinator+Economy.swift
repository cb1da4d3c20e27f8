package import FogCore
package import FogJobs
package import FogLedger
internal import FogStore

/// Credits by somebody's word: transfers, stakes, rewards, rules, corrections.
extension Coordinator {
    /// Whether the pools of this epoch are filled already, after a start: the log knows, whatever became of the setting.
    func findEpoch() async throws {
        guard core.begunEpoch == nil else { return }
        let time = core.ledger.time(at: clock.now)
        guard let terms = core.ledger.rules.economy(at: time) else { return }
        for mark in Rewards.marks(ofEpochAt: time, terms) where try await store.transfer(mark) != nil {
            core.begunEpoch = terms.subject(ofEpoch: terms.epoch(at: time))
            return
        }
    }

    /// The id of what an account asks for under an id of its own choice: nobody can take another's, nor one that is
    /// derived from work.
    package static func transferID(_ chosen: TransferID, of account: AccountID) -> TransferID {
        TransferID(at: chosen.time, derivedFrom: Array("fog-request-v1".utf8) + account.bytes + chosen.bytes)
    }

    /// - Parameter chosen: by the client; a repeated one is one movement.
    package func move(
        _ amount: Credits, _ movement: CoordinatorCore.Movement, id chosen: TransferID, by principal: Principal,
        authorisation: Authorisation
    ) async throws -> Account {
        guard amount > .zero else {
            throw CoordinatorFailure("bad_amount", "`credits` must be above 0, found \(amount)")
        }
        let id = Self.transferID(chosen, of: principal.account)
        let known = try await known([id])
        return try await perform { core, now throws(CoordinatorFailure) in
            try core.move(
                amount, movement, id: id, by: principal, authorisation: authorisation, known: known, at: now)
        }
    }

    private func known(_ ids: [TransferID]) async throws -> [TransferID: KnownTransfer] {
        var known: [TransferID: KnownTransfer] = [:]
        for id in ids { known[id] = try await store.transfer(id) }
        return known
    }

    /// - Parameter chosen: by the client; a repeated one is one reward.
    package func reward(
        _ rule: RewardRule, _ done: RewardMeasurement, to user: AccountID, proof: Digest, reason: String,
        id chosen: TransferID, by principal: Principal, authorisation: Authorisation
    ) async throws -> RewardDocument {
        guard rule != .compute else {
            throw CoordinatorFailure("bad_reward", "compute is earned by verified work alone, in its own transaction")
        }
        guard proof != .zero, !reason.isEmpty, reason.utf8.count <= RewardDocument.maxReasonBytes else {
            throw CoordinatorFailure(
                "bad_reward", "a reward needs the digest of what shows it and a reason of 1 to 1024 bytes")
        }
        let id = Self.transferID(chosen, of: principal.account)
        let claim = Rewards.Claim(
            rule: rule, user: user, subject: SubjectID(high: id.high, low: id.low), done: done, time: id.time)
        let ordinal = UInt32(rule.rawValue)
        let ids = [TransferKind.use, .reward].map {
            TransferID(at: claim.time, kind: $0, subject: claim.subject, ordinal: ordinal)
        }
        let known = try await known(ids)
        if let paid = known[ids[1]], let document = try await store.evidence(paid.evidence) {
            let earlier = try RewardDocument(decoding: document.bytes)
            guard earlier.rule == rule, earlier.user == user, earlier.done == done, earlier.proof == proof else {
                throw CoordinatorFailure("conflict", "the id was used for another reward")
            }
            return earlier
        }
        return try await perform { core, now throws(CoordinatorFailure) in
            try core.reward(
                claim, proof: proof, reason: reason, authorisation: authorisation, known: known, at: now)
        }
    }

    /// All versions of all rules.
    package func rules() -> (versions: [LedgerRule], now: Timestamp) {
        (core.ledger.rules.versions, core.ledger.time(at: clock.now))
    }

    /// - Parameter make: the next version, from the newest and the first moment at which it may be in force.
    package func setRule(
        authorisation: Authorisation, _ make: (Rulebook, Timestamp) throws(CoordinatorFailure) -> LedgerRule
    ) async throws -> LedgerRule {
        try await perform { core, now throws(CoordinatorFailure) in
            let time = core.ledger.time(at: now.wall)
            let rule = try make(core.ledger.rules, LedgerDay(number: LedgerDay(time).number + 1).start)
            try core.set(rule, authorisation: authorisation, at: now)
            return rule
        }
    }

    package func correct(
        _ id: TransferID, reason: String, authorisation: Authorisation
    ) async throws -> KnownTransfer {
        guard let wrong = try await store.transfer(id) else {
            throw CoordinatorFailure("not_found", "there is no transfer \(id)")
        }
        let document = try CorrectionDocument(cause: id, time: clock.now, reason: reason, signedBy: signingKey)
        let known = try await known([Settlement.correctionID(of: id)])
        return try await perform { core, now throws(CoordinatorFailure) in
            try core.correct(wrong, document, authorisation: authorisation, known: known, at: now)
            return wrong
        }
    }

    // MARK: - Reading

    /// One thing that an account was paid for.
    package struct Earning: Sendable {
        package var record: LedgerRecord
        /// Of a reward.
        package var reward: RewardDocument?
        package var terms: RewardTerms?
        /// Of paid work.
        package var receipt: Receipt?
    }

    /// What an account earned, newest first; `next` is where to go on.
    ///
    /// - Parameter limit: records that are looked at.
    package func earnings(of id: AccountID, before: UInt64?, limit: Int) async throws -> (
        lines: [Earning], next: UInt64?
    ) {
        let rows = try await store.ledgerRecords(of: id, before: before, limit: limit)
        var lines: [Earning] = []
        for row in rows {
            let record = try LedgerRecord(decoding: row.bytes)
            guard let transfer = record.transfer, transfer.credit == id,
                transfer.kind == .post || transfer.kind == .reward
            else { continue }
            var line = Earning(record: record)
            let document = try await store.evidence(record.evidence)
            if transfer.kind == .reward {
                line.reward = try document.map { try RewardDocument(decoding: $0.bytes) }
                line.terms = line.reward.flatMap { reward in terms(reward.rule, version: reward.version) }
            } else if let document, document.kind == .receipt {
                line.receipt = try? SignedReceipt(bytes: document.bytes).receipt
            }
            lines.append(line)
        }
        return (lines, rows.count == limit ? rows.last?.sequence : nil)
    }

    private func terms(_ rule: RewardRule, version: UInt32) -> RewardTerms? {
        for case .reward(let terms) in core.ledger.rules.versions where terms.rule == rule && terms.version == version {
            return terms
        }
        return nil
    }

    /// The sums of an account's month.
    package struct Statement: Sendable {
        package var opening = Credits.zero
        package var closing = Credits.zero
        /// What came and what went, by kind.
        package var sums: [TransferKind: (count: Int, gained: Credits, lost: Credits)] = [:]
        package var records = 0
    }

    private static let statementPage = 1000
    /// Records that one statement looks at.
    private static let statementLimit = 1_000_000

    /// - Throws: `too_long` for a month with more records than one answer looks at.
    package func statement(of id: AccountID, from start: Timestamp, until end: Timestamp) async throws -> Statement {
        var statement = Statement()
        var before: UInt64?
        var isClosed = false
        var seen = 0
        while true {
            let rows = try await store.ledgerRecords(of: id, before: before, limit: Self.statementPage)
            for row in rows {
                let record = try LedgerRecord(decoding: row.bytes)
                guard record.time < end else { continue }
                guard let after = record.counters(of: id) else { continue }
                if !isClosed { statement.closing = after.balance }
                isClosed = true
                guard record.time >= start else {
                    statement.opening = after.balance
                    return statement
                }
                add(record, to: &statement, of: id)
            }
            seen += rows.count
            guard rows.count == Self.statementPage, let last = rows.last else { return statement }
            guard seen < Self.statementLimit else {
                throw CoordinatorFailure(
                    "too_long", "the account has more than \(Self.statementLimit) records since then: export the ledger"
                )
            }
            before = last.sequence
        }
    }

    private func add(_ record: LedgerRecord, to statement: inout Statement, of id: AccountID) {
        guard let transfer = record.transfer, transfer.kind != .pending, transfer.amount > .zero else { return }
        var sum = statement.sums[transfer.kind] ?? (0, .zero, .zero)
        sum.count += 1
        if transfer.credit == id {
            sum.gained = Credits(micro: sum.gained.micro + transfer.amount.micro)
        } else {
            sum.lost = Credits(micro: sum.lost.micro + transfer.amount.micro)
        }
        statement.sums[transfer.kind] = sum
        statement.records += 1
    }

    /// What a stake stands at: at risk, and on its way back.
    package func stake(of user: AccountID) -> [Account] { Staking.atRisk(of: user, in: core.ledger) }

    /// Every step of money of a job: all of them for who sees the job, those of their own attempts for who was paid.
    ///
    /// - Returns: newest first, with the attempts that they are about.
    package func history(ofJob reference: String, for principal: Principal, before: UInt64?, limit: Int) async throws
        -> (job: JobRecord, rows: [(record: LedgerRecord, attempt: AttemptRecord?)], next: UInt64?)
    {
        let (record, payee) = try await jobWithMoney(reference, for: principal)
        let escrow = CoordinatorCore.escrow(of: record)
        let rows = try await store.ledgerRecords(of: escrow, before: before, limit: limit)
        var subjects: [SubjectID: AttemptRecord] = [:]
        var after: AttemptID?
        while true {
            let page = try await store.attempts(of: record.id, task: nil, after: after, limit: Self.statementPage)
            for attempt in page where payee == nil || attempt.payee == payee {
                subjects[CoordinatorCore.subject(of: attempt.id)] = attempt
            }
            guard page.count == Self.statementPage, let last = page.last else { break }
            after = last.id
        }
        var lines: [(LedgerRecord, AttemptRecord?)] = []
        for row in rows {
            let line = try LedgerRecord(decoding: row.bytes)
            let attempt = subjects[line.subject]
            guard payee == nil || (attempt != nil && line.transfer?.kind != .hold) else { continue }
            if let attempt, [.post, .void].contains(line.transfer?.kind) {
                lines += try await besides(line, of: attempt)
            }
            lines.append((line, attempt))
        }
        return (record, lines, rows.count == limit ? rows.last?.sequence : nil)
    }

    /// What does not touch the escrow: the fee and the reward of a paid attempt, the stake that a proven cheat lost.
    private func besides(
        _ end: LedgerRecord, of row: AttemptRecord
    ) async throws -> [(LedgerRecord, AttemptRecord?)] {
        guard let transfer = end.transfer else { return [] }
        func id(_ kind: TransferKind, _ ordinal: UInt32) -> TransferID {
            TransferID(at: row.grantedAt, kind: kind, subject: end.subject, ordinal: ordinal)
        }
        let ids: [(TransferID, AccountID)] =
            transfer.kind == .void
            ? [(id(.slash, 0), .treasury), (id(.slash, 1), .treasury)]
            : [(id(.fee, 0), transfer.credit), (id(.reward, UInt32(RewardRule.compute.rawValue)), transfer.credit)]
        var found: [(LedgerRecord, AttemptRecord?)] = []
        for (id, account) in ids where try await store.transfer(id) != nil {
            // They stand beside the end.
            let near = try await store.ledgerRecords(of: account, before: end.sequence + 16, limit: 32)
            for stored in near {
                let record = try LedgerRecord(decoding: stored.bytes)
                if record.transfer?.id == id { found.insert((record, row), at: 0) }
            }
        }
        return found
    }

    /// The job, and whose attempts alone may be shown; nil = all.
    private func jobWithMoney(_ reference: String, for principal: Principal) async throws -> (JobRecord, AccountID?) {
        if let id = try? JobID(reference), let stored = try await store.job(id),
            stored.record.account != principal.account, !principal.mayForEverybody(.seeAccounts)
        {
            var after: AttemptID?
            while true {
                let page = try await store.attempts(of: id, task: nil, after: after, limit: Self.statementPage)
                if page.contains(where: { $0.payee == principal.account }) {
                    return (stored.record, principal.account)
                }
                guard page.count == Self.statementPage, let last = page.last else { throw CoordinatorFailure.notFound }
                after = last.id
            }
        }
        return (try await find(reference, for: principal), nil)
    }
}

extension Coordinator {
    /// Whom somebody pays: an account by its id, or by the name of a principal that owns it; other than
    /// ``account(named:for:)`` without saying anything of it.
    package func payee(_ reference: String) throws -> AccountID {
        let id = (try? AccountID(reference)) ?? core.principals.values.first { $0.name == reference }?.account
        guard let id, core.ledger.account(id)?.kind == .user else {
            throw CoordinatorFailure(
                "unknown_account", "nobody here has the name or the account `\(reference.prefix(80))`")
        }
        return id
    }
}
