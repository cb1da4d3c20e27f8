internal import FogAPI
internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import FogNet

extension Routes {
    /// How a worker's requests become cheap to sign, and what it is granted evidence.
    static let linkRoutes: [(String, Handler)] = [
        (
            "POST \(WorkerRoutes.link)",
            { routes, asked, _ in
                let body = try Wire.decode(LinkRequest.self, from: asked.request.body)
                return try .json(try routes.authentication.links.open(body, for: asked.principal.key), status: 201)
            }
        )
    ]

    /// A poll's leases, signed together; a worker of protocol 1 gets them bare.
    func answer(_ answer: PollAnswer, to asked: AuthenticatedRequest) throws -> CarrierResponse {
        guard try ProtocolVersion.of(asked.request) > 1 else { return try .json(answer) }
        guard !answer.leases.isEmpty else { return try .json(LeaseAnswer(granted: nil)) }
        return try .json(
            LeaseAnswer(granted: try authentication.signed(answer.leases, to: asked.principal.key)))
    }
}
