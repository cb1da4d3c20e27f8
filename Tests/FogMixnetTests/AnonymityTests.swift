import FogCore
import FogMixnet
import Foundation
import Testing

/// The real delay queue and draw, under a clock that a test turns.
@Suite("Anonymity")
struct AnonymityTests {
    /// Entropies of an independent simulation of the same network: the means of eight seeds, 24 targets each.
    @Test("entropy is that of an independent simulation", arguments: [(1, 3.12), (3, 5.78), (5, 6.36)])
    func entropy(layers: Int, wanted: Double) throws {
        let found = try MixTrace(layers: layers).entropy(targets: 64, seed: UInt64(layers))
        #expect(abs(found - wanted) < 0.3, "\(found) bits")
    }

    @Test("cover gives three bits and more at little traffic, and a queue in order of arrival gives none of them")
    func cover() throws {
        let covered = try MixTrace().entropy(targets: 32, seed: 4)
        let bare = try MixTrace(rate: 0.2).entropy(targets: 32, seed: 4)
        #expect(covered - bare >= 3, "\(covered) and \(bare) bits")
        // First in, first out: all stay equally long, and the watcher knows how long.
        let mean = 0.05
        let ordered = MixTrace(control: { mean }, hazard: { abs($0 - mean) < 1e-6 ? 1 : 0 })
        let control = try ordered.entropy(targets: 32, seed: 4)
        #expect(control - bare < 3 && control < 0.1, "\(control) bits")
    }

    @Test("departures of a mix are a Poisson process, like its arrivals")
    func departures() throws {
        let draw = DelayDraw(output: try DelayTests.fixed().prove([1]).output)
        var (chance, queue) = (SeededGenerator(seed: 6), DelayQueue<Int>())
        // 2,000 a second for 50 s; the first second fills the mix.
        var (now, times) = (0.0, [Double]())
        for number in 0..<102_000 {
            now += -log(1 - chance.unit()) / 2000 * 1e9
            while let due = queue.next, due <= Int64(now) {
                _ = queue.pop(at: due)
                times.append(Double(due))
            }
            let delay = draw.nanoseconds(of: ReplayTag(high: chance.next(), low: 1), mean: 50_000_000)
            let pushed = queue.push(number, due: Int64(now) + delay)
            #expect(pushed)
        }
        let settled = times.drop { $0 < 1e9 }
        let gaps = zip(settled, settled.dropFirst()).map { ($1 - $0) / 1e9 * 2000 }.sorted()
        #expect(gaps.count > 99_000)
        // Kolmogorov and Smirnov at p = 0.001, which leaves room for the rate that is known only from outside.
        let distance = gaps.enumerated().map { abs((Double($0) + 0.5) / Double(gaps.count) - (1 - exp(-$1))) }.max()
        #expect((distance ?? 1) < 1.95 / Double(gaps.count).squareRoot())
    }

    @Test("of 100,000 packets in two orders none is delivered twice and none is lost")
    func replays() throws {
        let set = ReplaySet()
        var numbers = Array(0..<100_000)
        var chance = SeededGenerator(seed: 7)
        let fresh = numbers.count { set.insert(ReplayTests.tag($0)) == .fresh }
        numbers.shuffle(using: &chance)
        let twice = numbers.count { set.insert(ReplayTests.tag($0)) == .fresh }
        #expect(fresh == 100_000 && twice == 0)
    }
}
