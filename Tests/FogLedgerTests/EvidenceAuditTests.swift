import FogCore
import FogLedger
import Testing

@Suite("Ledger audit: evidence")
struct EvidenceAuditTests {
    @Test("missing, exchanged and false evidence is named at its record")
    func evidence() throws {
        let log = try HonestLog(seed: 11)
        let cited = log.records.filter { $0.evidence != .zero }
        for record in cited.prefix(30) {
            let document = try #require(log.fixture.documents[record.evidence])
            func sequence(_ other: EvidenceDocument?) throws -> UInt64? {
                log.fixture.documents[record.evidence] = other
                defer { log.fixture.documents[record.evidence] = document }
                let report = try log.fixture.audit()
                #expect(report[.documents]?.verdict == (other == nil ? .ok : .failed))
                return report[.evidence]?.sequence
            }
            #expect(try sequence(nil) == record.sequence)
            #expect(try sequence(EvidenceDocument(kind: .quorumVerdict, bytes: document.bytes)) == record.sequence)
            #expect(try sequence(EvidenceDocument(kind: document.kind, bytes: document.bytes + [0])) == record.sequence)
        }
        // A receipt that is genuine, but another attempt's.
        let posts = log.records.filter { $0.transfer?.kind == .post }
        var records = log.records
        records[Int(posts[0].sequence)] = posts[0].with(evidence: posts[1].evidence)
        let rows = log.chained(records)
        let tree = try log.fixture.tree(over: rows.map(\.hash))
        #expect(try log.fixture.audit(rows, tree: tree).failed.map(\.check) == [.evidence])
    }

    /// The log with the receipt of one post replaced, chained again.
    private func report(
        _ log: HonestLog, replacing post: LedgerRecord, by edit: (inout TestReceipt) throws -> Void
    ) throws -> AuditReport {
        let payee = try #require(post.transfer?.credit)
        var receipt = TestReceipt(
            subject: post.subject, worker: try log.fixture.worker(of: payee).publicKey,
            coordinator: log.fixture.key.publicKey)
        try edit(&receipt)
        let honest = log.fixture.documents
        defer { log.fixture.documents = honest }
        var records = log.records
        records[Int(post.sequence)] = post.with(evidence: log.fixture.keep(receipt))
        return try log.fixture.audit(log.chained(records))
    }

