package import FogCore

/// A multiplier that rises in steps with some quantity.
package struct MultiplierSteps: Hashable, Sendable {
    package struct Step: Hashable, Sendable {
        /// From this quantity on.
        package let from: Int64
        /// In 1/10,000.
        package let multiplier: UInt32

        package init(from: Int64, multiplier: UInt32) {
            self.from = from
            self.multiplier = multiplier
        }
    }

    package static let one: UInt32 = 10_000
    package static let maxSteps = 8
    /// Ten times.
    package static let maxMultiplier: UInt32 = 100_000

    /// Rising; the first from 0.
    package let steps: [Step]

    package init(_ steps: [(Int64, UInt32)]) { self.steps = steps.map { Step(from: $0.0, multiplier: $0.1) } }

    /// Always 1.
    package static let none = MultiplierSteps([(0, one)])

    /// The step that a quantity has reached.
    package func multiplier(at quantity: Int64) -> UInt32 {
        steps.last { $0.from <= quantity }?.multiplier ?? 0
    }

    var problem: String? {
        guard !steps.isEmpty, steps.count <= Self.maxSteps else {
            return "a multiplier has 1 to \(Self.maxSteps) steps, found \(steps.count)"
        }
        guard steps[0].from == 0 else { return "the first step begins at 0, found \(steps[0].from)" }
        guard zip(steps, steps.dropFirst()).allSatisfy({ $0.from < $1.from }) else { return "the steps must rise" }
        guard steps.allSatisfy({ $0.multiplier <= Self.maxMultiplier }) else {
            return "a multiplier is at most \(Self.maxMultiplier) / 10000"
        }
        return nil
    }
}

/// What was done, in the numbers that a rule weighs.
package struct RewardMeasurement: Hashable, Sendable {
    /// In the smallest parts of the rule's measure.
    package let quantity: Int64
    /// How long it took, in seconds.
    package let duration: Int64
    /// Compute: the reputation of the node in 1/10,000. Else a grade, 1 to 5.
    package let quality: Int64
    /// Compute: the millicores that were granted. Else a grade, 1 to 5.
    package let complexity: Int64

    package init(quantity: Int64, duration: Int64, quality: Int64, complexity: Int64) {
        self.quantity = quantity
        self.duration = duration
        self.quality = quality
        self.complexity = complexity
    }
}

/// One version of a rule: what is earned, for what, at most how much a day. Data in the log, never changed.
package struct RewardTerms: Hashable, Sendable {
    package let rule: RewardRule
    /// Counts from 1.
    package let version: UInt32
    /// In force from this moment until the next version's; a UTC midnight, so that a day has one limit. The first
    /// version of a rule is in force at once.
    package let from: Timestamp
    /// For one of the measure.
    package let base: Credits
    package let measure: RewardMeasure
    /// Less than this, in parts of the measure, earns nothing.
    package let minimum: Int64
    package let duration: MultiplierSteps
    package let quality: MultiplierSteps
    package let complexity: MultiplierSteps
    /// The most that one account earns by the rule in a UTC day.
    package let dailyLimit: Credits

    /// The most a rule may give for one of its measure: a million credits.
    package static let maxBase = Credits.credits(1_000_000)

    package init(
        rule: RewardRule, version: UInt32, from: Timestamp, base: Credits, measure: RewardMeasure, minimum: Int64,
        duration: MultiplierSteps = .none, quality: MultiplierSteps = .none, complexity: MultiplierSteps = .none,
        dailyLimit: Credits
    ) {
        self.rule = rule
        self.version = version
        self.from = from
        self.base = base
        self.measure = measure
        self.minimum = minimum
        self.duration = duration
        self.quality = quality
        self.complexity = complexity
        self.dailyLimit = dailyLimit
    }

    /// The three multipliers that a measurement comes to, in 1/10,000.
    package func multipliers(for done: RewardMeasurement) -> (duration: UInt32, quality: UInt32, complexity: UInt32) {
        (
            duration.multiplier(at: done.duration), quality.multiplier(at: done.quality),
            complexity.multiplier(at: done.complexity)
        )
    }

    /// base x quantity / measure x multipliers, exact and rounded down once: what falls below a micro-credit stays in
    /// the pool. Zero below the minimum; nil when it passes 2^63 - 1 micro-credits.
    package func earned(for done: RewardMeasurement) -> Credits? {
        guard done.quantity >= max(1, minimum) else { return .zero }
        let by = multipliers(for: done)
        // At most 2^40 x 2^51, so the first product fits.
        let rate = UInt128(base.micro) * UInt128(by.duration) * UInt128(by.quality) * UInt128(by.complexity)
        let divisor = UInt128(measure.parts) * 1_000_000_000_000
        let product = rate.multipliedFullWidth(by: UInt128(done.quantity))
        guard product.high < divisor else { return nil }
        guard let micro = Int64(exactly: divisor.dividingFullWidth(product).quotient) else { return nil }
        return Credits(micro: micro)
    }

    /// What is wrong with the terms themselves, or nil.
    var problem: String? {
        guard version >= 1 else { return "versions count from 1" }
        guard base.micro >= 0, base <= Self.maxBase else {
            return "the base is 0 to \(Self.maxBase) credits, found \(base)"
        }
        guard minimum >= 0 else { return "the minimum is not below 0, found \(minimum)" }
        guard dailyLimit.micro >= 0, dailyLimit.micro <= AccountKind.issuanceCap / 1024 else {
            return "the daily limit is 0 to 2^52 micro-credits, found \(dailyLimit)"
        }
        return duration.problem ?? quality.problem ?? complexity.problem
    }

    // MARK: - The first version

    /// What a new ledger begins with.
    package static let genesis: [RewardTerms] = [
        first(
            .compute, 10, .coreHour, minimum: 60_000_000_000,
            duration: MultiplierSteps([(0, 10_000), (3600, 11_000), (14_400, 12_000)]),
            quality: MultiplierSteps([(0, 10_000), (9000, 12_000)]),
            complexity: MultiplierSteps([(0, 10_000), (8000, 11_000), (32_000, 12_000)]), daily: 1000),
        first(.hosting, 5, .hour, minimum: 3600, daily: 120),
        first(.knowledge, 15, .item, quality: graded, complexity: graded, daily: 60),
        first(.governance, 3, .item, daily: 12),
        first(.agentDevelopment, 50, .item, quality: graded, complexity: graded, daily: 200),
        first(.bugReport, 20, .item, quality: graded, complexity: graded, daily: 100),
    ]

    /// Grade 1 and 2 half, 3 and 4 whole, 5 double.
    private static let graded = MultiplierSteps([(0, 5000), (3, 10_000), (5, 20_000)])

    private static func first(
        _ rule: RewardRule, _ base: Int64, _ measure: RewardMeasure, minimum: Int64 = 1,
        duration: MultiplierSteps = .none, quality: MultiplierSteps = .none, complexity: MultiplierSteps = .none,
        daily: Int64
    ) -> RewardTerms {
        RewardTerms(
            rule: rule, version: 1, from: .zero, base: .credits(base), measure: measure, minimum: minimum,
            duration: duration, quality: quality, complexity: complexity, dailyLimit: .credits(daily))
    }
}
