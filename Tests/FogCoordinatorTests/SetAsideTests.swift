import FogCore
import FogJobs
import FogLedger
import FogStore
import Testing

@testable import FogCoordinator

@Suite("Work that no machine can take keeps no other work from the machines")
struct SetAsideTests {
    private static func elsewhere(_ spec: inout JobSpec) { spec.steps[0].requires = [.label("elsewhere")] }

    @Test("An array that waits for a machine that is not there does not stop its own account's jobs")
    func sameAccount() throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        _ = try bench.submit("waits", count: 1000, Self.elsewhere)
        bench.pass(.seconds(1))
        _ = try bench.submit("runs", count: 4)
        var names: [String] = []
        for _ in 0..<3 where names.isEmpty { names = bench.poll(node).map(\.jobName) }
        #expect(names == ["runs", "runs", "runs", "runs"])
    }

    @Test("Nor do many jobs that wait, whoever is before whom; when their machine comes they run")
    func manyJobs() throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        for number in 0..<20 { _ = try bench.submit("waits \(number)", Self.elsewhere) }
        bench.pass(.seconds(1))
        _ = try bench.submit("runs")
        var names: [String] = []
        for _ in 0..<8 where names.isEmpty { names = bench.poll(node).map(\.jobName) }
        #expect(names == ["runs"])
        var labels: [String: String?] = [:]
        labels.updateValue("", forKey: "elsewhere")
        let other = try bench.addNode("n2")
        try bench.core.label(other, labels, by: bench.client, at: bench.now)
        #expect(bench.poll(other).count == 4)
    }

    @Test("What waits takes no part of the machines from other accounts")
    func otherAccounts() throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        let bob = try bench.core.enrol(
            key: SigningKey.generate().publicKey, name: "bob", roles: [.client], account: nil, at: bench.now)
        let gift = try GrantDocument(
            account: bob.account, amount: .credits(100), time: bench.now.wall, reason: "to begin with",
            signedBy: bench.key)
        _ = try bench.core.grant(gift, by: bench.client, at: bench.now)
        _ = try bench.submit("waits", count: 1000, Self.elsewhere)
        _ = try bench.submit("runs", count: 4, by: bob)
        _ = bench.poll(node, want: 0)
        var names: [String] = []
        for _ in 0..<3 { names += bench.poll(node, want: 4 - names.count).map(\.jobName) }
        #expect(names == ["runs", "runs", "runs", "runs"])
    }
}
