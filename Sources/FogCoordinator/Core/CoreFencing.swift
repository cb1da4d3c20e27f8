package import FogCore
internal import FogJobs
package import FogStore

/// Fencing tokens after a restored backup.
///
/// Leases that were granted after the backup was made are unknown to the restored store, and may live on machines. Were
/// tokens to go on from the stored ones, such a lease and a new one could carry the same token. So a restored store has
/// a floor: the second of its restoring, counted from 2025. No token is raised to less than the floor, nor ahead of the
/// clock: a token never exceeds the second in which it is granted. Whatever was granted before the restoring, in this
/// history or in one that was lost, lies below the floor; also when one backup is restored twice.
package enum Fencing {
    /// The setting that holds the floor.
    package static let setting = "fencing_floor"
    /// 2025-01-01T00:00:00Z
    private static let origin: Int64 = 1_735_689_600

    /// The second of a time, as a floor; 0 before 2025. Tokens have 32 bits: enough until 2161.
    package static func second(of time: Timestamp) -> UInt32 {
        UInt32(clamping: max(0, time.seconds - origin))
    }

    /// The token to grant next; nil when it would run ahead of the clock: the task then waits for the next second.
    package static func token(after last: UInt32, floor: UInt32, at time: Timestamp) -> UInt32? {
        guard floor > 0 else { return last + 1 }
        let next = max(last, floor) + 1
        return next <= second(of: time) ? next : nil
    }

    /// Marks a store as restored: raises the floor, and moves the events' numbers on, so that a reader who has seen
    /// events of the lost history misses none of the new.
    ///
    /// - Throws: `clock_behind` when the clock is before the backup, or not after an earlier restoring.
    package static func raise(in store: any Store, madeAt: Timestamp, now: Timestamp) async throws {
        let old = try await store.settings()[setting].flatMap { UInt32($0) } ?? 0
        let floor = second(of: now)
        guard now >= madeAt, floor > old else {
            throw CoordinatorFailure(
                "clock_behind",
                "this machine's clock says \(now.plain), and the backup knows of \(madeAt.plain); set the clock first")
        }
        var event = EventRecord(
            "coordinator_restored", at: now, detail: ["backup": madeAt.description, "floor": String(floor)])
        event.sequence = try await store.lastEventSequence() + lostEvents
        var change = Change()
        change.settings[setting] = String(floor)
        change.events = [event]
        let results = try await store.commit([change])
        guard results == [.applied] else { throw CoordinatorFailure("unexpected", "not committed: \(results)") }
    }

    /// More events than a coordinator makes between two backups.
    private static let lostEvents: UInt64 = 1_000_000_000
}
