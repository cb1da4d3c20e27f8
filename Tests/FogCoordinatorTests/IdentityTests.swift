import FogCore
import FogJobs
import FogLedger
import FogStore
import Testing

@testable import FogCoordinator

@Suite("Keys that are suspended, revoked and replaced")
struct IdentityTests {
    /// Somebody else's account with a client's key.
    private func stranger(_ name: String, in bench: inout Bench) throws -> Principal {
        try bench.core.enrol(
            key: SigningKey.generate().publicKey, name: name, roles: [.client], account: nil, at: bench.now)
    }

    @Test("a suspended key's jobs are cancelled and its machine's work goes elsewhere, in one change")
    func suspend() async throws {
        var bench = try Bench()
        let eve = try stranger("eve", in: &bench)
        let document = try GrantDocument(
            account: eve.account, amount: .credits(10), time: bench.now.wall, reason: "x", signedBy: bench.key)
        _ = try bench.core.grant(document, by: bench.client, at: bench.now)
        let node = try bench.addNode("n1")
        let theirs = try bench.submit("theirs", by: eve)
        let ours = try bench.submit("ours")
        #expect(bench.poll(node, want: 1).count == 1)
        let suspended = try bench.core.suspend(eve.key.id, reason: "too much", by: bench.client, at: bench.now)
        #expect(suspended.suspendedAt == bench.now.wall)
        #expect(bench.core.principal(eve.key.id) == nil, "it may not act")
        let taken = bench.core.takeChange()
        let change = try #require(taken)
        #expect(change.principals.contains { $0.suspendedAt != nil } && change.progress[theirs]?.cancelReason != nil)
        #expect(bench.store.apply(change) == .applied)
        #expect(try await bench.job(ours).progress.cancelReason == nil)
        try await bench.restart()
        #expect(bench.core.principal(eve.key.id) == nil)
        _ = try bench.core.resume(eve.key.id, by: bench.client, at: bench.now)
        bench.commit()
        #expect(bench.core.principal(eve.key.id)?.isActive == true)
        #expect(try await bench.audit().ok)
    }

    @Test("a suspended worker loses its leases at once, nobody is blamed, and it comes back when it may")
    func suspendWorker() async throws {
        var bench = try Bench()
        let (slow, quick) = (try bench.addNode("slow"), try bench.addNode("quick"))
        let job = try bench.submit()
        let lease = try #require(bench.poll(slow).first)
        let key = bench.key(of: slow).publicKey.id
        _ = try bench.core.suspend(key, reason: "", by: bench.client, at: bench.now)
        bench.commit()
        #expect(bench.core.nodes[slow]?.leases.isEmpty == true)
        #expect(bench.core.nodes[slow]?.row.recentFaults.isEmpty == true)
        #expect(throws: CoordinatorFailure.self) { try bench.hello("slow") }
        bench.live(.minutes(1), beating: [quick])
        let again = try #require(bench.poll(quick).first)
        #expect(again.attempt.task == lease.attempt.task && again.attempt.token > lease.attempt.token)
        #expect(bench.finish(again, on: quick)?.verdict == .accepted)
        #expect(try await bench.job(job).state == .succeeded)
        _ = try bench.core.resume(key, by: bench.client, at: bench.now)
        try bench.hello("slow")
        #expect(bench.core.nodes[slow]?.liveness == .live)
        #expect(try await bench.audit().ok)
    }

    @Test("a revoked worker's leases end, its node is gone for good, and the books stay right")
    func revokeWorker() async throws {
        var bench = try Bench()
        let (first, owner) = try bench.addStranger("first")
        let second = try bench.addNode("second")
        let job = try bench.submit(count: 2) { $0.steps[0].verify = .none }
        let leases = bench.poll(first, want: 2)
        #expect(leases.count == 2)
        bench.pass(.seconds(30))
        #expect(bench.finish(try #require(leases.first), on: first)?.verdict == .accepted)
        #expect(try #require(bench.core.ledger.account(owner)).balance > .zero)
        let key = bench.key(of: first).publicKey.id
        _ = try bench.core.revoke(key, reason: "stolen", by: bench.client, at: bench.now)
        bench.commit()
        #expect(bench.core.nodes[first]?.row.standing == .revoked)
        #expect(throws: CoordinatorFailure.self) { try bench.hello("first") }
        #expect(throws: CoordinatorFailure.self) { try bench.core.resume(key, by: bench.client, at: bench.now) }
        bench.live(.minutes(1), beating: [second])
        let lease = try #require(bench.poll(second).first)
        #expect(bench.finish(lease, on: second)?.verdict == .accepted)
        #expect(try await bench.job(job).state == .succeeded)
        try await bench.restart()
        #expect(bench.core.principal(key) == nil)
        let audit = try await bench.audit()
        #expect(audit.ok, "\(audit.failed)")
    }

