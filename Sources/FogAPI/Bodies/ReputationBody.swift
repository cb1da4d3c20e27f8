package import FogCore

/// A node's score in one class of capability, taken apart.
package struct ReputationBody: Hashable, Sendable, Codable {
    /// `cpu` or `gpu`.
    package var capability: String
    /// What its results have earned, 0 to 1; the operator's word is not in it.
    package var earned: Double
    /// How likely its next result is right.
    package var expectation: Double
    /// Evidence that is not forgotten.
    package var good: Double
    package var bad: Double
    package var goodHalfLifeSeconds: Int64
    package var badHalfLifeSeconds: Int64
    package var kinds: [Kind]
    /// Results that were borne out since the last wrong one.
    package var validInARow: Int
    /// How likely its next result is compared with another owner's, where nothing else decides.
    package var chanceOfCopy: Double
    /// When evidence last changed; nil = never.
    package var asOf: Timestamp?
    package var advice: [String]

    /// Ends of one kind, and what one of them weighs when it is new.
    package struct Kind: Hashable, Sendable, Codable {
        package var verdict: String
        package var count: Int
        package var good: Double
        package var bad: Double

        package init(verdict: String, count: Int, good: Double, bad: Double) {
            self.verdict = verdict
            self.count = count
            self.good = good
            self.bad = bad
        }
    }

    package init(
        capability: String, earned: Double, expectation: Double, good: Double, bad: Double, goodHalfLife: TimeSpan,
        badHalfLife: TimeSpan, kinds: [Kind], validInARow: Int, chanceOfCopy: Double, asOf: Timestamp?,
        advice: [String]
    ) {
        self.capability = capability
        self.earned = earned
        self.expectation = expectation
        self.good = good
        self.bad = bad
        goodHalfLifeSeconds = goodHalfLife.milliseconds / 1000
        badHalfLifeSeconds = badHalfLife.milliseconds / 1000
        self.kinds = kinds
        self.validInARow = validInARow
        self.chanceOfCopy = chanceOfCopy
        self.asOf = asOf
        self.advice = advice
    }

    enum CodingKeys: String, CodingKey {
        case capability, earned, expectation, good, bad, kinds, advice
        case goodHalfLifeSeconds = "good_half_life_seconds"
        case badHalfLifeSeconds = "bad_half_life_seconds"
        case validInARow = "valid_in_a_row"
        case chanceOfCopy = "chance_of_copy"
        case asOf = "as_of"
    }
}
