package import FogCore

/// An attempt that ended unpaid and may be paid yet: what another attempt of the same task must show first.
package struct UnpaidWork: Hashable, Sendable, Codable {
    package var token: UInt32
    package var payee: AccountID
    /// The machine whose receipt it is.
    package var node: NodeID?
    /// SHA-256 of its signed receipt.
    package var receipt: Digest
    /// What its use costs, never above its own price bound.
    package var price: Credits
    /// Of a core-hour, what is paid and what the owner gets of it, where the two differ.
    package var coreRate: Credits?
    package var sellerRate: Credits?
    package var grantedAt: Timestamp
    package var outcome: Outcome
    package var exitCode: Int?
    /// It was paid; stays as a witness for others that end alike.
    package var isPaid = false

    package init(
        token: UInt32, payee: AccountID, receipt: Digest, price: Credits, grantedAt: Timestamp, outcome: Outcome,
        exitCode: Int?
    ) {
        self.token = token
        self.payee = payee
        self.receipt = receipt
        self.price = price
        self.grantedAt = grantedAt
        self.outcome = outcome
        self.exitCode = exitCode
    }

    private enum CodingKeys: String, CodingKey {
        case token, payee, node, receipt, price, outcome
        case coreRate = "core_rate"
        case sellerRate = "seller_rate"
        case grantedAt = "granted_at"
        case exitCode = "exit_code"
        case isPaid = "paid"
    }
}

/// What a task's ended attempts left behind that decides who is paid later. Pure.
///
/// An evicted attempt is paid for its progress when the attempt that wins went on from its checkpoint; one that failed
/// by the task's own fault on a stranger's machine is paid when another owner's machine ends alike.
package struct WorkTrail: Hashable, Sendable, Codable {
    /// The attempt that took the newest checkpoint, and when it arrived.
    package private(set) var checkpointToken: UInt32?
    package private(set) var checkpointAt: Timestamp?
    package private(set) var work: [UnpaidWork] = []
    /// Attempts that succeeded and wait for others to agree, as they will end; their leases have no end yet.
    package var held: [AttemptRecord] = []

    /// Attempts remembered: later ones of a task that moves more often go unpaid.
    package static let limit = 64

    package init() {}

    private enum CodingKeys: String, CodingKey {
        case work, held
        case checkpointToken = "checkpoint_token"
        case checkpointAt = "checkpoint_at"
    }

    package mutating func tookCheckpoint(_ token: UInt32, at time: Timestamp) {
        (checkpointToken, checkpointAt) = (token, time)
    }

    /// Since when an attempt's work counts up to its newest checkpoint; nil when the task's newest is not its own.
    package func progress(of token: UInt32) -> Timestamp? { checkpointToken == token ? checkpointAt : nil }

    package mutating func remember(_ ended: UnpaidWork) {
        guard (work.count < Self.limit) && (ended.isPaid || ended.price > .zero) else { return }
        work.append(ended)
    }

    /// Drops the unpaid attempts of a machine; false when there are none.
    package mutating func forget(node: NodeID) -> Bool {
        let count = work.count
        work.removeAll { $0.node == node && !$0.isPaid }
        return work.count != count
    }

    /// What a success pays beside its own price: the evicted attempts whose checkpoints led to it, oldest first, as far
    /// as the rest of its price bound goes. All of them are its ancestors, since each attempt goes on from the newest
    /// checkpoint and only who took a checkpoint that was kept is remembered.
    package mutating func paidBySuccess(within rest: Credits) -> [(work: UnpaidWork, amount: Credits)] {
        var left = rest
        var due: [(UnpaidWork, Credits)] = []
        for index in work.indices where work[index].outcome.fault == .policy && !work[index].isPaid {
            let amount = min(left, work[index].price)
            guard amount > .zero else { break }
            left = Credits(micro: left.micro - amount.micro)
            work[index].isPaid = true
            due.append((work[index], amount))
        }
        return due
    }

    /// Whether another owner's attempt ended the same way.
    package func hasWitness(of outcome: Outcome, exitCode: Int?, from payee: AccountID) -> Bool {
        work.contains { $0.outcome == outcome && $0.exitCode == exitCode && $0.payee != payee }
    }

    /// The unpaid attempts of other owners that this end bears out.
    package mutating func paidByWitness(
        of outcome: Outcome, exitCode: Int?, from payee: AccountID
    ) -> [(work: UnpaidWork, amount: Credits)] {
        var due: [(UnpaidWork, Credits)] = []
        for index in work.indices
        where work[index].outcome == outcome && work[index].exitCode == exitCode && work[index].payee != payee
            && !work[index].isPaid
        {
            work[index].isPaid = true
            due.append((work[index], work[index].price))
        }
        return due
    }
}
