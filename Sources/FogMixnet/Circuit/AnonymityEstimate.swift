internal import FogCore

#if canImport(Glibc)
    internal import Glibc
#endif

/// What a network of layers hides from somebody who sees all its links: the entropy of *which of the packets that come out
/// is the one that went in*, by simulation.
///
/// Packets arrive at the first layer as a Poisson process, each mix holds each for an exponential time and passes it to a
/// mix of the next layer at random. Such delays forget how long they have lasted, so of k packets in a mix each is equally
/// likely to leave next: it takes 1/k of the probability that the mix holds.
package struct AnonymityEstimate: Hashable, Sendable {
    /// Shannon's, in bits.
    package let entropy: Double
    /// 2 to the entropy: among how many a packet is hidden.
    package let effectiveSet: Double
    /// Packets that a mix holds, on average.
    package let meanPool: Double

    package init(entropy: Double, meanPool: Double) {
        self.entropy = entropy
        effectiveSet = exp2(entropy)
        self.meanPool = meanPool
    }

    /// Packets that one simulation follows at most: a network that is larger hides more than is then reported.
    private static let eventsLimit = 400_000

    private enum Event {
        case arrival(layer: Int, mix: Int, probability: Double, isTarget: Bool)
        case departure(layer: Int, mix: Int, isTarget: Bool)
    }

    /// - Parameters:
    ///   - arrivals: packets a second that enter the first layer, all mixes together.
    ///   - width: mixes of a layer.
    ///   - delay: seconds that a mix holds a packet, on average.
    ///   - targets: packets that are followed; the result is their mean.
    package static func simulate(
        arrivals: Double, layers: Int, width: Int, delay: Double, targets: Int = 12,
        using generator: inout some RandomNumberGenerator
    ) -> AnonymityEstimate {
        precondition(arrivals > 0 && layers > 0 && width > 0 && delay > 0 && targets > 0, "a network has traffic")
        let sum = (0..<targets).reduce(0.0) { sum, _ in
            sum + follow(arrivals, layers, width, delay, &generator)
        }
        return AnonymityEstimate(entropy: sum / Double(targets), meanPool: arrivals / Double(width) * delay)
    }

    /// The entropy of one packet.
    private static func follow(
        _ arrivals: Double, _ layers: Int, _ width: Int, _ delay: Double, _ generator: inout some RandomNumberGenerator
    ) -> Double {
        func exponential(_ mean: Double, _ generator: inout some RandomNumberGenerator) -> Double {
            -mean * log(1 - Double.random(in: 0..<1, using: &generator))
        }
        let warmUp = 8 * delay * Double(layers)
        var queue = EventQueue<Double, Event>()
        var time = exponential(1 / arrivals, &generator)
        func mix(_ generator: inout some RandomNumberGenerator) -> Int { Int.random(in: 0..<width, using: &generator) }
        queue.push(.arrival(layer: 0, mix: mix(&generator), probability: 0, isTarget: false), at: time)
        queue.push(.arrival(layer: 0, mix: mix(&generator), probability: 1, isTarget: true), at: warmUp)
        var counts = [[Int]](repeating: [Int](repeating: 0, count: width), count: layers)
        var masses = [[Double]](repeating: [Double](repeating: 0, count: width), count: layers)
        var outcomes: [Double] = []
        var end = Double.infinity
        var events = 0
        while let (now, event) = queue.pop(), now < end, events < eventsLimit {
            events += 1
            switch event {
            case .arrival(let layer, let place, let probability, let isTarget):
                if layer == 0, !isTarget {
                    time += exponential(1 / arrivals, &generator)
                    queue.push(.arrival(layer: 0, mix: mix(&generator), probability: 0, isTarget: false), at: time)
                }
                counts[layer][place] += 1
                masses[layer][place] += probability
                queue.push(
                    .departure(layer: layer, mix: place, isTarget: isTarget), at: now + exponential(delay, &generator))
            case .departure(let layer, let place, let isTarget):
                let share = masses[layer][place] / Double(counts[layer][place])
                counts[layer][place] -= 1
                masses[layer][place] -= share
                if layer + 1 < layers {
                    // In the next layer at once: what arrives there is not drawn anew.
                    let next = mix(&generator)
                    counts[layer + 1][next] += 1
                    masses[layer + 1][next] += share
                    queue.push(
                        .departure(layer: layer + 1, mix: next, isTarget: isTarget),
                        at: now + exponential(delay, &generator))
                } else {
                    if share > 0 { outcomes.append(share) }
                    if isTarget { end = now + 8 * delay * Double(layers) }
                }
            }
        }
        let total = outcomes.reduce(0, +)
        guard total > 0 else { return 0 }
        return outcomes.reduce(0) { $0 - $1 / total * log2($1 / total) }
    }
}
