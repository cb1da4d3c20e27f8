internal import FogAPI
internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import FogNet
internal import FogStore

extension Routes {
    /// What only operators ask.
    static let operatorRoutes: [(String, Handler)] = [
        (
            "POST /v1/housekeeping",
            { routes, asked, _ in
                let body = try Wire.decode(HousekeepingRequest.self, from: asked.request.body)
                let found = try await routes.coordinator.keepHouse(isDryRun: body.dryRun, by: asked.principal)
                return try .json(HousekeepingBody(found, dryRun: body.dryRun))
            }
        ),
        (
            "POST /v1/nodes/{node}/labels",
            { routes, asked, parameters in
                let body = try Wire.decode(LabelBody.self, from: asked.request.body)
                return try .json(
                    NodeBody(
                        try await routes.coordinator.label(parameters["node"], body.labels, by: asked.principal)))
            }
        ),
        ("POST /v1/nodes/{node}/trust", { try await $0.trust(true, $1, $2) }),
        ("POST /v1/nodes/{node}/distrust", { try await $0.trust(false, $1, $2) }),
        (
            "GET /v1/overview",
            { routes, asked, _ in try .json(OverviewBody(await routes.coordinator.overview(for: asked.principal))) }
        ),
        (
            "POST /v1/worker/leave",
            { routes, asked, _ in
                try .json(NodeBody(try await routes.coordinator.leave(from: asked.principal.key.id)))
            }
        ),
    ]

    private func trust(
        _ isTrusted: Bool, _ asked: AuthenticatedRequest, _ parameters: RouteParameters
    ) async throws -> CarrierResponse {
        try .json(NodeBody(try await coordinator.trust(isTrusted, parameters["node"], by: asked.principal)))
    }
}

extension OverviewBody {
    init(_ overview: Overview) {
        self.init(
            time: overview.time, granted: overview.granted, accepted: overview.accepted,
            queues: overview.queues.map {
                Queue(account: $0.account, name: $0.name, jobs: $0.jobs, held: $0.held, counts: $0.tasks)
            },
            running: overview.running.map {
                Running(
                    attempt: $0.attempt, job: $0.jobName, account: $0.account, node: $0.node, state: $0.state,
                    since: $0.since)
            }, leases: overview.leases)
    }
}

extension HousekeepingBody {
    init(_ found: Housekeeping, dryRun: Bool) {
        self.init(
            dryRun: dryRun, jobs: found.rows.jobs, tasks: found.rows.tasks, attempts: found.rows.attempts,
            events: found.rows.events,
            logs: Amount(count: found.rows.logs + found.logs.count, bytes: found.rows.logBytes + found.logs.bytes),
            blobs: Amount(count: found.rows.blobs, bytes: found.rows.blobBytes), uploads: Amount(found.uploads),
            strays: Amount(found.strays))
    }
}

extension HousekeepingBody.Amount {
    fileprivate init(_ amount: Housekeeping.Amount) { self.init(count: amount.count, bytes: amount.bytes) }
}
