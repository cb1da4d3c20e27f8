import FogCore
import FogJobs
import FogLedger
import FogStore
import Testing

@testable import FogCoordinator

@Suite("Where work may go", .timeLimit(.minutes(10)))
struct JurisdictionTests {
    private func policy(_ version: UInt32, _ regions: [String], from: Timestamp = .zero) -> LedgerRule {
        .jurisdiction(JurisdictionTerms(version: version, from: from, regions: regions))
    }

    @Test("only machines in an allowed region get work, and each attempt cites the decision")
    func regions() async throws {
        var bench = try Bench()
        let near = try bench.addNode("near"), far = try bench.addNode("far")
        bench.core.nodes[near]?.row.report.region = "de"
        bench.core.nodes[far]?.row.report.region = "mars"
        try bench.core.set(policy(1, ["de", "eu"]), authorisation: .none, at: bench.now)
        bench.commit()
        _ = try bench.submit(count: 2)
        #expect(bench.poll(far).isEmpty)
        let node = try #require(bench.core.nodes[far])
        #expect(bench.core.outOfBounds(node, at: bench.now)?.contains("mars") == true)
        let leases = bench.poll(near)
        #expect(leases.count == 2)
        for lease in leases { bench.finish(lease, on: near) }
        let rows = try await bench.store.ledgerRecords(of: bench.client.account, before: nil, limit: 100)
        let pendings = try rows.map { try LedgerRecord(decoding: $0.bytes) }.filter { $0.transfer?.kind == .pending }
        #expect(pendings.count == 2)
        for record in pendings {
            let document = try #require(try await bench.store.evidence(record.evidence))
            let decision = try JurisdictionDecision(decoding: document.bytes)
            #expect((decision.version, decision.region, decision.isAllowed) == (1, "de", true))
        }
        let report = try await bench.audit()
        #expect(report.ok, "\(report.failed)")
    }

    @Test("a policy ends at a midnight, and without one nothing is cited")
    func end() async throws {
        var bench = try Bench()
        let far = try bench.addNode("far")
        try bench.core.set(policy(1, ["de"]), authorisation: .none, at: bench.now)
        let midnight = LedgerDay(number: LedgerDay(bench.now.wall).number + 1).start
        try bench.core.set(policy(2, [], from: midnight), authorisation: .none, at: bench.now)
        bench.commit()
        _ = try bench.submit()
        #expect(bench.poll(far).isEmpty)
        bench.pass(.days(1))
        bench.beat(far)
        let lease = try #require(bench.poll(far).first)
        bench.finish(lease, on: far)
        let report = try await bench.audit()
        #expect(report.ok, "\(report.failed)")
    }

    @Test("an audit finds an attempt that cites no decision, or one that the policy does not give")
    func forged() async throws {
        for isLying in [false, true] {
            var bench = try Bench()
            let far = try bench.addNode("far")
            bench.core.nodes[far]?.row.report.region = "mars"
            try bench.core.set(policy(1, ["de"]), authorisation: .none, at: bench.now)
            let escrow = AccountID(at: bench.now.wall, derivedFrom: [1]), subject = SubjectID(digestOf: [2])
            #expect(bench.core.post(Settlement.open(escrow: escrow, job: subject), at: bench.now) == nil)
            let charge = Charge(
                escrow: escrow, payer: bench.client.account, payee: bench.client.account, subject: subject,
                bound: .zero,
                grantedAt: bench.now.wall)
            let decision = try #require(bench.core.decision(about: far, at: bench.now))
            let chain = Settlement.grant(
                [charge], evidence: isLying ? decision.digest : .zero, in: bench.core.ledger)
            #expect(bench.core.post(chain, at: bench.now) == nil)
            bench.core.change.evidence.append(decision)
            bench.commit()
            let failed = try await bench.audit().failed.map(\.check)
            #expect(failed.contains(.jurisdiction))
        }
    }
}
