internal import FogAPI
internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import FogLedger
internal import FogNet

extension Routes {
    /// Credits by somebody's word, and why there are so many.
    static let economyRoutes: [(String, Handler)] = [
        ("POST /v1/ledger/transfers", { routes, asked, _ in try await routes.move(asked) }),
        ("POST /v1/ledger/rewards", { routes, asked, _ in try await routes.reward(asked) }),
        (
            "GET /v1/ledger/rules",
            { routes, _, _ in
                let (versions, now) = await routes.coordinator.rules()
                return try .json(RuleListBody(rules: versions.map { RuleBody($0, among: versions, at: now) }))
            }
        ),
        ("POST /v1/ledger/rules", { routes, asked, _ in try await routes.setRule(asked) }),
        (
            "POST /v1/ledger/corrections",
            { routes, asked, _ in
                let body = try Wire.decode(CorrectionBody.self, from: asked.request.body)
                let wrong = try await routes.coordinator.correct(
                    body.transfer, reason: body.reason, authorisation: try asked.authorisation())
                return try .json(
                    CorrectedBody(
                        transfer: body.transfer, credits: wrong.transfer.amount, from: wrong.transfer.credit,
                        to: wrong.transfer.debit), status: 201)
            }
        ),
        (
            "GET /v1/ledger/accounts/{account}/earnings",
            { routes, asked, parameters in
                let account = try await routes.account(parameters["account"], asked)
                let limit = max(1, min(try parameters.integer("limit") ?? 200, 1000))
                let (lines, next) = try await routes.coordinator.earnings(
                    of: account.id, before: try parameters.sequence("before"), limit: limit)
                return try .json(
                    EarningsBody(account: account.id, lines: lines.map(EarningsBody.Line.init), next: next))
            }
        ),
        (
            "GET /v1/ledger/accounts/{account}/statement",
            { routes, asked, parameters in
                let account = try await routes.account(parameters["account"], asked)
                return try await routes.statement(of: account, parameters)
            }
        ),
        (
            "GET /v1/ledger/jobs/{job}/history",
            { routes, asked, parameters in
                let limit = max(1, min(try parameters.integer("limit") ?? 200, 1000))
                let (job, rows, next) = try await routes.coordinator.history(
                    ofJob: parameters["job"], for: asked.principal, before: try parameters.sequence("before"),
                    limit: limit)
                return try .json(
                    JobHistoryBody(
                        job: job.id, payer: job.account, escrow: CoordinatorCore.escrow(of: job),
                        lines: rows.compactMap { JobHistoryBody.Line($0.record, of: $0.attempt) }, next: next))
            }
        ),
    ]

    private func move(_ asked: AuthenticatedRequest) async throws -> CarrierResponse {
        let body = try Wire.decode(TransferBody.self, from: asked.request.body)
        let movement: CoordinatorCore.Movement
        switch (body.kind, body.to) {
        case ("transfer", let to?): movement = .transfer(to: try await coordinator.payee(to))
        case ("stake", nil): movement = .stake
        case ("unstake", nil): movement = .unstake
        default:
            throw Problem(
                400, "bad_kind",
                "kind is transfer with `to`, or stake or unstake without; found `\(body.kind.prefix(40))`")
        }
        let account = try await coordinator.move(
            body.credits, movement, id: body.id, by: asked.principal, authorisation: try asked.authorisation())
        return try .json(await balance(of: account), status: 201)
    }

    /// With what its owner has at risk.
    func balance(of account: Account) async -> BalanceBody {
        var body = BalanceBody(account)
        let atRisk = await coordinator.stake(of: account.id)
        guard !atRisk.isEmpty else { return body }
        body.staked = atRisk.first { $0.kind == .stake }?.balance ?? .zero
        body.unbonding = atRisk.filter { $0.kind == .unbonding }.map {
            BalanceBody.Unbonding(credits: $0.balance, free: $0.id.time)
        }
        return body
    }

