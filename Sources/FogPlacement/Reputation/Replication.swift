package import FogCore

/// How often a task is run to be sure of its result.
package enum Replication {
    /// How likely two wrong results of strangers are alike.
    package static let collusion = 0.05
    /// However long a node's record is, so often it is looked at.
    package static let leastChance = 0.02
    /// Valid results in a row after which a node is replicated by chance only.
    package static let provenAfter = 10

    /// How likely a wrong result may be accepted, at most.
    package static func allowedError(_ sla: SLAClass) -> Double {
        switch sla {
        case .s: 1e-4
        case .a: 1e-3
        case .b: 1e-2
        }
    }

    /// How likely a task is run by others too, by the valid results in a row of its node (BOINC's adaptive replication).
    package static func chance(validInARow: Int) -> Double {
        validInARow < provenAfter ? 1 : 1 / Double(validInARow)
    }

    /// The fewest copies of a task after which all are wrong, and alike, with no more than the error allowed.
    ///
    /// - Parameters:
    ///   - trusts: of the nodes that may run it; the best are taken first.
    ///   - areRelated: nodes of one owner or address block err alike.
    /// - Returns: the copies, nil when all together do not suffice; and the error that is left.
    package static func copies(
        _ sla: SLAClass, trusts: [Double], areRelated: Bool
    ) -> (count: Int?, error: Double) {
        let bound = allowedError(sla) * (1 + 1e-9)
        var error = 1.0
        for (place, trust) in trusts.sorted(by: >).enumerated() {
            error *= (1 - trust) * (place == 0 || areRelated ? 1 : collusion)
            if error <= bound { return (place + 1, error) }
        }
        return (nil, error)
    }

    /// How likely equal results are all wrong, and alike.
    ///
    /// - Parameter trusts: one of each owner, or of each group of owners that count as one.
    package static func error(trusts: [Double]) -> Double {
        trusts.enumerated().reduce(1) { error, entry in
            error * (1 - max(0, min(1, entry.element))) * (entry.offset == 0 ? 1 : collusion)
        }
    }

    /// The least stake with which cheating does not pay: what one bad result gains, against what is lost when it is found.
    /// - Parameter detection: how likely it is found, above 0.
    package static func leastStake(gain: Double, detection: Double) -> Double {
        precondition(detection > 0 && detection <= 1, "cheating is found with a chance above 0, at most 1")
        return gain * (1 - detection) / detection
    }
}
