package import FogCore
package import FogJobs
package import FogLedger
package import FogPlacement
internal import FogStore

/// Money of a job: what is reserved at the grant, what is paid at the end.
extension CoordinatorCore {
    /// What a node's owner asks, or the index price: what placement weighs, what a grant binds, what is charged.
    package func asks(of node: NodeRow, _ capability: CapabilityClass = .cpu) -> HourlyRates {
        guard rules.economy else { return asks }
        let index = indexRates(MarketSegment(region: node.report.region, capability: capability))
        return HourlyRates(core: node.coreAsk ?? index.core, gibibyte: node.gibAsk ?? index.gibibyte)
    }

    /// The operator's prices.
    package var asks: HourlyRates {
        rules.economy ? HourlyRates(core: rules.coreHourPrice, gibibyte: rules.gibHourPrice) : HourlyRates()
    }

    package static func escrow(of job: JobRecord) -> AccountID {
        AccountID(at: job.submittedAt, derivedFrom: Array("fog-escrow".utf8) + job.id.bytes)
    }

    package static func subject(of attempt: AttemptID) -> SubjectID { SubjectID(digestOf: attempt.bytes) }
    package static func subject(of job: JobID) -> SubjectID { SubjectID(digestOf: job.bytes) }

    func charge(for attempt: AttemptRecord, of job: ActiveJob, expires: Timestamp? = nil) -> Charge {
        Charge(
            escrow: Self.escrow(of: job.record), payer: job.record.account, payee: attempt.payee,
            subject: Self.subject(of: attempt.id), bound: attempt.priceBound, grantedAt: attempt.grantedAt,
            expires: expires)
    }

    /// Reserves the price of an attempt: what the escrow lacks comes from the payer, then a pending transfer to the
    /// payee. Nil when it is done, else why not.
    mutating func reserve(_ attempt: AttemptRecord, of job: inout ActiveJob, at now: Moment) -> LedgerRefusal? {
        if !job.record.progress.escrowOpen {
            if let refusal = openEscrow(of: &job, at: now) { return refusal }
        }
        let decision = decision(about: attempt.node, at: now)
        let chain = Settlement.grant(
            [charge(for: attempt, of: job, expires: expiry(of: attempt, in: job, at: now))],
            evidence: decision?.digest ?? .zero, in: ledger)
        let refusal = post(chain, at: now)
        if let decision, refusal == nil { change.evidence.append(decision) }
        return refusal
    }

    /// With the request of its submitter, so that nobody's credits go where their key did not ask.
    mutating func openEscrow(of job: inout ActiveJob, at now: Moment) -> LedgerRefusal? {
        let chain = Settlement.open(
            escrow: Self.escrow(of: job.record), job: Self.subject(of: job.record.id), authorisation: job.request)
        if let refusal = post(chain, at: now) { return refusal }
        job.record.progress.escrowOpen = true
        job.request = .none
        return nil
    }

    /// Pays an attempt out of its pending transfer, or gives the reservation back, and pays what its end makes due to
    /// earlier ones; then, when nothing of the job runs, what the escrow holds goes back to the payer.
    mutating func resolve(
        _ attempt: AttemptRecord, of job: inout ActiveJob, paying amount: Credits?, evidence: Digest?,
        late: [LatePayment] = [], at now: Moment
    ) {
        let charge = charge(for: attempt, of: job)
        if let amount, let evidence {
            let fee = fee(
                of: min(amount, charge.bound), for: charge, core: attempt.coreRate, seller: attempt.sellerRate, at: now)
            let chain =
                isReserved(charge, at: now)
                ? Settlement.pay(charge, metered: amount, fee: fee, evidence: evidence)
                : anew(charge, amount: amount, fee: fee, evidence: evidence, at: now)
            must(post(chain, at: now), "a live attempt is paid")
            job.record.progress.spent = Credits(micro: job.record.progress.spent.micro + amount.micro)
        } else {
            must(
                post(Settlement.release(charge, evidence: evidence ?? .zero, at: now.wall, in: ledger), at: now),
                "a reservation is given back")
        }
        for payment in late { pay(payment, of: &job, at: now) }
        // What was reserved stays paid ahead until the job ends.
        guard job.openAttempts == 0, job.record.reservedCore == nil else { return }
        let refund = Settlement.refund(
            escrow: charge.escrow, to: charge.payer, subject: charge.subject, at: attempt.grantedAt, in: ledger)
        if !refund.isEmpty { must(post(refund, at: now), "an escrow's rest goes back") }
    }

    /// What the pool keeps of a payment: the fee, and what a buyer pays beyond what the seller gets; nothing of what
    /// somebody pays to themself.
    ///
    /// - Parameters:
    ///   - core: what is paid for a core-hour.
    ///   - seller: what the machine's owner gets of it; nil = all.
    func fee(of amount: Credits, for charge: Charge, core: Credits?, seller: Credits?, at now: Moment) -> Credits {
        guard rules.economy, charge.payer != charge.payee else { return .zero }
        var spread = Credits.zero
        if let core, let seller, core.micro > 0, seller < core {
            let part = Int128(amount.micro) * Int128(core.micro - seller.micro) / Int128(core.micro)
            spread = Credits(micro: Int64(clamping: part))
        }
        let rest = Credits(micro: amount.micro - spread.micro)
        let fee = ledger.rules.economy(at: ledger.time(at: now.wall))?.fee(of: rest) ?? .zero
        return Credits(micro: spread.micro + fee.micro)
    }

    /// Ends the escrow account of a finished job; it is empty, since nothing runs.
    mutating func closeEscrow(of job: inout ActiveJob, at now: Moment) {
        guard job.record.progress.escrowOpen else { return }
        let escrow = Self.escrow(of: job.record)
        let chain = Settlement.close(
            escrow: escrow, payer: job.record.account, job: Self.subject(of: job.record.id),
            at: job.record.submittedAt, in: ledger)
        must(post(chain, at: now), "a finished job's escrow closes")
        job.record.progress.escrowOpen = false
        ledger.forget([escrow])
    }

    func must(_ refusal: LedgerRefusal?, _ invariant: String) {
        precondition(refusal == nil, "\(invariant): \(refusal?.message ?? "")")
    }

    /// The use that counts, in nanoseconds: never longer than since the grant, nor more cores than were granted.
    func payable(_ usage: Usage, attempt: LiveAttempt, until end: Timestamp) -> (wall: Int64, cpu: Int64) {
        let granted = max(0, (end - attempt.record.grantedAt).milliseconds) * 1_000_000
        let wall = min(usage.wallNanoseconds, granted)
        let limit = Int64(clamping: Int128(wall) * Int128(attempt.demand.cpu.count) / 1000)
        return (wall, min(usage.cpuNanoseconds, limit))
    }

    /// What an attempt's use costs: never more than was granted, nor than the price bound.
    package func price(of usage: Usage, attempt: LiveAttempt, until end: Timestamp) -> Credits {
        let use = payable(usage, attempt: attempt, until: end)
        let wall = use.wall
        let rates = HourlyRates(
            core: attempt.record.coreRate ?? asks.core, gibibyte: attempt.record.gibRate ?? asks.gibibyte)
        let cpu = Int128(use.cpu) * Int128(rates.core.micro)
        let memory =
            Int128(wall) * Int128(attempt.demand.memory.bytes) * Int128(rates.gibibyte.micro) / Int128(1 << 30)
        let micro = (cpu + memory) / (3600 * 1_000_000_000)
        return min(attempt.record.priceBound, Credits(micro: Int64(clamping: micro)))
    }
}
