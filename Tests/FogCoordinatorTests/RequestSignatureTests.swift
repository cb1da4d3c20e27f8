import FogCore
import FogLedger
import Testing

@testable import FogCoordinator
@testable import FogStore

/// Who asked for a record is judged with the key as it was at that record.
@Suite("Signatures of requests in the log")
struct RequestSignatureTests {
    private static let admin = AuditedBooks.seeded(100)
    private static let other = AuditedBooks.seeded(102)

    private static func request(_ name: String, by key: SigningKey, signedBy signer: SigningKey? = nil) throws
        -> Authorisation
    {
        let base = Array(name.utf8)
        return try Authorisation(base: base, key: key.publicKey.id, signature: (signer ?? key).sign(base))
    }

    /// Books after entries that were asked for so.
    private static func audit(
        verifying: Bool = true, _ entries: [(LedgerAction, Authorisation)]
    ) async throws -> (finding: AuditFinding?, others: [AuditCheck], first: UInt64) {
        try await AuditedBooks.with { books in
            let first = UInt64(try await books.records().count)
            for (action, authorisation) in entries {
                let entry = LedgerEntry(action, authorisation: authorisation)
                #expect(books.core.post([entry], at: books.now) == nil)
            }
            try await books.commit()
            let report = try await LedgerAuditor(store: books.store, verifiesRequests: verifying).run()
            return (
                report[.authorisations], report.failed.map(\.check).filter { $0 != .authorisations }, first
            )
        }
    }

    private static let change = LedgerAction.setRoles(other.publicKey.id, [.client, .auditor])
    private static let back = LedgerAction.setRoles(other.publicKey.id, [.client])

    @Test("an admin's request, one of a key that ends itself, and the coordinator's own acts are clean")
    func honest() async throws {
        let found = try await Self.audit([
            (Self.change, try Self.request("1", by: Self.admin)),
            (Self.back, try Self.request("3", by: Self.admin)),
            (.revokeKey(Self.other.publicKey.id), try Self.request("2", by: Self.other)),
        ])
        #expect(found.finding?.verdict == .ok)
        #expect(found.others == [])
    }

    @Test("another's signature is told, unless signatures are left out")
    func forged() async throws {
        let entries = [(Self.change, try Self.request("1", by: Self.admin, signedBy: Self.other))]
        let found = try await Self.audit(entries)
        #expect(found.finding?.verdict == .failed)
        #expect(found.finding?.sequence == found.first)
        #expect(found.others == [])
        #expect(try await Self.audit(verifying: false, entries).finding?.verdict == .ok)
    }

    @Test("a key that was never enrolled, one that may not, one that was revoked before")
    func refused() async throws {
        let stranger = AuditedBooks.seeded(77)
        for (entries, words) in [
            ([(Self.change, try Self.request("1", by: stranger))], "a request of an enrolled key"),
            (
                [(.setRoles(Self.admin.publicKey.id, [.client]), try Self.request("1", by: Self.other))],
                "a request of who may ask for it"
            ),
            (
                [
                    (.revokeKey(Self.other.publicKey.id), try Self.request("1", by: Self.admin)),
                    (.revokeKey(AuditedBooks.seeded(1).publicKey.id), try Self.request("2", by: Self.other)),
                ], "a request of a live key"
            ),
        ] as [([(LedgerAction, Authorisation)], String)] {
            let found = try await Self.audit(entries)
            #expect(found.finding?.verdict == .failed)
            #expect(found.finding?.expected == words)
            #expect(found.finding?.sequence == found.first + UInt64(entries.count) - 1)
        }
    }

    @Test("a request that was used for a second chain is told")
    func replayed() async throws {
        let request = try Self.request("1", by: Self.admin)
        let found = try await Self.audit([(Self.change, request), (Self.back, request)])
        #expect(found.finding?.expected == "a request of its own")
        #expect(found.finding?.sequence == found.first + 1)
    }

    @Test("an audit of what was added judges the requests in it")
    func partial() async throws {
        try await AuditedBooks.with { books in
            let since = UInt64(try await books.records().count)
            let request = try Self.request("1", by: Self.admin, signedBy: Self.other)
            #expect(books.core.post([LedgerEntry(Self.change, authorisation: request)], at: books.now) == nil)
            try await books.commit()
            for start in [0, since] {
                let report = try await LedgerAuditor(store: books.store, since: start).run()
                #expect(report.failed.map(\.check) == [.authorisations])
            }
            #expect(try await LedgerAuditor(store: books.store, since: since + 1).run().failed == [])
        }
    }
}
