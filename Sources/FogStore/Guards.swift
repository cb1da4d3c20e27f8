internal import FogCore
internal import FogJobs

/// The words for a precondition that does not hold; both stores speak them.
enum Unmet {
    static func job(_ id: JobID) -> CommitResult { .exists("job \(id) is there already") }

    static func job(_ id: JobID, key: String) -> CommitResult {
        .exists("job \(id) was submitted under the idempotency key `\(key)`")
    }

    static func task(_ id: TaskID, wanted: UInt32, found: (token: UInt32, state: TaskState)?) -> String? {
        guard let found else { return wanted == 0 ? nil : "task \(id) has no row, wanted token \(wanted)" }
        if found.token != wanted { return "task \(id) has token \(found.token), wanted \(wanted)" }
        return found.state.isFinal ? "task \(id) is \(found.state.rawValue) already" : nil
    }

    static func attempt(_ id: AttemptID, isOpen: Bool?) -> String? {
        switch isOpen {
        case true?: nil
        case false?: "attempt \(id) has ended already"
        case nil: "there is no attempt \(id)"
        }
    }

    static func head(wanted: UInt64?, found: UInt64?) -> String? {
        func words(_ sequence: UInt64?) -> String { sequence.map { "record \($0)" } ?? "no record" }
        return wanted == found ? nil : "the ledger ends with \(words(found)), wanted \(words(wanted))"
    }

    static func node(_ id: NodeID, wanted: NodeRow.Standing, found: NodeRow.Standing?) -> String? {
        guard let found else { return "there is no node \(id)" }
        return found == wanted ? nil : "node \(id) is \(found.rawValue), wanted \(wanted.rawValue)"
    }

    static func invitation(wanted: Int, found: Int?) -> String? {
        guard let found else { return "there is no such invitation, or it is used up" }
        return found == wanted ? nil : "the invitation has \(found) uses left, wanted \(wanted)"
    }
}

/// The words for a change that breaks an invariant, where no trigger of the schema says them.
enum Guard {
    static func noJob(_ id: JobID) -> String { "there is no job \(id) to move" }
    static func noAttempt(_ id: AttemptID) -> String { "there is no attempt \(id) to end" }
    static func notEnded(_ id: AttemptID) -> String { "there is no ended attempt \(id) to pay" }
    static func noEnd(_ id: AttemptID) -> String { "attempt \(id) would end without a time" }
    static func notNext(_ sequence: UInt64, expected: UInt64) -> String {
        "the log goes on with record \(expected), found \(sequence)"
    }
    static let otherAccount = "an account keeps kind, unit and owner, and nothing moves once it is closed"
    static func notPending(_ id: TransferID) -> String { "there is no open pending transfer \(id)" }
}
