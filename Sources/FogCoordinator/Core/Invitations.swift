package import FogCore
internal import FogJobs
package import FogStore

/// Invitations in a store that no coordinator serves.
package enum Invitations {
    /// Ends all that are open, in one commit with an event: a restored store does not know which of them were used up
    /// or withdrawn after the backup.
    /// - Returns: how many.
    package static func endAll(in store: any Store, now: Timestamp) async throws -> Int {
        let open = try await store.invitations()
        guard !open.isEmpty else { return 0 }
        var event = EventRecord("invitations_ended", at: now, detail: ["count": String(open.count)])
        event.sequence = try await store.lastEventSequence() + 1
        var change = Change()
        change.closedInvitations = Set(open.map(\.secretHash))
        change.events = [event]
        let results = try await store.commit([change])
        guard results == [.applied] else { throw CoordinatorFailure("unexpected", "not committed: \(results)") }
        return open.count
    }
}
