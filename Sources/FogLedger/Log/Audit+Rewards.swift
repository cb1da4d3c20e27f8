internal import FogCore

/// What documents say of rewards, corrections and where work went, against the rules in force.
extension Audit {
    mutating func check(
        _ reward: RewardDocument, _ transfer: Transfer, _ record: LedgerRecord
    ) throws {
        let row = record.sequence
        guard reward.user == transfer.credit, reward.paid == transfer.amount, reward.subject == record.subject,
            .pool(reward.rule) == transfer.debit
        else {
            return fail(
                .rewards, row, "the document of this reward", "\(reward.paid) by \(reward.rule) to \(reward.user)")
        }
        guard let terms = replay.economy.terms(reward.rule, at: record.time), terms.version == reward.version else {
            return fail(.rewards, row, "the version of \(reward.rule) in force", "version \(reward.version)")
        }
        if !Self.holds(reward.earned, for: reward.done, under: terms) {
            fail(.rewards, row, "what version \(terms.version) of \(reward.rule) gives", "\(reward.earned)")
        }
        if reward.paid > reward.earned { fail(.rewards, row, "at most \(reward.earned)", "\(reward.paid)") }
        if reward.limit == .none, reward.paid != reward.earned {
            fail(.rewards, row, "\(reward.earned), since nothing limits it", "\(reward.paid)")
        }
        if reward.rule == .compute { try checkWork(reward, record) }
    }

    /// Whether an amount is base x quantity / measure x multipliers, rounded down: earned x divisor <= product <
    /// (earned + 1) x divisor, so that nothing is divided here.
    static func holds(_ earned: Credits, for done: RewardMeasurement, under terms: RewardTerms) -> Bool {
        guard done.quantity >= 1, done.quantity >= terms.minimum else { return earned == .zero }
        guard earned.micro >= 0, terms.base.micro >= 0 else { return false }
        var rate = UInt128(terms.base.micro)
        for (steps, quantity) in [
            (terms.duration, done.duration), (terms.quality, done.quality), (terms.complexity, done.complexity),
        ] {
            let reached = steps.steps.filter { $0.from <= quantity }.max { $0.from < $1.from }
            rate *= UInt128(reached?.multiplier ?? 0)
        }
        let product = rate.multipliedFullWidth(by: UInt128(done.quantity))
        let divisor = UInt128(terms.measure.parts) * 1_000_000_000_000
        let low = UInt128(earned.micro).multipliedFullWidth(by: divisor)
        let high = (UInt128(earned.micro) + 1).multipliedFullWidth(by: divisor)
        return (low.high, low.low) <= (product.high, product.low) && (product.high, product.low) < (high.high, high.low)
    }

    /// The work behind a compute reward: a receipt of the same attempt, by a node of who earns.
    private mutating func checkWork(_ reward: RewardDocument, _ record: LedgerRecord) throws {
        let row = record.sequence
        cited.insert(ShortDigest(reward.proof))
        guard let document = try stored(reward.proof), document.kind == .receipt else {
            return fail(.rewards, row, "receipt \(reward.proof)", "none")
        }
        do throws(LedgerFailure) {
            let claim = try sources.receipt(document)
            guard claim.subject == reward.subject else {
                return fail(.rewards, row, "a receipt of attempt \(reward.subject)", "one of \(claim.subject)")
            }
            guard replay.keys[claim.worker.id]?.key.owner == reward.user else {
                return fail(.rewards, row, "a receipt by a node of \(reward.user)", "by \(claim.worker.id)")
            }
            if let used = claim.cpuNanoseconds, reward.done.quantity > used {
                fail(.rewards, row, "at most \(used) ns of a core", "\(reward.done.quantity)")
            }
            if let result = claim.result, result != reward.result {
                fail(.rewards, row, "result \(result)", "\(reward.result)")
            }
        } catch {
            fail(.rewards, row, "a receipt that holds", error.message)
        }
    }

    mutating func check(_ correction: CorrectionDocument, _ record: LedgerRecord) throws(LedgerFailure) {
        guard correction.cause.high == record.subject.high, correction.cause.low == record.subject.low else {
            throw Self.unfit("a correction of transfer \(correction.cause)")
        }
        try require(coordinator: correction.signer, or: .admin)
    }

    /// The cheat's own receipt: of the attempt, signed with a key of who is slashed.
    func checkSlash(
        _ claim: ReceiptClaim, _ transfer: Transfer, _ record: LedgerRecord
    ) throws(LedgerFailure) {
        guard record.subject == claim.subject else { throw Self.unfit("a receipt of another attempt") }
        guard let owner = replay.keys[claim.worker.id]?.key.owner,
            replay.accounts[transfer.debit]?.account.owner == owner.asOwner
        else { throw Self.unfit("signed by \(claim.worker.id), no node of who is slashed") }
    }

    mutating func check(_ decision: JurisdictionDecision, _ record: LedgerRecord) {
        let terms = policies(at: record.time).compactMap { $0 }.first { $0.version == decision.version }
        guard let terms else {
            return fail(
                .jurisdiction, record.sequence, "the policy in force", "version \(decision.version)")
        }
        let allows = terms.regions.isEmpty || terms.regions.contains { $0 == decision.region }
        if !allows || !decision.isAllowed {
            fail(.jurisdiction, record.sequence, "a region of version \(terms.version)", "`\(decision.region)`")
        }
    }

    /// Those in force at a record and a second before: a decision that was made just before midnight is recorded after.
    private func policies(at time: Timestamp) -> [JurisdictionTerms?] {
        [replay.economy.jurisdiction(at: time), replay.economy.jurisdiction(at: time - .seconds(1))]
    }

    /// While there is a policy, each attempt says where it went.
    mutating func checkJurisdiction(uncited record: LedgerRecord, _ transfer: Transfer) {
        guard transfer.kind == .pending, replay.accounts[transfer.debit]?.account.kind == .escrow,
            let terms = replay.economy.jurisdiction(at: record.time),
            policies(at: record.time).allSatisfy({ $0?.regions.isEmpty == false })
        else { return }
        // A late payment reserves again what was granted before: its ordinal is 1.
        guard transfer.ordinal == 0 else { return }
        fail(.jurisdiction, record.sequence, "a decision of version \(terms.version)", "none cited")
    }
}
