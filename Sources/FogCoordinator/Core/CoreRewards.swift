package import FogCore
package import FogJobs
package import FogLedger
internal import FogPlacement
internal import FogStore

/// What is earned beside the price of work, and what the economy does by itself as time passes.
extension CoordinatorCore {
    /// Credits for verified work that a stranger had done, from the pool: in the change that accepts the result.
    ///
    /// Nothing for one's own jobs, nor for a result that nobody vouches for.
    mutating func reward(_ attempt: LiveAttempt, of job: ActiveJob, receipt: Digest, at now: Moment) {
        let record = attempt.record
        guard rules.economy, record.payee != job.record.account, let usage = record.usage,
            let verification = verification(of: record, in: job),
            let terms = ledger.rules.terms(.compute, at: ledger.time(at: now.wall))
        else { return }
        let (wall, cpu) = payable(usage, attempt: attempt, until: now.wall)
        guard cpu >= terms.minimum, ledger.account(record.payee)?.kind == .user else { return }
        let claim = Rewards.Claim(
            rule: .compute, user: record.payee, subject: Self.subject(of: record.id),
            done: RewardMeasurement(
                quantity: cpu, duration: wall / 1_000_000_000, quality: reputation(of: record.node, at: now),
                complexity: attempt.demand.cpu.count),
            time: record.grantedAt)
        guard let answer = Rewards.weigh(claim, at: now.wall, in: ledger) else { return }
        let detail = ["earned": answer.earned.description, "paid": answer.paid.description]
        if answer.paid > .zero {
            let document = RewardDocument(
                claim, answer, verification: verification, proof: receipt, result: manifestDigest(record.outputs)
            ).document
            let chain = Rewards.pay(
                claim, paid: answer.paid, evidence: document.digest, at: now.wall, in: ledger)
            must(post(chain, at: now), "a weighed reward is within its quota and its pool")
            change.evidence.append(document)
        }
        note(
            "reward_earned", at: now, job: job.record.id, task: record.id.task.number, token: record.id.token,
            node: record.node, detail: detail.merging(["limit": answer.limit.description]) { first, _ in first })
    }

    /// How sure it is that a result is right; nil when nothing says so.
    private func verification(of attempt: AttemptRecord, in job: ActiveJob) -> VerificationClass? {
        if nodes[attempt.node]?.row.trusted == true { return .trusted }
        guard let step = job.stepIndex(of: attempt.id.task.number) else { return nil }
        return job.steps[step].spec.verify.copies > 1 ? .replicated : nil
    }

    /// Of a node, in 1/10,000.
    private func reputation(of node: NodeID, at now: Moment) -> Int64 {
        nodes[node].map { Int64(trust(of: $0, .cpu, at: now) * 10_000) } ?? 0
    }

    // MARK: - Time

    static let epochSetting = "begun_epoch"
    private static let economyEvery = TimeSpan.seconds(10)
    /// Quotas and what unbonds that are ended in one go.
    private static let endedAtOnce = 200

    /// Opens what the economy needs, begins epochs, ends days and unbonding.
    mutating func keepEconomy(at now: Moment) {
        guard now.boot >= nextEconomy, ledger.head.count > 0 else { return }
        nextEconomy = now.boot + Self.economyEvery
        endOverdue(at: now)
        guard rules.economy else { return }
        for entry in LedgerEntry.economyAccounts {
            guard case .open(let opening) = entry.action, ledger.account(opening.id) == nil else { continue }
            must(post([entry], at: now), "an account of the economy opens")
        }
        for rule in LedgerRule.genesis where ledger.rules.newest(rule) == nil {
            must(post([LedgerEntry(.setRule(rule))], at: now), "a first rule holds")
        }
        let time = ledger.time(at: now.wall)
        if let terms = ledger.rules.economy(at: time) {
            let epoch = terms.subject(ofEpoch: terms.epoch(at: time))
            if epoch != begunEpoch {
                let refusal = post(Rewards.beginEpoch(at: now.wall, in: ledger), at: now)
                note(
                    "epoch_begun", at: now,
                    detail: ["epoch": String(terms.epoch(at: time)), "refused": refusal?.message].compactMapValues {
                        $0
                    })
                begunEpoch = epoch
                change.settings[Self.epochSetting] = epoch.description
            }
        }
        endDays(at: now)
    }

    private mutating func endDays(at now: Moment) {
        let time = ledger.time(at: now.wall)
        let over = ledger.due(at: time, limit: Self.endedAtOnce)
        for account in over {
            let chain = account.kind == .quota ? Rewards.close(quota: account) : Staking.release(account)
            must(post(chain, at: now), "what is over is closed")
        }
        ledger.forget(over.map(\.id))
    }

    // MARK: - By somebody's word

    /// A rule's next version.
    package mutating func set(_ rule: LedgerRule, authorisation: Authorisation, at now: Moment)
        throws(CoordinatorFailure)
    {
        let entry = LedgerEntry(.setRule(rule), authorisation: authorisation)
        if let refusal = post([entry], at: now) { throw CoordinatorFailure(refusal.code, refusal.message) }
        note("rule_set", at: now, detail: ["rule": rule.name, "version": String(rule.version)])
    }

