internal import Dispatch
package import FogCore
internal import FogJobs
package import FogLedger
package import FogStore
internal import Synchronization

/// Audits a stored ledger: on a live coordinator or on a database file alike.
package struct LedgerAuditor: Sendable {
    private let store: any Store
    private let coordinator: PublicKey?
    private let outside: [OutsideCheckpoint]
    private let since: UInt64?
    private let verifiesRequests: Bool
    /// Records between two words about how far it is.
    static let stride: UInt64 = 2000

    /// - Parameter coordinator: the key that must have signed the grants and that the receipts must name; nil when the
    ///   ledger itself has to say which it is.
    /// - Parameter outside: checkpoints that others kept.
    /// - Parameter since: judge only what was added since the log had so many records; those were judged before.
    /// - Parameter verifiesRequests: also the signature of who asked for each record.
    package init(
        store: any Store, coordinator: PublicKey? = nil, outside: [OutsideCheckpoint] = [], since: UInt64? = nil,
        verifiesRequests: Bool = true
    ) {
        self.verifiesRequests = verifiesRequests
        self.outside = outside
        self.since = since
        self.store = store
        self.coordinator = coordinator
    }

    /// Everything is read as it was at one moment, so that what is committed meanwhile is neither missed nor surplus.
    ///
    /// - Parameter progress: called with the number of records checked so far, and of all.
    package func run(progress: @escaping @Sendable (UInt64, UInt64) -> Void = { _, _ in }) async throws -> AuditReport {
        let (coordinator, outside, verifiesRequests) = (coordinator, outside, verifiesRequests)
        if let since {
            return try await store.readEconomy { economy in
                var complaints: [String] = []
                let work = try Self.tolerant(&complaints, []) { try Self.workUnderWay(economy) }
                return try Self.judge(
                    economy, since: since, coordinator: coordinator, outside: outside, work: work, complaints,
                    verifiesRequests: verifiesRequests, progress: progress)
            }
        }
        // Damage is looked for on the other core: it may be of another moment, for a sound file stays sound.
        async let damage = store.readEconomy { try $0.complaints() }
        let report = try await store.readEconomy { economy in
            try Self.replay(economy, coordinator, outside, verifiesRequests, progress)
        }
        return report.adding(complaints: try await damage)
    }

    /// Everything but what the store itself finds.
    private static func replay(
        _ economy: any EconomyReader, _ coordinator: PublicKey?, _ outside: [OutsideCheckpoint],
        _ verifiesRequests: Bool, _ progress: (UInt64, UInt64) -> Void
    ) throws -> AuditReport {
        let count = try count(economy)
        var complaints: [String] = []
        let work = try tolerant(&complaints, []) { try workUnderWay(economy) }
        var audit = Audit(coordinator: coordinator, sources: sources(economy, work))
        audit.verifiesRequests = verifiesRequests
        for checkpoint in outside { audit.require(checkpoint) }
        // The roots that the stored checkpoints speak of are taken down while the log passes.
        try economy.rows(of: .checkpoints) { row in
            if case .checkpoint(let stored) = row { audit.expect(rootOfSize: stored.size) }
        }
        for table in EconomyTable.allCases {
            try economy.rows(of: table) { row in
                try audit.take(row)
                if case .record(let sequence, _, _, _) = row, (sequence &+ 1) % stride == 0 {
                    progress(sequence &+ 1, count)
                }
            }
        }
        var receipts: [(AttemptID, Digest)] = []
        try tolerant(&complaints, ()) { try economy.receipts { receipts.append(($0, $1)) } }
        for (attempt, digest) in receipts { try audit.require(document: digest, of: attempt) }
        for complaint in complaints { audit.take(complaint: complaint) }
        return audit.report()
    }

    /// How many records the log has.
    static func count(_ economy: any EconomyReader) throws -> UInt64 {
        var count: UInt64 = 0
        try economy.rows(under: .newestRecord) { if case .record(let sequence, _, _, _) = $0 { count = sequence &+ 1 } }
        return count
    }

    static func sources(_ economy: any EconomyReader, _ work: Set<SubjectID>) -> Audit.Sources {
        Audit.Sources(
            document: { try economy.document($0) }, receipt: Self.claim, isOver: { !work.contains($0) },
            verify: Self.verify)
    }

    /// Signatures over all processors: some 60 us each, by far the most of an audit of a log of requests.
    private static func verify(_ requests: [Audit.SignedRequest]) -> [Bool] {
        let part = 64
        let parts = (requests.count + part - 1) / part
        let found = Mutex([[Bool]](repeating: [], count: parts))
        DispatchQueue.concurrentPerform(iterations: parts) { index in
            let held = requests[index * part..<min(requests.count, (index + 1) * part)].map(\.holds)
            found.withLock { $0[index] = held }
        }
        return found.withLock { $0.flatMap { $0 } }
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