    @Test("what a revoked key's receipts speak of is never paid")
    func unpaidWork() async throws {
        var bench = try Bench()
        let (evicted, owner) = try bench.addStranger("evicted")
        let job = try bench.submit()
        let lease = try #require(bench.poll(evicted).first)
        bench.pass(.seconds(60))
        let file = OutputFile(name: "state", size: 3, executable: false, digest: .blake2b([1, 2, 3]))
        #expect(
            bench.finish(lease, on: evicted, outcome: .evictedUser, exitCode: nil, checkpoint: [file])?.verdict
                == .accepted)
        #expect(bench.core.jobs[job]?.tasks[0]?.record.trail?.work.isEmpty == false, "there is something to forget")
        _ = try bench.core.revoke(bench.key(of: evicted).publicKey.id, reason: "", by: bench.client, at: bench.now)
        bench.commit()
        let other = try bench.addNode("other")
        bench.live(.minutes(1), beating: [other])
        let again = try #require(bench.poll(other).first)
        bench.pass(.seconds(60))
        #expect(bench.finish(again, on: other)?.verdict == .accepted)
        #expect(bench.core.ledger.account(owner)?.balance == .zero)
        let audit = try await bench.audit()
        #expect(audit.ok, "\(audit.failed)")
    }

    @Test("the last key that may administer the pool stays")
    func lastAdmin() throws {
        var bench = try Bench()
        let id = bench.client.key.id
        let suspension = #expect(throws: CoordinatorFailure.self) {
            try bench.core.suspend(id, reason: "", by: bench.client, at: bench.now)
        }
        let revocation = #expect(throws: CoordinatorFailure.self) {
            try bench.core.revoke(id, reason: "", by: bench.client, at: bench.now)
        }
        #expect(suspension?.code == "conflict" && revocation?.code == "conflict")
        let other = try bench.core.enrol(
            key: SigningKey.generate().publicKey, name: "deputy", roles: [.admin], account: nil, at: bench.now)
        _ = try bench.core.revoke(id, reason: "", by: other, at: bench.now)
        #expect(bench.core.principal(id) == nil)
    }

    // MARK: - Rotation

    private func statement(_ old: SigningKey, _ new: SigningKey, in bench: Bench) -> RotationStatement {
        RotationStatement(
            coordinator: bench.key.publicKey, old: old.publicKey, new: new.publicKey, time: bench.now.wall)
    }

    private func request(_ key: SigningKey) throws -> Authorisation {
        let base = Array("what was asked".utf8)
        return try Authorisation(base: base, key: key.publicKey.id, signature: key.sign(base))
    }

    @Test("a worker's new key keeps its name, account, roles and node; the ledger has both in one chain")
    func rotate() async throws {
        var bench = try Bench()
        let (node, owner) = try bench.addStranger("n1")
        let (old, new) = (bench.key(of: node), SigningKey.generate())
        let before = bench.core.ledger.head.count
        let statement = statement(old, new, in: bench)
        let row = try bench.core.rotate(
            statement, consent: new.sign(statement.bytes), request: request(old), at: bench.now)
        bench.commit()
        #expect(bench.core.ledger.head.count == before + 2)
        #expect(row.name == "n1" && row.roles == [.worker] && row.account == owner && row.key == new.publicKey)
        #expect(bench.core.principal(old.publicKey.id) == nil)
        #expect(throws: CoordinatorFailure.self) { try bench.hello("n1", key: old) }
        #expect(try bench.hello("n1", key: new) == node, "the same node")
        try await bench.restart()
        #expect(bench.core.nodeOfKey[new.publicKey.id] == node && bench.core.nodeOfKey[old.publicKey.id] == nil)
        #expect(bench.core.principal(new.publicKey.id)?.account == owner)
        let audit = try await bench.audit()
        #expect(audit.ok, "\(audit.failed)")
    }

    @Test("a node with leases keeps its key until they are over")
    func rotateWithWork() throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        _ = try bench.submit()
        let lease = try #require(bench.poll(node).first)
        let (old, new) = (bench.key(of: node), SigningKey.generate())
        let statement = statement(old, new, in: bench)
        let refusal = #expect(throws: CoordinatorFailure.self) {
            try bench.core.rotate(statement, consent: new.sign(statement.bytes), request: request(old), at: bench.now)
        }
        #expect(refusal?.code == "conflict" && refusal?.message.contains("n1") == true)
        bench.finish(lease, on: node)
        _ = try bench.core.rotate(statement, consent: new.sign(statement.bytes), request: request(old), at: bench.now)
    }

    @Test("a statement that the new key did not sign, or for another pool, an old one, a known key: refused")
    func forged() throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        let (old, new, other) = (bench.key(of: node), SigningKey.generate(), SigningKey.generate())
        let good = statement(old, new, in: bench)
        let foreign = RotationStatement(
            coordinator: other.publicKey, old: old.publicKey, new: new.publicKey, time: bench.now.wall)
        let late = RotationStatement(
            coordinator: bench.key.publicKey, old: old.publicKey, new: new.publicKey, time: bench.now.wall - .minutes(6)
        )
        let same = statement(old, old, in: bench)
        let wrong: [(RotationStatement, SigningKey)] = [
            (good, other), (good, old), (foreign, new), (late, new), (same, old),
        ]
        for (statement, signer) in wrong {
            let refusal = #expect(throws: CoordinatorFailure.self) {
                try bench.core.rotate(
                    statement, consent: signer.sign(statement.bytes), request: request(old), at: bench.now)
            }
            #expect(refusal?.code == "bad_rotation")
        }
        let taken = try bench.core.enrol(
            key: other.publicKey, name: "other", roles: [.client], account: nil, at: bench.now)
        let theirs = statement(old, other, in: bench)
        let refusal = #expect(throws: CoordinatorFailure.self) {
            try bench.core.rotate(theirs, consent: other.sign(theirs.bytes), request: request(old), at: bench.now)
        }
        #expect(refusal?.code == "conflict" && bench.core.principal(taken.key.id)?.name == "other")
        #expect(bench.core.principal(old.publicKey.id) != nil)
    }
}
