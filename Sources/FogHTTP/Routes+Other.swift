internal import FogAPI
internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import FogLedger
internal import FogNet
internal import FogPlacement
internal import FogStore

extension Routes {
    /// Machines, people and money.
    static let otherRoutes: [(String, Handler)] = [
        ("GET /v1/me", { _, asked, _ in try .json(MeBody(asked.principal)) }),
        (
            "GET /v1/nodes",
            { routes, asked, _ in
                try .json(NodeListBody(nodes: await routes.coordinator.nodes(for: asked.principal).map(NodeBody.init)))
            }
        ),
        (
            "GET /v1/nodes/{node}",
            { routes, asked, parameters in
                try .json(NodeBody(try await routes.coordinator.node(parameters["node"], for: asked.principal)))
            }
        ),
        ("POST /v1/nodes/{node}/cordon", { try await $0.set(.cordoned, $1, $2) }),
        ("POST /v1/nodes/{node}/drain", { try await $0.set(.draining, $1, $2) }),
        ("POST /v1/nodes/{node}/resume", { try await $0.set(.active, $1, $2) }),
        (
            "GET /v1/ledger/accounts/{account}",
            { routes, asked, parameters in
                try .json(await routes.balance(of: try await routes.account(parameters["account"], asked)))
            }
        ),
        (
            "GET /v1/ledger/accounts/{account}/history",
            { routes, asked, parameters in
                let account = try await routes.account(parameters["account"], asked)
                let limit = min(try parameters.integer("limit") ?? 50, 1000)
                let rows = try await routes.coordinator.history(
                    of: account.id, before: try parameters.sequence("before"),
                    limit: limit)
                let lines = rows.compactMap { row in
                    (try? LedgerRecord(decoding: row.bytes)).flatMap { HistoryBody.Line($0, for: account.id) }
                }
                return try .json(
                    HistoryBody(
                        account: account.id, lines: lines, next: rows.count == limit ? rows.last?.sequence : nil))
            }
        ),
        (
            "GET /v1/receipts/{attempt}/proof",
            { routes, asked, parameters in
                let id = try attempt(parameters)
                var answer = CarrierResponse.text("")
                answer.body = try await routes.coordinator.proof(of: id, for: asked.principal).encoded
                return answer
            }
        ),
        (
            "GET /v1/ledger/entries/{bundle}",
            { routes, _, parameters in
                guard let number = UInt64(parameters["bundle"]), String(number) == parameters["bundle"] else {
                    let found = parameters["bundle"].prefix(40)
                    throw Problem(400, "bad_bundle", "a bundle is named by its number from 0, found `\(found)`")
                }
                return .bytes(try await routes.coordinator.entries(ofBundle: number))
            }
        ),
        (
            "GET /v1/receipts/{attempt}",
            { routes, asked, parameters in
                let id = try attempt(parameters)
                let (attempt, document) = try await routes.coordinator.receipt(of: id, for: asked.principal)
                return try .json(
                    ReceiptBody(
                        attempt: id, receipt: Base64Bytes(document.bytes), paid: attempt.paid, payee: attempt.payee))
            }
        ),
        (
            "POST /v1/ledger/grants",
            { routes, asked, _ in
                let body = try Wire.decode(GrantBody.self, from: asked.request.body)
                let account = try await routes.account(body.account, asked)
                return try .json(
                    BalanceBody(
                        try await routes.coordinator.grant(
                            body.credits, to: account.id, reason: body.reason, by: asked.principal,
                            authorisation: try asked.authorisation())),
                    status: 201)
            }
        ),
        (
            "GET /v1/ledger/audit",
            { routes, asked, parameters in
                let report = try await routes.coordinator.audit(
                    since: try parameters.sequence("since"),
                    verifiesRequests: parameters.text("signatures") != "0")
                return CarrierResponse(
                    status: 200, headers: ["content-type": "application/json"], body: Array(report.json.compact.utf8))
            }
        ),
    ]

    private static func attempt(_ parameters: RouteParameters) throws(Problem) -> AttemptID {
        guard let id = try? AttemptID(parameters["attempt"]) else {
            let found = parameters["attempt"].prefix(80)
            throw Problem(400, "bad_attempt", "an attempt reads JOB.TASK.TOKEN, found `\(found)`")
        }
        return id
    }

    private func set(
        _ standing: NodeRow.Standing, _ asked: AuthenticatedRequest, _ parameters: RouteParameters
    ) async throws -> CarrierResponse {
        try .json(NodeBody(try await coordinator.set(standing, of: parameters["node"], by: asked.principal)))
    }

    /// `self` is the asker's own account.
    func account(_ reference: String, _ asked: AuthenticatedRequest) async throws -> Account {
        if reference == "self" { return try await coordinator.account(asked.principal.account) }
        return try await coordinator.account(named: reference, for: asked.principal)
    }
}

extension NodeBody {
    init(_ status: Coordinator.NodeStatus) {
        self.init(
            row: status.row, owner: status.ownerName, liveness: status.liveness, allowance: status.allowance,
            closed: status.whyClosed, leases: status.leases)
        trust = status.trust
        guard !status.reputation.isEmpty else { return }
        reputation = status.reputation.sorted { $0.key < $1.key }.map { ReputationBody($0, $1) }
    }
}

extension ReputationBody {
    fileprivate init(_ capability: CapabilityClass, _ account: ReputationAccount) {
        self.init(
            capability: capability.rawValue, earned: account.trust, expectation: account.expectation,
            good: account.good, bad: account.bad, goodHalfLife: Evidence.goodHalfLife,
            badHalfLife: Evidence.badHalfLife,
            kinds: Evidence.Verdict.allCases.compactMap { verdict in
                account.counts[verdict].map {
                    Kind(
                        verdict: verdict.rawValue, count: $0, good: verdict.weights.good, bad: verdict.weights.bad)
                }
            }, validInARow: account.validInARow, chanceOfCopy: account.chanceOfCopy, asOf: account.asOf,
            advice: account.advice)
    }
}

extension BalanceBody {
    init(_ account: Account) {
        self.init(
            account: account.id, kind: account.kind.description, balance: account.balance,
            available: account.available, pending: Credits(micro: account.counters.debitsPending))
    }
}

extension HistoryBody.Line {
    /// A record as one side sees it; nil for records that move nothing.
    init?(_ record: LedgerRecord, for account: AccountID) {
        guard let transfer = record.transfer else { return nil }
        let gained = transfer.credit == account
        let amount = Credits(micro: gained ? transfer.amount.micro : -transfer.amount.micro)
        let isReserved = transfer.kind == .pending
        self.init(
            sequence: record.sequence, at: record.time, kind: transfer.kind.description,
            amount: isReserved ? .zero : amount, reserved: isReserved ? amount : nil,
            transfer: transfer.id, other: gained ? transfer.debit : transfer.credit,
            subject: record.subject.description,
            evidence: record.evidence == .zero ? nil : record.evidence)
    }
}
