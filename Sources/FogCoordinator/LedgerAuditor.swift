internal import FogCore
internal import FogJobs
package import FogLedger
package import FogStore
import Synchronization

/// Feeds a stored log to the audit: on a live coordinator or on a database file alike.
package struct LedgerAuditor: Sendable {
    private let store: any Store
    private static let page = 2000

    package init(store: any Store) { self.store = store }

    /// - Parameter progress: called with the number of records checked so far.
    package func run(progress: @Sendable (UInt64) -> Void = { _ in }) async throws -> AuditReport {
        let stored = try await store.ledgerProjection()
        let documents = EvidencePage()
        var audit = Audit(
            sources: Audit.Sources(evidence: { documents.find($0) }, verify: Self.mistake(in:of:)))
        var next: UInt64 = 0
        while true {
            let page = try await store.ledgerRecords(from: next, limit: Self.page)
            if page.isEmpty { break }
            try await documents.load(for: page, from: store)
            for row in page { audit.feed(sequence: row.sequence, bytes: row.bytes, hash: row.hash) }
            next = (page.last?.sequence ?? next) + 1
            progress(next)
        }
        let empty = LedgerProjection(accounts: [], pendings: [], keys: [], head: .empty(origin: .zero))
        return audit.report(comparing: stored ?? empty)
    }

    /// What is wrong with a receipt as the evidence of a record; nil when it holds.
    private static func mistake(in document: EvidenceDocument, of record: LedgerRecord) -> String? {
        guard document.kind == .receipt else { return "evidence of kind \(document.kind) cannot be read" }
        do {
            let receipt = try SignedReceipt(bytes: document.bytes).receipt
            guard record.subject == CoordinatorCore.subject(of: receipt.attempt) else {
                return "the receipt is of another attempt"
            }
            if let amount = record.transfer?.amount, amount > receipt.priceBound {
                return "paid \(amount), the receipt's bound is \(receipt.priceBound)"
            }
            return nil
        } catch {
            return "\(error)"
        }
    }
}

/// The documents that one page of records cites: loaded ahead, since the audit itself does not wait.
private final class EvidencePage: Sendable {
    private let documents = Mutex<[Digest: EvidenceDocument]>([:])

    func find(_ digest: Digest) -> EvidenceDocument? { documents.withLock { $0[digest] } }

    func load(for page: [StoredLedgerRecord], from store: any Store) async throws {
        var found: [Digest: EvidenceDocument] = [:]
        for row in page {
            guard let record = try? LedgerRecord(decoding: row.bytes), record.evidence != .zero else { continue }
            found[record.evidence] = try await store.evidence(record.evidence)
        }
        documents.withLock { $0 = found }
    }
}

/// The digest under which a receipt lies among the evidence.
enum EvidenceDigest {
    static func of(_ receipt: SignedReceipt) -> Digest {
        EvidenceDocument(kind: .receipt, bytes: receipt.bytes).digest
    }
}