    private func reward(_ asked: AuthenticatedRequest) async throws -> CarrierResponse {
        let body = try Wire.decode(RewardBody.self, from: asked.request.body)
        guard let rule = RewardRule(body.rule) else {
            let all = RewardRule.allCases.filter { $0 != .compute }.map(\.description).joined(separator: ", ")
            throw Problem(400, "unknown_rule", "a rule is one of \(all); found `\(body.rule.prefix(40))`")
        }
        guard (1...5).contains(body.quality), (1...5).contains(body.complexity) else {
            throw Problem(400, "bad_grade", "grades are 1 to 5, found \(body.quality) and \(body.complexity)")
        }
        let account = try await account(body.account, asked)
        let done = RewardMeasurement(
            quantity: body.quantity, duration: 0, quality: body.quality, complexity: body.complexity)
        let document = try await coordinator.reward(
            rule, done, to: account.id, proof: body.evidence, reason: body.reason, id: body.id, by: asked.principal,
            authorisation: try asked.authorisation())
        var line = EarningsBody.Line(
            sequence: 0, at: clock.now, kind: rule.description, amount: document.paid)
        line.earned = document.earned
        line.limit = document.limit.description
        line.version = document.version
        return try .json(line, status: 201)
    }

    private func setRule(_ asked: AuthenticatedRequest) async throws -> CarrierResponse {
        let body = try Wire.decode(RuleChangeBody.self, from: asked.request.body)
        let rule = try await coordinator.setRule(authorisation: try asked.authorisation()) {
            book, from throws(CoordinatorFailure) in try body.next(in: book, from: from)
        }
        let (versions, now) = await coordinator.rules()
        return try .json(RuleBody(rule, among: versions, at: now), status: 201)
    }

    /// A month reads `2026-11`; without one, the present.
    private func statement(of account: Account, _ parameters: RouteParameters) async throws -> CarrierResponse {
        let month = try parameters.value("month", wanted: "a month, as 2026-11", Month.init) ?? Month(clock.now)
        let statement = try await coordinator.statement(
            of: account.id, from: month.start, until: month.end)
        let sums = statement.sums.sorted { $0.key.rawValue < $1.key.rawValue }.map {
            StatementBody.Sum(
                kind: $0.key.description, count: $0.value.count, gained: $0.value.gained, lost: $0.value.lost)
        }
        return try .json(
            StatementBody(
                account: account.id, month: month.text, opening: statement.opening, closing: statement.closing,
                sums: sums))
    }
}

/// A month of the calendar, in UTC.
private struct Month {
    /// `2026-11`
    let text: String
    let start: Timestamp
    let end: Timestamp

    init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].utf8.count == 4, parts[1].utf8.count == 2, let year = Int(parts[0]),
            let number = Int(parts[1]), (1970...9998).contains(year), (1...12).contains(number)
        else { return nil }
        let next = number == 12 ? "\(year + 1)-01" : "\(year)-\(number < 9 ? "0" : "")\(number + 1)"
        guard let start = try? Timestamp("\(text)-01T00:00:00Z"), let end = try? Timestamp("\(next)-01T00:00:00Z")
        else {
            return nil
        }
        (self.text, self.start, self.end) = (text, start, end)
    }

    /// The month of a moment.
    init(_ time: Timestamp) {
        let text = String(time.plain.prefix(7))
        self = Month(text) ?? Month(text: text, start: .zero, end: time)
    }

    private init(text: String, start: Timestamp, end: Timestamp) {
        (self.text, self.start, self.end) = (text, start, end)
    }
}

extension AuthenticatedRequest {
    /// The signature as it stands in the log.
    /// - Throws: 401 `missing_signature` for what came through a worker link, which proves to nobody else who asked.
    func authorisation() throws -> Authorisation {
        guard let signature else {
            throw Problem(401, "missing_signature", "what the ledger records is asked for by a signed request")
        }
        return try Authorisation(base: signature.base, key: signature.keyID, signature: signature.signature)
    }
}

// MARK: - Bodies

extension EarningsBody.Line {
    init(_ earning: Coordinator.Earning) {
        let record = earning.record
        self.init(
            sequence: record.sequence, at: record.time, kind: earning.reward?.rule.description ?? "work",
            amount: record.transfer?.amount ?? .zero)
        attempt = earning.receipt?.attempt
        guard let reward = earning.reward else { return }
        version = reward.version
        earned = reward.earned
        limit = reward.limit.description
        verification = reward.verification.description
        reason = reward.reason.isEmpty ? nil : reward.reason
        guard let terms = earning.terms else { return }
        base = terms.base
        measure = terms.measure.description
        thousandths = Int64(clamping: Int128(reward.done.quantity) * 1000 / Int128(terms.measure.parts))
        let by = terms.multipliers(for: reward.done)
        multipliers = [by.duration, by.quality, by.complexity]
    }
}

