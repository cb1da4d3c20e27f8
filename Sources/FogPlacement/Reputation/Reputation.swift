package import FogCore

/// What a machine is judged by apart: results of its processors, and of its accelerators.
package enum CapabilityClass: String, Hashable, Sendable, Comparable, CaseIterable, Codable {
    case cpu, gpu

    package init(of demand: ResourceRequest) { self = demand.gpu > 0 ? .gpu : .cpu }

    package static func < (first: CapabilityClass, second: CapabilityClass) -> Bool {
        first.rawValue < second.rawValue
    }
}

/// What is known of one machine's results in one class of capability.
package struct Reputation: Hashable, Sendable {
    package struct Key: Hashable, Sendable, Comparable {
        package var node: NodeID
        package var capability: CapabilityClass

        package init(node: NodeID, capability: CapabilityClass) {
            self.node = node
            self.capability = capability
        }

        package static func < (first: Key, second: Key) -> Bool {
            (first.node, first.capability) < (second.node, second.capability)
        }
    }

    /// As it was at ``asOf``.
    package private(set) var evidence: Evidence
    package private(set) var asOf: Timestamp
    /// Results that others bore out since the last that was wrong: by these a node is replicated ever less.
    package private(set) var validInARow: Int
    /// Ends of each kind, ever; nothing of it fades.
    package private(set) var counts: [Evidence.Verdict: Int]

    package init(
        evidence: Evidence = Evidence(), asOf: Timestamp, validInARow: Int = 0, counts: [Evidence.Verdict: Int] = [:]
    ) {
        self.evidence = evidence
        self.asOf = asOf
        self.validInARow = max(0, validInARow)
        self.counts = counts.filter { $0.value > 0 }
    }

    package mutating func add(_ verdict: Evidence.Verdict, at now: Timestamp) {
        counts[verdict, default: 0] += 1
        switch verdict {
        case .valid, .audited: validInARow += 1
        case .invalid, .auditFailed, .mixCheat: validInARow = 0
        case .late, .lost, .faulty, .mixLossy: break
        // They weigh nothing, so nothing has to fade to this moment.
        case .preempted, .unjudged: return
        }
        evidence = evidence(at: now)
        // A clock that was set back makes nothing younger.
        asOf = max(asOf, now)
        evidence.add(verdict)
    }

    /// What of it is not forgotten.
    package func evidence(at now: Timestamp) -> Evidence { evidence.faded(over: now - asOf) }

    /// What one may count on, 0...1.
    package func trust(at now: Timestamp) -> Double { evidence(at: now).trust }

    /// Of a machine of which nothing is known.
    package static let newcomer = Evidence().trust
}

/// A score taken apart, for whoever asks why it is what it is.
package struct ReputationAccount: Hashable, Sendable {
    package var trust: Double
    package var expectation: Double
    /// After what has faded.
    package var good: Double
    package var bad: Double
    package var validInARow: Int
    /// How likely its next result is compared with another owner's, before the class of the job is looked at.
    package var chanceOfCopy: Double
    package var counts: [Evidence.Verdict: Int]
    /// The last end that weighed anything.
    package var asOf: Timestamp?
    /// One sentence each.
    package var advice: [String]

    /// - Parameter reputation: nil for a machine of which nothing is known.
    package init(of reputation: Reputation?, at now: Timestamp) {
        let evidence = reputation?.evidence(at: now) ?? Evidence()
        trust = evidence.trust
        expectation = evidence.expectation
        good = evidence.good
        bad = evidence.bad
        validInARow = reputation?.validInARow ?? 0
        chanceOfCopy = Replication.chance(validInARow: validInARow)
        counts = reputation?.counts ?? [:]
        asOf = good + bad > 0 ? reputation?.asOf : nil
        advice = Self.advice(evidence, validInARow: validInARow)
    }

    /// What would raise the score, and by how much.
    private static func advice(_ evidence: Evidence, validInARow: Int) -> [String] {
        var advice: [String] = []
        var next = evidence
        for count in 1...50 {
            next.add(.valid)
            if count == 10 || count == 50 {
                advice.append(
                    "\(count) more results that others bear out raise it to \(Feasibility.decimal(next.trust))")
            }
        }
        if validInARow < Replication.provenAfter {
            advice.append(
                "after \(Replication.provenAfter - validInARow) more right results in a row, fewer are compared")
        }
        if evidence.bad >= 0.05 {
            let later = evidence.faded(over: Evidence.badHalfLife)
            advice.append(
                "of the bad \(Feasibility.decimal(evidence.bad)), half is forgotten in \(Evidence.badHalfLife.brief), "
                    + "when \(Feasibility.decimal(later.bad)) is left")
        }
        return advice
    }
}
