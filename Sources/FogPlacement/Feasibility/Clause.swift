/// One check that stands between a task and a node, in the order in which the checks are made.
///
/// The raw values are stable: scripts and the API switch on them.
package enum Clause: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
    /// The registry gives the node nothing new.
    case nodeState = "node_state"
    /// The machine's owner does not want work now.
    case allowance
    /// The machine's owner does not take the submitter's work.
    case submitter
    case profile
    /// The task reaches hosts, and the machine's owner lets none do so.
    case network
    case cpu, memory, disk, gpu
    /// As many tasks as the node takes at once.
    case slots
    /// One entry of `requires`.
    case requires
    case region, latency, price, trust, exclude
    /// The job has secrets, and the node's owner is neither its own nor trusted.
    case trustedOwner = "trusted_owner"
    /// The node takes no private work of the job's level.
    case privacy
    /// The key of a private job is not sealed to the node.
    case sealed
    /// The node will probably leave before a task of class S or A is done.
    case availability
    /// The task failed there by the host's fault.
    case triedBefore = "tried_before"
    /// The node's owner holds another copy of the task.
    case ownerHasCopy = "owner_has_copy"

    // What stands against the shape as a whole.
    /// Fewer owners than copies.
    case needsMoreOwners = "needs_more_owners"
    case maxParallel = "max_parallel"
    case noNodes = "no_nodes"

    /// Whether it is about the shape and not about single nodes.
    package var concernsShape: Bool { self >= .needsMoreOwners }

    /// 0 for the first check.
    var position: Int {
        switch self {
        case .nodeState: 0
        case .allowance: 1
        case .submitter: 2
        case .profile: 3
        case .network: 4
        case .cpu: 5
        case .memory: 6
        case .disk: 7
        case .gpu: 8
        case .slots: 9
        case .requires: 10
        case .region: 11
        case .latency: 12
        case .price: 13
        case .trust: 14
        case .exclude: 15
        case .trustedOwner: 16
        case .privacy: 17
        case .sealed: 18
        case .availability: 19
        case .triedBefore: 20
        case .ownerHasCopy: 21
        case .needsMoreOwners: 22
        case .maxParallel: 23
        case .noNodes: 24
        }
    }

    package static func < (first: Clause, second: Clause) -> Bool { first.position < second.position }
}

/// Whether waiting can help.
package enum Permanence: String, Hashable, Sendable, Codable, CaseIterable {
    /// Not on this node as it is, however long the task waits.
    case never
    /// The node is busy, closed or away.
    case notNow = "not_now"
}

/// A check that a node fails, in words.
package struct FailedCheck: Hashable, Sendable, Codable {
    package var clause: Clause
    package var permanence: Permanence
    /// What the node has: `2GiB`, `1GiB free now`, `keyboard used 12 s ago`.
    package var found: String
    /// What the task wants: `4GiB`, `at most 50ms`.
    package var wanted: String

    package init(_ clause: Clause, _ permanence: Permanence, found: String, wanted: String) {
        self.clause = clause
        self.permanence = permanence
        self.found = found
        self.wanted = wanted
    }

    /// One clause of a sentence: `memory 2GiB, wanted 4GiB`.
    package var text: String {
        switch clause {
        case .nodeState, .allowance, .submitter, .network, .exclude, .trustedOwner, .sealed, .triedBefore,
            .ownerHasCopy:
            found
        case .requires: "\(found), wanted \(wanted)"
        case .needsMoreOwners: "owners: has \(found), needs \(wanted)"
        case .maxParallel, .noNodes: found
        default: "\(clause.rawValue) \(found), wanted \(wanted)"
        }
    }
}
