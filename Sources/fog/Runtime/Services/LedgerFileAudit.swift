internal import FogCommandLine
internal import FogCoordinator
internal import FogCore
internal import FogLedger
internal import FogStore

/// Audits a ledger that lies in a file, without a coordinator.
enum LedgerFileAudit {
    /// A coordinator's database.
    /// - Throws: ``StoreFailure`` when the file cannot be read as a store.
    static func database(
        _ path: String, outside: [OutsideCheckpoint] = [], since: UInt64? = nil,
        verifiesRequests: Bool = true, progress: @escaping @Sendable (UInt64, UInt64) -> Void = { _, _ in }
    ) async throws -> AuditReport {
        let store = try SQLiteStore(path: path, readOnly: true, isSuspect: true)
        return try await LedgerAuditor(store: store, outside: outside, since: since, verifiesRequests: verifiesRequests)
            .run(progress: progress)
    }

    /// Lines between two words about how far it is.
    private static let stride = 2000

    /// An export in JSON Lines.
    /// - Parameter progress: bytes read so far, and of all.
    /// - Throws: when the file cannot be read or is no export.
    static func export(
        _ path: String, outside: [OutsideCheckpoint] = [], verifiesRequests: Bool = true,
        progress: (Int64, Int64) -> Void = { _, _ in }
    ) throws -> AuditReport {
        var audit = ExportAudit(outside: outside, verifiesRequests: verifiesRequests)
        let lines = try LineReader(path)
        var count = 0
        while let line = try lines.next() {
            do { try audit.take(line: line) } catch let failure as LedgerFailure {
                throw CommandLineFailure(failure.code, "\(path): \(failure.message)", status: .unreadable)
            }
            count += 1
            if count % stride == 0 { progress(lines.offset, lines.size) }
        }
        return audit.report()
    }
}
