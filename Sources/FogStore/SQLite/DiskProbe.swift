internal import CFogSQLite

/// How often SQLite wrote and synced: what `fog bench` prints, and what tells a durable store from one that is not.
package struct DiskCounts: Hashable, Sendable {
    package let syncs: Int64
    /// Of the write-ahead log: one for each commit that changed something.
    package let walSyncs: Int64
    /// Of the main file: one for each move of the log into it.
    package let mainSyncs: Int64
    package let writes: Int64

    fileprivate init(_ counts: fog_sqlite_counts) {
        syncs = counts.syncs
        walSyncs = counts.wal_syncs
        mainSyncs = counts.main_syncs
        writes = counts.writes
    }

    /// Over all files since the process began.
    package static var total: DiskCounts { DiskCounts(fog_sqlite_totals()) }
}

/// Watches the database files below a path, and can make their disk fail.
package final class DiskProbe: Sendable {
    package enum Operation: Sendable { case write, sync }
    package enum Fault: Sendable {
        case full, broken
        /// The whole process ends at once (SIGKILL), before the operation or half way through a write.
        case killed, killedHalfway
    }

    private let number: Int32

    /// Watches files that are opened after this.
    /// - Throws: `unexpected` when too many probes are in use or the prefix is too long.
    package init(prefix: String) throws(StoreFailure) {
        guard fog_sqlite_install() == SQLITE_OK else {
            throw StoreFailure("unexpected", "SQLite could not be started")
        }
        number = fog_sqlite_probe_start(prefix)
        guard number >= 0 else {
            throw StoreFailure("unexpected", "at most \(FOG_SQLITE_PROBES) probes, each of a path below 512 bytes")
        }
    }

    deinit { fog_sqlite_probe_stop(number) }

    package var counts: DiskCounts { DiskCounts(fog_sqlite_probe_counts(number)) }

    /// Lets `skip` operations pass, then fails the next `count`.
    package func fail(_ operation: Operation, with fault: Fault, after skip: Int = 0, count: Int = .max) {
        let code =
            switch (fault, operation) {
            case (.full, _): SQLITE_FULL
            case (.killed, _): FOG_SQLITE_KILL
            case (.killedHalfway, _): FOG_SQLITE_KILL_HALFWAY
            case (.broken, .write): SQLITE_IOERR | (3 << 8)
            case (.broken, .sync): SQLITE_IOERR | (4 << 8)
            }
        fog_sqlite_probe_fail(
            number, operation == .write ? FOG_SQLITE_WRITE : FOG_SQLITE_SYNC, Int64(skip), Int64(count), code)
    }

    /// The disk works again.
    package func mend() {
        fail(.write, with: .full, count: 0)
        fail(.sync, with: .full, count: 0)
    }
}
