internal import FogCore

/// Which way of making children pays, learnt as the search goes: each is drawn in proportion to what its children lately
/// gained, but never less than a tenth (probability matching, Goldberg 1990).
struct OperatorCredits {
    private static let least = 0.1
    private var values = [Double](repeating: 1, count: ChildKind.usual.count)
    private var gains = [Double](repeating: 0, count: ChildKind.usual.count)
    private var uses = [Double](repeating: 0, count: ChildKind.usual.count)

    mutating func reward(_ kind: ChildKind, _ gain: Double) {
        guard kind.rawValue < values.count else { return }
        gains[kind.rawValue] += gain
        uses[kind.rawValue] += 1
    }

    /// At the end of a generation.
    mutating func settle() {
        for place in values.indices where uses[place] > 0 {
            values[place] = 0.5 * values[place] + 0.5 * gains[place] / uses[place]
        }
        gains = gains.map { _ in 0 }
        uses = gains
    }

    func draw(using generator: inout SeededGenerator) -> ChildKind {
        let sum = values.reduce(0, +)
        var draw = generator.unit()
        for kind in ChildKind.usual {
            let even = 1 / Double(values.count)
            let share =
                sum > 0 ? Self.least + (1 - Self.least * Double(values.count)) * values[kind.rawValue] / sum : even
            if draw < share { return kind }
            draw -= share
        }
        return .fresh
    }
}
