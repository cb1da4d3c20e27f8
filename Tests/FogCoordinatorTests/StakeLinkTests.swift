import FogCore
import FogJobs
import FogLedger
import FogPlacement
import Testing

@testable import FogCoordinator

@Suite("Owners whose stakes come out of one purse")
struct StakeLinkTests {
    private static func move(
        _ bench: inout Bench, _ movement: CoordinatorCore.Movement, _ amount: Int64, by principal: Principal
    ) throws {
        let id = TransferID(high: 1 << 20, low: .random(in: 1 ... .max, using: &bench.core.generator))
        _ = try bench.core.move(
            .credits(amount), movement, id: id, by: principal, authorisation: .none, known: [:], at: bench.now)
        bench.commit()
    }

    private static func owner(_ bench: inout Bench, _ name: String) throws -> Principal {
        let principal = try bench.core.enrol(
            key: SigningKey.generate().publicKey, name: name, roles: [.client], account: nil, at: bench.now)
        _ = try bench.addNode("node of \(name)", owner: principal.account)
        return principal
    }

    @Test(
        "Who gave another the credits that he staked counts as one with him, also after a restart; an operator does not"
    )
    func linked() async throws {
        var bench = try Bench()
        let ann = try Self.owner(&bench, "ann"), bob = try Self.owner(&bench, "bob")
        let cat = try Self.owner(&bench, "cat"), dan = try Self.owner(&bench, "dan")
        for person in [ann, cat, dan] { try Self.move(&bench, .transfer(to: person.account), 10, by: bench.client) }
        for person in [cat, dan] { try Self.move(&bench, .stake, 5, by: person) }
        try Self.move(&bench, .transfer(to: bob.account), 5, by: ann)
        bench.core.refreshKinship()
        // A gift alone says nothing; nor does what the operator began all with.
        #expect(!bench.core.kinship.areKin(ann.account, bob.account))
        #expect(!bench.core.kinship.areKin(cat.account, dan.account))
        try Self.move(&bench, .stake, 5, by: bob)
        bench.core.refreshKinship()
        #expect(bench.core.kinship.areKin(ann.account, bob.account))
        // One purse for two: they are kin of each other too.
        try Self.move(&bench, .transfer(to: cat.account), 1, by: ann)
        bench.core.refreshKinship()
        #expect(!bench.core.kinship.areKin(bob.account, cat.account))
        try Self.move(&bench, .stake, 1, by: cat)
        try await bench.restart()
        bench.core.refreshKinship()
        #expect(bench.core.kinship.areKin(bob.account, cat.account))
        #expect(!bench.core.kinship.areKin(bob.account, dan.account))
    }

    @Test("Links are bounded, and read back as they were written")
    func bounded() {
        var links = StakeLinks(), generator = SeededGenerator(seed: 3)
        func account() -> AccountID {
            AccountID(high: .random(in: 1 ... .max, using: &generator), low: .random(in: 0 ... .max, using: &generator))
        }
        let owner = account(), giver = account()
        #expect(!links.gave(owner, to: owner) && links.gave(giver, to: owner) && !links.gave(giver, to: owner))
        for _ in 0..<40 { links.gave(account(), to: owner) }
        #expect(links.links.isEmpty && links.hasStaked(owner) && !links.hasStaked(owner))
        #expect(links.links.count == StakeLinks.mostGivers)
        #expect(StakeLinks(saved: links.saved) == links && StakeLinks(saved: nil) == StakeLinks())
    }
}