extension JobHistoryBody.Line {
    init?(_ record: LedgerRecord, of attempt: AttemptRecord?) {
        guard let transfer = record.transfer else { return nil }
        self.init(
            sequence: record.sequence, at: record.time, kind: transfer.kind.description, from: transfer.debit,
            to: transfer.credit, amount: transfer.amount, attempt: attempt?.id,
            evidence: record.evidence == .zero ? nil : record.evidence, why: Self.why(transfer.kind, attempt))
    }

    /// In a few words, the same for who pays and who is paid.
    private static func why(_ kind: TransferKind, _ attempt: AttemptRecord?) -> String? {
        switch kind {
        case .hold: "the escrow lacked it"
        case .pending: "price bound of the lease"
        case .refund: "nothing of the job runs"
        case .expire: "its time was over"
        case .slash: "a result proven false"
        default: attempt?.outcome?.rawValue
        }
    }
}

extension RuleBody {
    init(_ rule: LedgerRule, among versions: [LedgerRule], at now: Timestamp) {
        let current = versions.last { $0.name == rule.name && $0.from <= now }
        self.init(rule: rule.name, version: rule.version, from: rule.from, isInForce: current == rule)
        switch rule {
        case .reward(let terms):
            base = terms.base
            measure = terms.measure.description
            minimum = terms.minimum
            dailyLimit = terms.dailyLimit
            duration = terms.duration.steps.map { Step(from: $0.from, multiplier: $0.multiplier) }
            quality = terms.quality.steps.map { Step(from: $0.from, multiplier: $0.multiplier) }
            complexity = terms.complexity.steps.map { Step(from: $0.from, multiplier: $0.multiplier) }
        case .economy(let terms):
            epochDays = terms.epochDays
            emission = terms.emission
            poolShares = terms.poolShares
            feeRate = terms.feeRate
            sovereignShare = terms.sovereignShare
            unbondingDays = terms.unbondingDays
        case .jurisdiction(let terms): regions = terms.regions
        }
    }
}

extension RuleChangeBody {
    /// The first one is in force at once: there is nothing that it would change under somebody's hands.
    private func jurisdiction(in book: Rulebook, from: Timestamp) -> JurisdictionTerms {
        let old = book.versions.last { $0.name == "jurisdiction" }
        return JurisdictionTerms(
            version: (old?.version ?? 0) + 1, from: old.map { max(from, $0.from) } ?? .zero,
            regions: Set(regions ?? []).sorted())
    }

    /// The version after the newest, with what the body says.
    func next(in book: Rulebook, from: Timestamp) throws(CoordinatorFailure) -> LedgerRule {
        if rule == "economy", case .economy(let old) = book.newest(.economy(.genesis)) {
            return .economy(
                EconomyTerms(
                    version: old.version + 1, from: max(from, old.from), epochDays: epochDays ?? old.epochDays,
                    emission: emission ?? old.emission, poolShares: poolShares ?? old.poolShares,
                    feeRate: feeRate ?? old.feeRate, sovereignShare: sovereignShare ?? old.sovereignShare,
                    unbondingDays: unbondingDays ?? old.unbondingDays))
        }
        if rule == "jurisdiction" { return .jurisdiction(jurisdiction(in: book, from: from)) }
        guard let earning = RewardRule(rule),
            case .reward(let old) = book.versions.last(where: { $0.name == earning.description })
        else {
            throw CoordinatorFailure(
                "unknown_rule", "there is no rule `\(rule.prefix(40))` here: GET /v1/ledger/rules names them")
        }
        func steps(_ steps: [RuleBody.Step]?, _ old: MultiplierSteps) -> MultiplierSteps {
            steps.map { MultiplierSteps($0.map { ($0.from, $0.multiplier) }) } ?? old
        }
        return .reward(
            RewardTerms(
                rule: earning, version: old.version + 1, from: max(from, old.from), base: base ?? old.base,
                measure: old.measure, minimum: minimum ?? old.minimum, duration: steps(duration, old.duration),
                quality: steps(quality, old.quality), complexity: steps(complexity, old.complexity),
                dailyLimit: dailyLimit ?? old.dailyLimit))
    }
}