    @Test("a receipt of a foreign key, another owner's node, another coordinator or a lower bound pays nothing")
    func receipts() throws {
        let log = try HonestLog(seed: 18)
        let posts = log.records.filter { $0.transfer?.kind == .post && $0.transfer?.amount != .zero }
        let stranger = SigningKey.generate().publicKey
        // By then every node is enrolled.
        for post in posts.suffix(5) {
            func found(_ edit: (inout TestReceipt) throws -> Void) throws -> String {
                let report = try report(log, replacing: post, by: edit)
                #expect(report[.evidence]?.sequence == post.sequence)
                #expect(report.firstBadSequence == post.sequence)
                return report[.evidence]?.found ?? ""
            }
            #expect(try found { $0.worker = stranger } == "signed by \(stranger.id), which is not enrolled")
            #expect(try found { $0.coordinator = stranger }.hasSuffix("which is not the coordinator's"))
            #expect(try found { $0.bound = .zero }.hasSuffix("the receipt's bound is 0"))
            let other = try #require(posts.compactMap { $0.transfer?.credit }.first { $0 != post.transfer?.credit })
            #expect(
                try found { $0.worker = try log.fixture.worker(of: other).publicKey }
                    .hasSuffix("a node of account \(other)"))
        }
        #expect(try report(log, replacing: posts[0], by: { _ in }).ok)
    }

    @Test("a node that was revoked or is no worker any more is paid nothing after that record")
    func revoked() throws {
        for change in [LedgerAction.revokeKey, { .setRoles($0, [.client]) }] {
            let fixture = try LedgerFixture()
            let (payer, payee) = (try fixture.funded(micro(100)), fixture.account())
            let worker = try fixture.worker(of: payee).publicKey.id
            for attempt in 0..<2 {
                let (id, subject) = (fixture.transferID(), fixture.subject())
                fixture.apply(.pending(id: id, from: payer, to: payee, amount: micro(10)), subject: subject)
                let receipt = try fixture.receipt(for: subject, by: payee)
                if attempt == 1 { #expect(fixture.apply(change(worker)).word == "applied") }
                fixture.apply(
                    .post(id: fixture.transferID(), of: id, amount: micro(1)), subject: subject, evidence: receipt)
                #expect(try fixture.audit().ok == (attempt == 0))
            }
            let report = try fixture.audit()
            #expect(report.failed.map(\.check) == [.evidence])
            #expect(report.firstBadSequence == fixture.rows.last?.record.sequence)
        }
    }

    @Test("a grant counts when the coordinator or an enrolled admin signed it, and once")
    func grants() throws {
        let fixture = try LedgerFixture()
        let (account, office) = (try fixture.funded(micro(100)), fixture.account())
        let (admin, client, stranger) = (SigningKey.generate(), SigningKey.generate(), SigningKey.generate())
        fixture.apply(.enrol(KeyEnrolment(key: admin.publicKey, roles: [.admin], owner: office)))
        fixture.apply(.enrol(KeyEnrolment(key: client.publicKey, roles: [.client], owner: office)))
        func report(
            _ signer: SigningKey, _ edit: (GrantDocument) -> LedgerEntry = { $0.entry() }
        ) throws -> AuditReport {
            let grant = try GrantDocument(
                account: account, amount: micro(5), time: fixture.clock, reason: "more", signedBy: signer)
            fixture.drafts[grant.document.digest] = grant.document
            #expect(fixture.apply([edit(grant)]).word == "applied")
            let report = try fixture.audit()
            #expect(report.ok || report.firstBadSequence == fixture.rows.last?.record.sequence)
            return report
        }
        #expect(try report(admin).ok)
        #expect(try fixture.audit(coordinator: fixture.key.publicKey).ok)
        #expect(try fixture.audit(coordinator: stranger.publicKey).firstBadSequence == 4)
        // The same grant again, under an id that derives from nothing.
        let twice = try report(fixture.key) { grant in
            fixture.apply([grant.entry()])
            return LedgerEntry(
                .move(.issue, id: fixture.transferID(), from: .issuance, to: account, amount: micro(5)),
                subject: grant.subject, evidence: grant.document.digest)
        }
        #expect(twice.failed.map(\.check) == [.singlePayment])
        for (signer, isOwnSubject) in [(client, true), (stranger, true), (fixture.key, false)] {
            let fixture = try LedgerFixture()
            let account = try fixture.funded(micro(100))
            fixture.apply(.enrol(KeyEnrolment(key: client.publicKey, roles: [.client], owner: account)))
            let grant = try GrantDocument(
                account: account, amount: micro(5), time: fixture.clock, reason: "more", signedBy: signer)
            fixture.drafts[grant.document.digest] = grant.document
            let entry = LedgerEntry(
                .move(.issue, id: fixture.transferID(), from: .issuance, to: account, amount: micro(5)),
                subject: isOwnSubject ? grant.subject : fixture.subject(), evidence: grant.document.digest)
            #expect(fixture.apply([entry]).word == "applied")
            #expect(try fixture.audit().failed.map(\.check) == [.evidence])
            #expect(try fixture.audit().firstBadSequence == fixture.rows.last?.record.sequence)
        }
    }

    @Test("where the coordinator's key is enrolled, no other may sign the first grant")
    func enrolledCoordinator() throws {
        for isForged in [false, true] {
            let fixture = try LedgerFixture()
            let coordinator = isForged ? SigningKey.generate() : fixture.key
            fixture.apply(.enrol(KeyEnrolment(key: coordinator.publicKey, roles: [.coordinator], owner: .treasury)))
            _ = try fixture.funded(micro(1))
            #expect(try fixture.audit().failed.map(\.check) == (isForged ? [.evidence, .checkpoints] : []))
        }
    }

    @Test("a document that nothing cites is a genuine receipt or an alarm")
    func uncited() throws {
        let log = try HonestLog(seed: 19)
        let node = try log.fixture.worker(of: try #require(log.records.last { $0.pays }?.transfer?.credit)).publicKey
        let genuine = TestReceipt(
            subject: log.fixture.subject(), worker: node, coordinator: log.fixture.key.publicKey)
        func report(_ document: EvidenceDocument) throws -> AuditReport {
            try log.fixture.audit(tables: log.fixture.tables + [.document(document, under: document.digest)])
        }
        #expect(try report(genuine.document).ok)
        var foreign = genuine
        foreign.worker = SigningKey.generate().publicKey
        #expect(try report(foreign.document).failed.map(\.check) == [.documents])
        foreign = genuine
        foreign.coordinator = node
        #expect(try report(foreign.document).failed.map(\.check) == [.documents])
        #expect(try report(EvidenceDocument(kind: .receipt, bytes: [1, 2])).failed.map(\.check) == [.documents])
        let grant = try GrantDocument(
            account: .treasury, amount: micro(1), time: log.fixture.clock, reason: "never issued",
            signedBy: log.fixture.key)
        #expect(try report(grant.document).failed.map(\.check) == [.documents])
    }
}
