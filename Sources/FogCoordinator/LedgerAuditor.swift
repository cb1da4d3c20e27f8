package import FogCore
internal import FogJobs
package import FogLedger
package import FogStore

/// Audits a stored ledger: on a live coordinator or on a database file alike.
package struct LedgerAuditor: Sendable {
    private let store: any Store
    private let coordinator: PublicKey?
    private let outside: [OutsideCheckpoint]
    /// Records between two words about how far it is.
    private static let stride: UInt64 = 2000

    /// - Parameter coordinator: the key that must have signed the grants and that the receipts must name; nil when the
    ///   ledger itself has to say which it is.
    /// - Parameter outside: checkpoints that others kept.
    package init(store: any Store, coordinator: PublicKey? = nil, outside: [OutsideCheckpoint] = []) {
        self.outside = outside
        self.store = store
        self.coordinator = coordinator
    }

    /// Everything is read as it was at one moment, so that what is committed meanwhile is neither missed nor surplus.
    ///
    /// - Parameter progress: called with the number of records checked so far.
    package func run(progress: @escaping @Sendable (UInt64) -> Void = { _ in }) async throws -> AuditReport {
        let (coordinator, outside) = (coordinator, outside)
        return try await store.readEconomy { economy in
            var complaints: [String] = []
            let work = try Self.tolerant(&complaints, []) { try Self.workUnderWay(economy) }
            var audit = Audit(
                coordinator: coordinator,
                sources: Audit.Sources(
                    document: { try economy.document($0) }, receipt: Self.claim, isOver: { !work.contains($0) }))
            for checkpoint in outside { audit.require(checkpoint) }
            // The roots that the stored checkpoints speak of are taken down while the log passes.
            try economy.rows(of: .checkpoints) { row in
                if case .checkpoint(let stored) = row { audit.expect(rootOfSize: stored.size) }
            }
            for complaint in try complaints + economy.complaints() { audit.take(complaint: complaint) }
            for table in EconomyTable.allCases {
                try economy.rows(of: table) { row in
                    try audit.take(row)
                    if case .record(let sequence, _, _) = row, (sequence &+ 1) % Self.stride == 0 {
                        progress(sequence &+ 1)
                    }
                }
            }
            var receipts: [(AttemptID, Digest)] = []
            try Self.tolerant(&complaints, ()) { try economy.receipts { receipts.append(($0, $1)) } }
            for (attempt, digest) in receipts { try audit.require(document: digest, of: attempt) }
            if let last = complaints.last { audit.take(complaint: last) }
            return audit.report()
        }
    }

    /// Tables beside the ledger that do not read are a finding, not the end of the audit.
    private static func tolerant<Value>(
        _ complaints: inout [String], _ otherwise: Value, _ body: () throws -> Value
    ) throws -> Value {
        do { return try body() } catch let failure as any CodedFailure where failure.code == "corrupt" {
            complaints.append(failure.message)
            return otherwise
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
                coordinator: receipt.coordinator, bound: receipt.priceBound,
                cpuNanoseconds: receipt.usage.cpuNanoseconds, result: receipt.outputDigest)
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
