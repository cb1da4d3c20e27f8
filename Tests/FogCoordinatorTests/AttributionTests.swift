import FogCore
import FogJobs
import FogLedger
import FogStore
import Testing

@testable import FogCoordinator

/// Every record says who answers for it, and the coordinator's own word stands only where nobody's request is needed.
@Suite("Who answers for a record")
struct AttributionTests {
    private static let admin = AuditedBooks.seeded(100)
    private static let seal = Authorisation.seal(of: AuditedBooks.coordinator.publicKey.id)

    @Test("honest books say for each record who answers for it")
    func honest() async throws {
        try await AuditedBooks.with { books in
            let report = try await LedgerAuditor(store: books.store).run()
            #expect(report.ok, "\(report.json.compact)")
            #expect(report.attributedSince == 0)
            #expect(report.silentRecords == 0)
            let records = try await books.records()
            #expect(records.allSatisfy { $0.form == LedgerRecord.version && $0.authorisation.key != nil })
            // Of each kind that needs somebody's request, there is one.
            for wanted in records where wanted.body.authoriser == .request {
                #expect(wanted.authorisation.isRequest, "\(wanted.body.what)")
            }
            #expect(records.contains { $0.authorisation.isSeal && $0.transfer?.kind == .post })
            let escrows = records.filter { $0.body.what.hasPrefix("the opening of escrow") }
            #expect(!escrows.isEmpty && escrows.allSatisfy(\.authorisation.isRequest))
        }
    }

    /// What the ledger itself refuses without a request, so that it never comes to the audit.
    @Test("the ledger takes nothing by itself that somebody must ask for")
    func refused() async throws {
        try await AuditedBooks.with { books in
            let head = books.core.ledger.head
            let user = try #require(books.core.principals[Self.admin.publicKey.id]).account
            let wrong = try #require(books.core.principals.values.first { $0.name == "bob" })
            let grant = try GrantDocument(
                account: user, amount: .credits(1), time: books.now.wall, reason: "for nothing",
                signedBy: AuditedBooks.coordinator)
            let escrow = AccountID(at: books.now.wall, derivedFrom: [1])
            let policy = LedgerRule.jurisdiction(JurisdictionTerms(version: 1, from: books.now.wall, regions: ["de"]))
            let entries: [LedgerEntry] = [
                grant.entry(), LedgerEntry(.setRoles(wrong.key.id, [.admin])), LedgerEntry(.revokeKey(wrong.key.id)),
                LedgerEntry(.open(AccountOpening(id: escrow, kind: .escrow))), LedgerEntry(.setRule(policy)),
                LedgerEntry(.enrol(KeyEnrolment(key: AuditedBooks.seeded(9).publicKey, roles: [.worker], owner: user))),
                LedgerEntry(
                    .move(
                        .move, id: TransferID(high: 1 << 20, low: 1), from: user, to: wrong.account,
                        amount: .credits(1))),
            ]
            for entry in entries {
                let refusal = books.core.post([entry], at: books.now)
                #expect(refusal?.code == "authorisation_missing", "\(entry.action)")
            }
            #expect(books.core.ledger.head == head)
        }
    }

    /// A record of honest books, put into another form by somebody who has the coordinator's key.
    private static func audit(
        of kind: (LedgerRecord) -> Bool, as change: (LedgerRecord) -> LedgerRecord
    ) async throws -> (finding: AuditFinding?, row: UInt64) {
        try await AuditedBooks.with { books in
            let row = try #require(try await books.records().first(where: kind)).sequence
            try await books.rewrite { $0.sequence == row ? change($0) : $0 }
            let report = try await LedgerAuditor(store: books.store).run()
            return (report[.authorisations], row)
        }
    }

    @Test(
        "a grant, an enrolment, other roles, an escrow on the coordinator's word alone are told, each with its record")
    func unasked() async throws {
        let kinds: [(LedgerRecord) -> Bool] = [
            { $0.transfer?.kind == .issue },
            { if case .keyEnrolled(let enrolment) = $0.body { enrolment.roles == [.worker] } else { false } },
            { if case .accountOpened(let opening) = $0.body { opening.kind == .escrow } else { false } },
        ]
        for kind in kinds {
            let found = try await Self.audit(of: kind) { $0.with(authorisation: Self.seal) }
            #expect(found.finding?.verdict == .failed)
            #expect(found.finding?.sequence == found.row)
            #expect(found.finding?.found == "only the coordinator's word")
        }
    }

