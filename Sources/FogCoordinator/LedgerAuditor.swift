package import FogCore
internal import FogJobs
package import FogLedger
package import FogStore

/// Audits a stored ledger: on a live coordinator or on a database file alike.
package struct LedgerAuditor: Sendable {
    private let store: any Store
    private let coordinator: PublicKey?
    /// Records between two words about how far it is.
    private static let stride: UInt64 = 2000

    /// - Parameter coordinator: the key that must have signed the grants and that the receipts must name; nil when the
    ///   ledger itself has to say which it is.
    package init(store: any Store, coordinator: PublicKey? = nil) {
        self.store = store
        self.coordinator = coordinator
    }

    /// Everything is read as it was at one moment, so that what is committed meanwhile is neither missed nor surplus.
    ///
    /// - Parameter progress: called with the number of records checked so far.
    package func run(progress: @escaping @Sendable (UInt64) -> Void = { _ in }) async throws -> AuditReport {
        let coordinator = coordinator
        return try await store.readEconomy { economy in
            let work = try Self.workUnderWay(economy)
            var audit = Audit(
                coordinator: coordinator,
                sources: Audit.Sources(
                    document: { try economy.document($0) }, receipt: Self.claim, isOver: { !work.contains($0) }))
            for complaint in try economy.complaints() { audit.take(complaint: complaint) }
            for table in EconomyTable.allCases {
                try economy.rows(of: table) { row in
                    try audit.take(row)
                    if case .record(let sequence, _, _) = row, (sequence &+ 1) % Self.stride == 0 {
                        progress(sequence &+ 1)
                    }
                }
            }
            try economy.receipts { try audit.require(document: $1, of: $0) }
            return audit.report()
        }
    }

    /// What the ledger calls the jobs and attempts that may still have money reserved. Everything else is over: settled,
    /// pruned, or never there.
    private static func workUnderWay(_ economy: any EconomyReader) throws -> Set<SubjectID> {
        var subjects = Set(try economy.openJobs().map { CoordinatorCore.subject(of: $0) })
        for attempt in try economy.openAttempts() { subjects.insert(CoordinatorCore.subject(of: attempt)) }
        return subjects
    }

    private static func claim(of document: EvidenceDocument) throws(LedgerFailure) -> ReceiptClaim {
        guard document.kind == .receipt else {
            throw LedgerFailure("bad_evidence", "evidence of kind \(document.kind), which nothing here writes")
        }
        do throws(CoreFailure) {
            let receipt = try SignedReceipt(bytes: document.bytes).receipt
            return ReceiptClaim(
                subject: CoordinatorCore.subject(of: receipt.attempt), worker: receipt.node,
                coordinator: receipt.coordinator, bound: receipt.priceBound)
        } catch {
            throw LedgerFailure("bad_evidence", error.message)
        }
    }
}

/// The digest under which a receipt lies among the evidence.
enum EvidenceDigest {
    static func of(_ receipt: SignedReceipt) -> Digest {
        EvidenceDocument(kind: .receipt, bytes: receipt.bytes).digest
    }
}
