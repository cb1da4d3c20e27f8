internal import FogAPI
internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import FogPlacement

extension Routes {
    /// How and why tasks are placed.
    static let placementRoutes: [(String, Handler)] = [
        (
            "GET /v1/jobs/{job}/decisions",
            { routes, asked, parameters in
                let job = try await routes.coordinator.find(parameters["job"], for: asked.principal)
                let decisions = try await routes.coordinator.decisions(of: job.id, for: asked.principal)
                return try .json(DecisionListBody(decisions: decisions.map(DecisionBody.init)))
            }
        ),
        (
            "GET /v1/jobs/{job}/nodes/{node}",
            { routes, asked, parameters in
                let job = try await routes.coordinator.find(parameters["job"], for: asked.principal)
                let (node, steps) = try await routes.coordinator.whyNot(
                    job.id, node: parameters["node"], for: asked.principal)
                return try .json(WhyNotBody(node: node, steps: steps.map { WhyNotBody.Step($0.step, $0.judgement) }))
            }
        ),
    ]
}

extension OfferBody {
    init(_ offer: PlacementDecision.Offer) {
        self.init(node: offer.name, objectives: offer.objectives, adjusted: offer.adjusted, regret: offer.regret)
    }
}

extension DecisionBody {
    init(_ decision: PlacementDecision) {
        self.init(
            step: decision.shape.step, at: decision.at.description, strategy: decision.strategy.rawValue,
            method: decision.method.rawValue, seed: String(decision.seed), weights: decision.weights?.values ?? [],
            placed: decision.placed, unplaced: decision.unplaced,
            shares: decision.shares.map { Share(node: $0.name, tasks: $0.tasks) },
            offers: decision.offers.map(OfferBody.init), nodeCount: decision.nodeCount,
            candidates: decision.candidates,
            reasons: decision.reasons.map {
                ExplanationBody.Count(clause: $0.clause.rawValue, label: $0.label, nodes: $0.nodes)
            },
            together: decision.together, front: decision.front,
            chosen: decision.front.isEmpty ? nil : decision.chosen)
    }
}

extension WhyNotBody.Step {
    init(_ step: String, _ judgement: NodeJudgement) {
        self.init(
            step: step, failed: judgement.failed.map(\.text), advice: judgement.advice.text, rank: judgement.rank,
            candidates: judgement.candidates, offer: judgement.offer.map(OfferBody.init),
            best: judgement.best.map(OfferBody.init))
    }
}
