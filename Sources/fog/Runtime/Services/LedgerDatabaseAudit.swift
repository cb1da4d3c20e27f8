internal import FogCoordinator
internal import FogCore
internal import FogLedger
internal import FogStore

/// Audits a coordinator's database file without a coordinator.
enum LedgerDatabaseAudit {
    /// - Throws: ``StoreFailure`` when the file cannot be read as a store.
    static func run(
        path: String, outside: [OutsideCheckpoint] = [], progress: @escaping @Sendable (UInt64) -> Void = { _ in }
    ) async throws -> AuditReport {
        let store = try SQLiteStore(path: path, readOnly: true, isSuspect: true)
        return try await LedgerAuditor(store: store, outside: outside).run(progress: progress)
    }
}