    @Test("a record that names nobody, one of the older form after newer ones, another key's seal")
    func unattributed() async throws {
        let isPost: (LedgerRecord) -> Bool = { $0.transfer?.kind == .post }
        let nobody = try await Self.audit(of: isPost) { $0.with(authorisation: Authorisation.none) }
        #expect(nobody.finding?.sequence == nobody.row)
        #expect(nobody.finding?.expected == "who answers for a post")
        let older = try await Self.audit(of: isPost) {
            $0.with(authorisation: Authorisation.none, form: LedgerRecord.unattributed)
        }
        #expect(older.finding?.sequence == older.row)
        #expect(older.finding?.found == "one of the older form 1")
        let worker = try await Self.audit(of: isPost) {
            $0.with(authorisation: .seal(of: AuditedBooks.seeded(1).publicKey.id))
        }
        #expect(worker.finding?.sequence == worker.row)
        let stranger = try await Self.audit(of: isPost) {
            $0.with(authorisation: .seal(of: AuditedBooks.seeded(77).publicKey.id))
        }
        #expect(stranger.finding?.sequence == stranger.row)
    }

    @Test("credits of somebody else than who asked go into no escrow, in a whole audit and in a part")
    func strangersEscrow() async throws {
        try await AuditedBooks.with { books in
            let bob = try #require(books.core.principals.values.first { $0.name == "bob" })
            let escrow = AccountID(at: books.now.wall, derivedFrom: [7]), job = SubjectID(digestOf: [7])
            let asked = try AuditedBooks.request("a job", by: Self.admin)
            #expect(
                books.core.post(Settlement.open(escrow: escrow, job: job, authorisation: asked), at: books.now) == nil)
            let since = books.core.ledger.head.count
            let id = TransferID(at: books.now.wall, kind: .hold, subject: job, ordinal: 1)
            let hold = LedgerEntry(
                .move(.hold, id: id, from: bob.account, to: escrow, amount: Credits(micro: 1), ordinal: 1), subject: job
            )
            #expect(books.core.post([hold], at: books.now) == nil)
            try await books.commit()
            for start in [nil, since] {
                let report = try await LedgerAuditor(store: books.store, since: start).run()
                let finding = report[.authorisations]
                #expect(finding?.verdict == .failed)
                #expect(finding?.sequence == since)
                #expect(finding?.found == "of \(bob.account)")
            }
        }
    }

    @Test("a ledger of older software goes on: its records are counted as silent, later ones all say who")
    func migrated() async throws {
        var bench = try Bench()
        _ = try bench.submit("before")
        let silent = bench.core.ledger.head.count
        #expect(silent > 0)
        bench.core.attributeRecords(at: bench.now)
        bench.commit()
        let first = bench.core.ledger.head.count
        // The escrow of the job that was there before needs no request that nobody kept.
        #expect(bench.core.jobs.values.allSatisfy { $0.record.progress.escrowOpen })
        let refusal = bench.core.post([LedgerEntry(.revokeKey(bench.client.key.id))], at: bench.now)
        #expect(refusal?.code == "authorisation_missing")
        let newcomer = AuditedBooks.seeded(9)
        _ = try bench.core.enrol(
            key: newcomer.publicKey, name: "new", roles: [.client], account: nil,
            authorisation: try AuditedBooks.request("enrol new", by: newcomer), at: bench.now)
        bench.commit()
        let report = try await LedgerAuditor(store: bench.store).run()
        #expect(report.ok, "\(report.json.compact)")
        #expect(report.silentRecords == first)
    }

    @Test("a stored request reads back, and nothing else does")
    func stored() throws {
        let request = try AuditedBooks.request("a job", by: Self.admin)
        #expect(try Authorisation(stored: request.stored) == request)
        #expect(try Authorisation(stored: []) == .none)
        #expect(Self.seal.stored.isEmpty)
        for bytes in [[1], Array(request.stored.dropLast(5)), Array(request.stored.prefix(40))] {
            #expect(throws: LedgerFailure.self) { try Authorisation(stored: bytes) }
        }
    }
}
