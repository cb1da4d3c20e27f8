import FogCore

/// Virtual time and a network without mercy, from one seed.
final class World {
    private struct Entry {
        let at: Int64
        let order: Int
        let action: () -> Void
    }

    /// How bad the network is. Everything heals at ``healsAt``.
    struct Weather {
        var loss = 0.1
        var duplication = 0.1
        var delay: ClosedRange<Int64> = 1...400
        /// Some messages take far longer, so that they overtake nothing and are overtaken by much.
        var late = 0.03
        var lateDelay: ClosedRange<Int64> = 1_000...150_000
    }

    var random: SeededGenerator
    private(set) var time: Int64 = 0
    let weather: Weather
    let healsAt: Int64
    /// Machines that no message reaches for the moment.
    var cutOff: Set<Int> = []
    private var heap: [Entry] = []
    private var count = 0
    private(set) var violations: [String] = []

    init(seed: UInt64, weather: Weather = Weather(), healsAt: TimeSpan) {
        random = SeededGenerator(seed: seed)
        self.weather = weather
        self.healsAt = healsAt.milliseconds
    }

    /// Nothing goes wrong before this is set.
    var isInTrouble = false
    var isHealed: Bool { time >= healsAt }

    /// What happened how often: a simulation in which nothing happens proves nothing.
    private(set) var seen: [String: Int] = [:]
    func saw(_ what: String) { seen[what, default: 0] += 1 }

    func violated(_ words: String) {
        if violations.count < 20 { violations.append("at \(TimeSpan(milliseconds: time).brief): \(words)") }
    }

    // MARK: Time

    func after(_ milliseconds: Int64, _ action: @escaping () -> Void) {
        count += 1
        heap.append(Entry(at: time + max(0, milliseconds), order: count, action: action))
        var child = heap.count - 1
        while child > 0, isBefore(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// One event; false when there is none before the time.
    func step(until end: Int64) -> Bool {
        guard let first = heap.first, first.at <= end else { return false }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isBefore(child, least) {
                least = child
            }
            if least == parent { break }
            heap.swapAt(least, parent)
            parent = least
        }
        time = first.at
        first.action()
        return true
    }

    private func isBefore(_ first: Int, _ second: Int) -> Bool {
        (heap[first].at, heap[first].order) < (heap[second].at, heap[second].order)
    }

    // MARK: Chance

    func chance(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &random) < share }
    func draw(_ range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &random) }
    func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

    // MARK: Network

    /// Brings a message from or to a machine: perhaps never, perhaps twice, perhaps much later.
    func carry(_ machine: Int, _ deliver: @escaping () -> Void) {
        if isHealed { return after(draw(1...20), deliver) }
        guard !cutOff.contains(machine) else { return }
        if !chance(weather.loss) { after(delay, deliver) }
        if chance(weather.duplication) { after(delay, deliver) }
    }

    private var delay: Int64 { draw(chance(weather.late) ? weather.lateDelay : weather.delay) }
}
