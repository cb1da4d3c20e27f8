internal import FogAPI
internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import FogNet

extension Routes {
    /// What submitters of private jobs ask.
    static let privateRoutes: [(String, Handler)] = [
        (
            "POST /v1/candidates",
            { routes, asked, _ in
                let body = try Wire.decode(CandidatesRequest.self, from: asked.request.body)
                let found = try await routes.coordinator.candidates(
                    for: body.resources, region: body.region, limit: body.limit)
                return try .json(CandidatesBody(candidates: found.map(CandidatesBody.Candidate.init)))
            }
        ),
        (
            "POST /v1/jobs/{job}/keys",
            { routes, asked, parameters in
                let job = try await routes.coordinator.find(
                    parameters["job"], for: asked.principal, asking: .changeJobs)
                let body = try Wire.decode(ResealBody.self, from: asked.request.body)
                return try .json(
                    JobBody(
                        try await routes.coordinator.reseal(
                            job.id, adding: try body.keys.checked(), by: asked.principal)))
            }
        ),
    ]
}

extension CandidatesBody.Candidate {
    init(_ candidate: CoordinatorCore.Candidate) {
        var report = candidate.node.row.labelledReport
        report.statement = nil
        self.init(
            node: candidate.node.row.id, owner: candidate.owner, report: report,
            network: candidate.node.allowance?.network == true, statement: candidate.statement)
    }
}
