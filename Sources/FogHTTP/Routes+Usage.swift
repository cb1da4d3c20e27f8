internal import FogAPI
internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import FogNet

extension Routes {
    /// Who takes how much of what is bounded.
    static let usageRoutes: [(String, Handler)] = [
        (
            "GET /v1/usage",
            { routes, asked, _ in
                var body = UsageBody(await routes.coordinator.usage(of: asked.principal.account))
                let key = asked.principal.key.id
                body.openRequests = UsageBody.Amount(
                    used: Int64(routes.authentication.openRequests(of: key)),
                    limit: Int64(routes.authentication.openRequestsLimit))
                return try .json(body)
            }
        ),
        (
            "GET /v1/usage/all",
            { routes, _, _ in
                try .json(UsageListBody(accounts: await routes.coordinator.usageOfAll().map(UsageBody.init)))
            }
        ),
    ]
}

extension UsageBody {
    init(_ usage: Coordinator.Usage) {
        self.init(
            account: usage.account, name: usage.name, stored: Amount(usage.stored),
            queuedTasks: Amount(usage.queuedTasks), openJobs: Amount(usage.openJobs),
            jobsPerMinute: Amount(usage.jobsPerMinute), openRequests: nil, heldJobs: usage.heldJobs,
            closed: usage.closed)
    }
}

extension UsageBody.Amount {
    init(_ amount: Coordinator.Amount) { self.init(used: amount.used, limit: amount.limit) }
}
