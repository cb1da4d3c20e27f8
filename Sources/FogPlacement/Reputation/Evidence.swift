package import FogCore
internal import Glibc

/// What is known of how a node's results were: the parameters of a Beta distribution (Jøsang and Ismail 2002), of which
/// old ones fade.
package struct Evidence: Hashable, Sendable, Codable {
    /// How a result was judged.
    package enum Verdict: String, Sendable, CaseIterable, Codable {
        /// Equal to that of others.
        case valid
        /// Checked against a known answer.
        case audited
        case late
        /// The node went silent with it.
        case lost
        case invalid
        case auditFailed = "audit_failed"
        /// The machine could not bring the task to run, or its result back.
        case faulty
        /// A mix of the machine's owner does not keep to the delays that it owes.
        case mixCheat = "mix_cheat"
        /// A mix of the machine's owner lets fewer packets through than the others.
        case mixLossy = "mix_lossy"
        /// The owner wanted the machine back: no fault of anybody.
        case preempted
        /// A result that nobody checked, or an end that says nothing of the machine.
        case unjudged

        /// How much it speaks for the node, and against.
        package var weights: (good: Double, bad: Double) {
            switch self {
            case .valid: (1, 0)
            case .audited: (2, 0)
            case .late, .faulty: (0, 0.5)
            case .lost, .mixLossy: (0, 1)
            case .invalid, .mixCheat: (0, 4)
            case .auditFailed: (0, 10)
            case .preempted, .unjudged: (0, 0)
            }
        }
    }

    package var good: Double
    package var bad: Double

    /// After these times half is forgotten: the bad is remembered for longer.
    package static let goodHalfLife = TimeSpan.days(14), badHalfLife = TimeSpan.days(28)
    /// What is thought of a node of which nothing is known, and how many results that is worth.
    package static let baseRate = 0.3, priorWeight = 2.0
    /// Of the one-sided bound of 95 in a hundred.
    private static let deviations = 1.644_853_626_951_472_2

    package init(good: Double = 0, bad: Double = 0) {
        self.good = max(0, good)
        self.bad = max(0, bad)
    }

    package mutating func add(_ verdict: Verdict) {
        good += verdict.weights.good
        bad += verdict.weights.bad
    }

    /// What is left of it after a time.
    package func faded(over span: TimeSpan) -> Evidence {
        let seconds = max(0, span.seconds)
        return Evidence(
            good: good * exp2(-seconds / Self.goodHalfLife.seconds),
            bad: bad * exp2(-seconds / Self.badHalfLife.seconds))
    }

    /// How likely the next result is good.
    package var expectation: Double {
        (good + Self.priorWeight * Self.baseRate) / (good + bad + Self.priorWeight)
    }

    /// What one may count on, 0...1: the lower bound of Wilson's interval (1927) around the expectation. Few results give
    /// little trust, however good they are.
    package var trust: Double {
        let share = expectation, count = good + bad + Self.priorWeight, z = Self.deviations
        let spread = z * (share * (1 - share) / count + z * z / (4 * count * count)).squareRoot()
        return (share + z * z / (2 * count) - spread) / (1 + z * z / count)
    }
}
