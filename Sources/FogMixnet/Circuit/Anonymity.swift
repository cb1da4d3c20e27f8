internal import FogCore

/// What the network of one consensus gives at each level, now.
///
/// The traffic is what the mixes say of the last epoch, their low median, so that few of them cannot make a network look
/// busier than it is. A level of h hops is counted as h layers of their own that share the traffic, which is less mixing
/// than mixes do that serve several hops at once: what is reported is rather too little than too much.
package struct Anonymity: Hashable, Sendable {
    /// The effective set that a level promises at least, in a live network.
    package static func floor(_ level: RouteLevel) -> Double {
        switch level {
        case .open: 0
        case .private: 8
        case .confidential: 16
        case .secret: 32
        }
    }

    /// Packets that a mix of a live network has to hold on average before it serves the level ``RouteLevel/secret``.
    package static let secretPool = 10.0

    package let kind: NetworkParameters.Kind
    /// Packets a second that arrive at a mix.
    package let traffic: Double
    /// Packets that a mix holds on average.
    package let pool: Double
    package let levels: [RouteLevel: AnonymityEstimate]

    package init(_ consensus: Consensus, using generator: inout some RandomNumberGenerator) {
        let mixes = consensus.nodes.filter { $0.layer != nil }
        let told = mixes.map { Double($0.descriptor.traffic) }.sorted()
        let traffic = told.isEmpty ? 0 : told[(told.count - 1) / 2]
        let width = (0..<consensus.parameters.layers).map { consensus.layer($0).count }.min() ?? 0
        let delay = consensus.parameters.meanDelay.seconds
        var levels: [RouteLevel: AnonymityEstimate] = [:]
        for level in RouteLevel.allCases {
            guard traffic > 0, width > 0 else {
                levels[level] = AnonymityEstimate(entropy: 0, meanPool: 0)
                continue
            }
            // All arrivals together, by the hops that each packet makes.
            let entering = traffic * Double(width * consensus.parameters.layers) / Double(level.hops)
            levels[level] = .simulate(
                arrivals: entering, layers: level.hops, width: width, delay: delay, targets: 6, using: &generator)
        }
        kind = consensus.parameters.kind
        self.traffic = traffic
        pool = traffic * delay
        self.levels = levels
    }

    /// Why packets of a level are not to be sent now; nil when they may be. A test network refuses nothing: it promises
    /// nothing.
    package func refusal(of level: RouteLevel) -> MixnetFailure? {
        guard kind == .live, let estimate = levels[level] else { return nil }
        let floor = Self.floor(level)
        guard estimate.effectiveSet >= floor || floor == 0 else {
            return MixnetFailure(
                "set_too_small",
                "level \(level) would hide a packet among \(Self.rounded(estimate.effectiveSet)), wanted \(floor): "
                    + "the network has too little traffic now")
        }
        guard level < .secret || pool >= Self.secretPool else {
            return MixnetFailure(
                "set_too_small",
                "a mix holds \(Self.rounded(pool)) packets on average, wanted \(Self.secretPool) for level \(level)")
        }
        return nil
    }

    private static func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}
