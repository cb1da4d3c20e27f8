import FogCore
import FogJobs
import FogLedger
import Testing

@testable import FogCoordinator
@testable import FogStore

/// Reservations that run out by the ledger's time.
@Suite("Reservations that run out")
struct OverdueTests {
    private static func bench() throws -> Bench {
        var rules = Bench.rules
        rules.reservationSlack = .hours(1)
        return try Bench(rules: rules)
    }

    private static func kinds(_ bench: Bench) async throws -> [TransferKind] {
        try await bench.store.readEconomy { economy in
            var found: [TransferKind] = []
            try economy.rows(of: .records) { row in
                guard case .record(_, let bytes, _, _) = row, let record = try? LedgerRecord(decoding: bytes) else {
                    return
                }
                if let kind = record.transfer?.kind, [.pending, .post, .void, .expire, .refund].contains(kind) {
                    found.append(kind)
                }
            }
            return found
        }
    }

    @Test("a reservation says when it ends; what is forgotten runs out, goes back, and the audit agrees")
    func forgotten() async throws {
        var bench = try Self.bench()
        let node = try bench.addNode("near")
        let before = try #require(bench.core.ledger.account(bench.client.account)).available
        let job = try bench.submit { $0.steps[0].resources.time = .minutes(10) }
        let lease = try #require(bench.poll(node, want: 1).first)
        let subject = CoordinatorCore.subject(of: lease.attempt)
        let pending = try #require(bench.core.ledger.overdue(at: bench.now.wall + .days(90), limit: 9).first)
        #expect(pending.subject == subject)
        // The limit of the task twice, ten minutes out of reach, and the slack.
        #expect(pending.expires == bench.now.wall + .minutes(90))
        bench.pass(.minutes(89))
        bench.core.endOverdue(at: bench.now)
        #expect(bench.core.ledger.pending(pending.id) != nil)
        bench.pass(.minutes(1))
        bench.core.endOverdue(at: bench.now)
        bench.commit()
        #expect(bench.core.ledger.pending(pending.id) == nil)
        #expect(bench.core.jobs[job]?.openAttempts == 0)
        #expect(bench.core.ledger.account(bench.client.account)?.available == before)
        #expect(try await Self.kinds(bench) == [.pending, .expire, .refund])
        let report = try await LedgerAuditor(store: bench.store).run()
        #expect(report.ok, "\(report.json.compact)")
    }

    @Test("a result that comes after its reservation ran out is paid anew, once, while the payer has it")
    func late() async throws {
        for isRich in [true, false] {
            var bench = try Self.bench()
            let (node, owner) = try bench.addStranger("far")
            _ = try bench.submit { spec in
                spec.steps[0].verify = .none
                spec.steps[0].resources.time = .minutes(10)
            }
            let lease = try #require(bench.poll(node, want: 1).first)
            bench.pass(.hours(2))
            if !isRich {
                // The payer spends the rest elsewhere meanwhile: what was reserved is still in the escrow.
                let account = try #require(bench.core.ledger.account(bench.client.account))
                let id = TransferID(high: 1 << 20, low: 3)
                let move = LedgerEntry(.move(.move, id: id, from: account.id, to: owner, amount: account.available))
                #expect(bench.core.post([move], at: bench.now) == nil)
            }
            let had = try #require(bench.core.ledger.account(owner)).balance
            _ = bench.finish(lease, on: node)
            bench.commit()
            let has = try #require(bench.core.ledger.account(owner)).balance
            #expect(has > had)
            let report = try await LedgerAuditor(store: bench.store).run()
            #expect(report.ok, "\(report.json.compact)")
            let kinds = try await Self.kinds(bench)
            #expect(kinds.filter { $0 == .expire }.count == 1)
            #expect(kinds.filter { $0 == .post }.count == 1)
        }
    }
}
