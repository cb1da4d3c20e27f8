import FogCore
import FogMixnet
import Foundation

/// What somebody who watches all links can say of one packet, when layers of real delay queues stand between.
///
/// Clients send as a Poisson process; packets go to a random mix of each layer. Each mix has a real ``DelayQueue`` and
/// takes its delays from a real ``DelayDraw`` (or from what a control puts in its place). The watcher knows every
/// arrival and departure and how long packets stay; for each departure it weighs the arrivals that may be it by the
/// hazard of their age. Exponential delays forget their age, so all weigh alike; a queue whose order can be foreseen gives
/// itself away.
struct MixTrace {
    var clients = 50.0
    /// Packets a second of each client, real and cover, which look alike.
    var rate = 4.0
    var layers = 3
    let mixes = 3
    var mean = 0.05
    /// Seconds that a packet stays; nil for the mix's own draw.
    var control: (() -> Double)?
    /// Of a packet that is so many seconds old, to leave within the next instant, up to a factor.
    var hazard: (Double) -> Double = { _ in 1 }

    private struct Packet {
        /// The chance that it is the target, to the watcher.
        var mass: Double
        var isTarget = false
    }
    /// Arrivals that the watcher thinks may still be inside, and how surely.
    private struct Candidate {
        let time: Double
        let mass: Double
        var presence = 1.0
    }
    private struct Mix {
        var queue = DelayQueue<Packet>()
        var candidates: [Candidate] = []
        let draw: DelayDraw
    }

    /// Entropy, in bits, over where one target came out; the mean of so many targets.
    func entropy(targets: Int, seed: UInt64) throws -> Double {
        var chance = SeededGenerator(seed: seed)
        var sum = 0.0
        for _ in 0..<targets { sum += try one(&chance) }
        return sum / Double(targets)
    }

    private func one(_ chance: inout SeededGenerator) throws -> Double {
        let second = 1e9
        let key = try DelayTests.fixed()
        var network = (0..<layers * mixes).map { Mix(draw: DelayDraw(output: key.prove([UInt8($0)]).output)) }
        let start = max(3, mean * 60)
        let last = start + mean * 8 + Double(layers) * mean * 10
        var (nextArrival, sent, out) = (0.0, false, [Double]())
        var (targetOut, isInside) = (Double.infinity, true)
        while true {
            let (place, due) = earliest(network)
            let now = min(due, sent ? nextArrival : min(nextArrival, start))
            if now == .infinity || now > last && !isInside && now > targetOut + mean * 12 * Double(layers) { break }
            if now == due {
                guard let packet = network[place].queue.pop(at: Int64(now * second) + 1) else { break }
                let mass = leave(&network[place], at: now)
                if place / mixes + 1 < layers {
                    let next = (place / mixes + 1) * mixes + Int(chance.next() % UInt64(mixes))
                    arrive(&network[next], Packet(mass: mass, isTarget: packet.isTarget), at: now, &chance)
                } else {
                    if mass > 0 { out.append(mass) }
                    if packet.isTarget { (targetOut, isInside) = (now, false) }
                }
            } else {
                let isTarget = !sent && start <= nextArrival
                if isTarget { sent = true } else { nextArrival += -log(1 - chance.unit()) / (clients * rate) }
                if nextArrival > last { nextArrival = .infinity }
                arrive(
                    &network[Int(chance.next() % UInt64(mixes))], Packet(mass: isTarget ? 1 : 0, isTarget: isTarget),
                    at: now, &chance)
            }
        }
        let total = out.reduce(0, +)
        return out.reduce(0) { $0 - $1 / total * log2($1 / total) }
    }

    private func earliest(_ network: [Mix]) -> (place: Int, due: Double) {
        var best = (place: 0, due: Double.infinity)
        for place in network.indices {
            if let next = network[place].queue.next, Double(next) / 1e9 < best.due {
                best = (place, Double(next) / 1e9)
            }
        }
        return best
    }

    private func arrive(_ mix: inout Mix, _ packet: Packet, at now: Double, _ chance: inout SeededGenerator) {
        let tag = ReplayTag(high: chance.next(), low: chance.next())
        let delay = control.map { Int64($0() * 1e9) } ?? mix.draw.nanoseconds(of: tag, mean: Int64(mean * 1e9))
        _ = mix.queue.push(packet, due: Int64(now * 1e9) + delay)
        mix.candidates.append(Candidate(time: now, mass: packet.mass))
    }

    /// The chance, to the watcher, that what leaves now is the target.
    private func leave(_ mix: inout Mix, at now: Double) -> Double {
        let weights = mix.candidates.map { $0.presence * hazard(now - $0.time) }
        let sum = weights.reduce(0, +)
        guard sum > 0 else { return 0 }
        var mass = 0.0
        for index in weights.indices {
            let share = weights[index] / sum
            mass += share * mix.candidates[index].mass
            mix.candidates[index].presence = max(0, mix.candidates[index].presence - share)
        }
        // What has surely left, and was never the target, weighs no more.
        mix.candidates.removeAll { $0.presence < 1e-9 || $0.mass == 0 && $0.presence < 1e-4 }
        return mass
    }
}