    /// A reward that a person states, with what shows it.
    ///
    /// - Throws: `no_rule_in_force`, `daily_limit_exceeded`, `pool_exhausted`, `below_minimum`.
    package mutating func reward(
        _ claim: Rewards.Claim, proof: Digest, reason: String, authorisation: Authorisation,
        known: [TransferID: KnownTransfer], at now: Moment
    ) throws(CoordinatorFailure) -> RewardDocument {
        guard let answer = Rewards.weigh(claim, at: now.wall, in: ledger) else {
            throw CoordinatorFailure("no_rule_in_force", "no version of the rule \(claim.rule) is in force")
        }
        guard answer.paid > .zero else {
            switch answer.limit {
            case .belowMinimum:
                throw CoordinatorFailure(
                    "below_minimum",
                    "\(claim.rule) needs at least \(answer.terms.minimum) \(answer.terms.measure) parts")
            case .daily:
                throw CoordinatorFailure(
                    "daily_limit_exceeded",
                    "the account has earned \(answer.terms.dailyLimit) by \(claim.rule) today, the most a UTC day")
            case .pool, .none:
                throw CoordinatorFailure("pool_exhausted", "the pool of \(claim.rule) is empty until the next epoch")
            }
        }
        let document = RewardDocument(claim, answer, verification: .stated, proof: proof, reason: reason)
        let chain = Rewards.pay(
            claim, paid: answer.paid, evidence: document.document.digest, authorisation: authorisation, at: now.wall,
            in: ledger)
        if try apply(chain, known: known, at: now) { change.evidence.append(document.document) }
        note("reward_earned", at: now, detail: ["rule": claim.rule.description, "paid": answer.paid.description])
        return document
    }

    /// What an account's owner does with it.
    package enum Movement: Sendable {
        case transfer(to: AccountID)
        case stake
        case unstake
    }

    /// Moves credits of the principal's own account, once for each id.
    package mutating func move(
        _ amount: Credits, _ movement: Movement, id: TransferID, by principal: Principal,
        authorisation: Authorisation, known: [TransferID: KnownTransfer], at now: Moment
    ) throws(CoordinatorFailure) -> Account {
        let user = principal.account
        let chain: [LedgerEntry]
        switch movement {
        case .transfer(let to):
            chain = [
                LedgerEntry(
                    .move(.move, id: id, from: user, to: to, amount: amount), subject: user.asOwner,
                    authorisation: authorisation)
            ]
        case .stake:
            chain = Staking.stake(amount, of: user, id: id, authorisation: authorisation, in: ledger)
        case .unstake:
            // A repeated one would name another account that unbonds.
            if let done = recentTransfers[id] ?? known[id] {
                guard done.transfer.amount == amount, done.transfer.kind == .unstake else {
                    throw CoordinatorFailure(
                        LedgerRefusal.differs("amount").code, LedgerRefusal.differs("amount").message)
                }
                return try own(user)
            }
            chain = Staking.unstake(
                amount, of: user, id: id, authorisation: authorisation, at: now.wall, in: ledger)
        }
        if try apply(chain, known: known, at: now) {
            learnLinks(of: movement, by: user, isOperator: principal.roles.contains(.admin))
            note("credits_moved", at: now, detail: ["amount": amount.description])
            placementWanted = true
        }
        return try own(user)
    }

    /// Reverses a transfer.
    package mutating func correct(
        _ wrong: KnownTransfer, _ document: CorrectionDocument, authorisation: Authorisation,
        known: [TransferID: KnownTransfer], at now: Moment
    ) throws(CoordinatorFailure) {
        let chain = Settlement.correct(
            wrong.transfer, evidence: document.document.digest, authorisation: authorisation)
        var known = known
        // Reversed before, with another document: nothing is left to do.
        if recentTransfers[Settlement.correctionID(of: wrong.transfer.id)] != nil
            || known[Settlement.correctionID(of: wrong.transfer.id)] != nil
        {
            throw CoordinatorFailure("conflict", "transfer \(wrong.transfer.id) was reversed before")
        }
        known[wrong.transfer.id] = wrong
        if try apply(chain, known: known, at: now) { change.evidence.append(document.document) }
        note(
            "transfer_corrected", at: now,
            detail: ["transfer": wrong.transfer.id.description, "amount": wrong.transfer.amount.description])
    }

    private func own(_ account: AccountID) throws(CoordinatorFailure) -> Account {
        guard let account = ledger.account(account) else { throw .notFound }
        return account
    }

    /// Applies a chain whose ids may have been used before: `known` is what the store said of them, and what was decided
    /// since is remembered here. False when it was applied before.
    private mutating func apply(
        _ entries: [LedgerEntry], known: [TransferID: KnownTransfer], at now: Moment
    ) throws(CoordinatorFailure) -> Bool {
        let recent = recentTransfers
        let lookup = LedgerLookup(transfer: { recent[$0] ?? known[$0] })
        switch ledger.apply(entries, at: now.wall, lookup: lookup, using: &generator) {
        case .applied(let applied):
            for row in applied.rows {
                if let transfer = KnownTransfer(row.record) { recentTransfers[transfer.transfer.id] = transfer }
            }
            if change.ledger == nil { change.ledger = applied } else { change.ledger?.append(applied) }
            hasChange = true
            return true
        case .exists: return false
        case .refused(let refusal, _): throw CoordinatorFailure(refusal.code, refusal.message)
        }
    }
}

/// Transfers whose ids others chose, from the decision until they are surely stored: of two requests with one id at the
/// same time, the second finds the first.
package struct RecentTransfers: Sendable {
    private var newer: [TransferID: KnownTransfer] = [:]
    private var older: [TransferID: KnownTransfer] = [:]
    /// In each of the two generations.
    private static let limit = 4096

    package init() {}

    package subscript(id: TransferID) -> KnownTransfer? {
        get { newer[id] ?? older[id] }
        set {
            if newer.count >= Self.limit {
                older = newer
                newer = [:]
            }
            newer[id] = newValue
        }
    }
}
