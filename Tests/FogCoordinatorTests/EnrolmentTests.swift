import FogCore
import FogJobs
import FogLedger
import FogStore
import Foundation
import Logging
import Testing

@testable import FogCoordinator

/// A coordinator at work on a database in a folder of its own, that can be stopped and started.
private final class Door: Sendable {
    let folder: String
    let key = SigningKey.generate()
    let admin = SigningKey.generate()

    init() {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("fog-enrol-\(UUID().uuidString)").path
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// A coordinator on the folder; its database is closed when the body ends.
    func open<Value>(
        _ rules: CoordinatorConfiguration = CoordinatorConfiguration(),
        _ body: (Coordinator, Principal) async throws -> Value
    ) async throws -> Value {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let store = try SQLiteStore(path: "\(folder)/fog.db")
        let content = ContentStore(
            store: store, blobs: try BlobFiles(folder: "\(folder)/content"),
            logs: try LogFiles(folder: "\(folder)/logs"))
        let coordinator = try await Coordinator.open(
            store: store, content: content, key: key, rules: rules, logger: logger)
        let principal = try await coordinator.enrol(
            admin, name: "operator", roles: [.admin, .client], account: nil)
        let value = try await body(coordinator, principal)
        let report = try await LedgerAuditor(store: store, coordinator: key.publicKey).run()
        #expect(report.ok, "\(report.json.compact)")
        try store.close()
        return value
    }

    static func invitation(
        by inviter: Principal, uses: Int = 1, roles: Set<Role> = [.worker], credits: Credits = .zero,
        owner: AccountID? = nil, approve: Bool = false, ttl: TimeSpan = .hours(1)
    ) -> Invitation {
        let now = SystemClock().now
        return Invitation(
            secretHash: Digest.sha256(SecureRandom.bytes(16)), roles: roles, uses: uses, owner: owner, credits: credits,
            needsApproval: approve, inviter: inviter.key, createdAt: now, expiresAt: now + ttl)
    }
}

extension Coordinator {
    fileprivate func join(_ invitation: Invitation, _ key: SigningKey = .generate(), name: String = "newcomer")
        async throws -> Joined
    {
        try await join(
            JoinRequest(
                secretHash: invitation.secretHash, key: key.publicKey, name: name,
                authorisation: try statement("join", by: key)))
    }
}

@Suite("Getting in")
struct EnrolmentTests {
    @Test("a token that many use at once lets in as many as it says", .timeLimit(.minutes(10)))
    func race() async throws {
        try await Door().open { coordinator, admin in
            let invitation = Door.invitation(by: admin, uses: 3, credits: .credits(2))
            try await coordinator.invite(invitation, by: admin)
            let ends = await withTaskGroup(of: Result<Joined, any Error>.self) { group in
                for _ in 0..<40 {
                    group.addTask {
                        do { return .success(try await coordinator.join(invitation)) } catch { return .failure(error) }
                    }
                }
                return await group.reduce(into: [Result<Joined, any Error>]()) { $0.append($1) }
            }
            var joined: [Principal] = []
            for end in ends {
                switch end {
                case .success(.enrolled(let principal)): joined.append(principal)
                case .success(.waiting): Issue.record("nobody waits here")
                case .failure(let error): #expect((error as? CoordinatorFailure)?.code == "bad_token")
                }
            }
            #expect(joined.count == 3)
            #expect(Set(joined.map(\.name)) == ["newcomer", "newcomer-2", "newcomer-3"])
            for principal in joined {
                #expect(try await coordinator.account(principal.account).balance == .credits(2))
            }
            #expect(await coordinator.enrolments().invitations.isEmpty)
        }
    }

    @Test("tokens, those who wait, and those who were let in outlive the coordinator")
    func restart() async throws {
        let door = Door()
        let (early, late, waiting) = (SigningKey.generate(), SigningKey.generate(), SigningKey.generate())
        let (open, approved) = try await door.open { coordinator, admin in
            let open = Door.invitation(by: admin, uses: 2)
            let approved = Door.invitation(by: admin, uses: 2, credits: .credits(1), approve: true)
            try await coordinator.invite(open, by: admin)
            try await coordinator.invite(approved, by: admin)
            _ = try await coordinator.join(open, early, name: "early")
            guard case .waiting = try await coordinator.join(approved, waiting, name: "patient") else {
                throw StoreFailure("unexpected", "an admin had to approve")
            }
            return (open, approved)
        }
        try await door.open { coordinator, admin in
            let known = await coordinator.enrolments()
            #expect(known.invitations.map(\.usesLeft) == [1, 1])
            #expect(known.applicants.map(\.name) == ["patient"])
            guard case .enrolled = try await coordinator.join(open, late, name: "late") else {
                throw StoreFailure("unexpected", "one use was left")
            }
            await #expect(throws: CoordinatorFailure.self) { try await coordinator.join(open) }
            // The answer may have been lost: the same key is told the same again.
            #expect(try await coordinator.join(open, early) == coordinator.join(open, early, name: "other"))
            guard case .waiting(let same) = try await coordinator.join(approved, waiting, name: "patient") else {
                throw StoreFailure("unexpected", "nobody has approved yet")
            }
            #expect(same.name == "patient")
            #expect(await coordinator.enrolments().invitations.map(\.usesLeft) == [1])
            let principal = try await coordinator.approve(
                "patient", by: admin, authorisation: try await coordinator.statement("approve", by: door.admin))
            #expect(try await coordinator.account(principal.account).balance == .credits(1))
        }
        try await door.open { coordinator, _ in
            #expect(await coordinator.enrolments().applicants.isEmpty)
            #expect(await coordinator.principal(waiting.publicKey.id)?.roles == [.worker])
        }
    }

    @Test("a refused key is told so, and may be approved after all")
    func refused() async throws {
        var rules = CoordinatorConfiguration()
        rules.approveNewcomers = true
        let door = Door()
        try await door.open(rules) { coordinator, admin in
            let invitation = Door.invitation(by: admin, uses: 5)
            try await coordinator.invite(invitation, by: admin)
            let key = SigningKey.generate()
            guard case .waiting(let applicant) = try await coordinator.join(invitation, key) else {
                throw StoreFailure("unexpected", "the coordinator's rule says that everybody waits")
            }
            #expect(await coordinator.principal(key.publicKey.id) == nil)
            _ = try await coordinator.withdraw(applicant.key.id.description, by: admin)
            let refusal = await #expect(throws: CoordinatorFailure.self) { try await coordinator.join(invitation, key) }
            #expect(refusal?.code == "forbidden")
            let principal = try await coordinator.approve(
                applicant.name, by: admin, authorisation: try await coordinator.statement("approve", by: door.admin))
            #expect(principal.key == key.publicKey)
        }
    }

    @Test("expired, withdrawn, unknown and a revoked inviter's tokens are refused alike")
    func alike() async throws {
        try await Door().open { coordinator, admin in
            var refusals: [CoordinatorFailure] = []
            func refused(_ invitation: Invitation) async throws {
                let refusal = await #expect(throws: CoordinatorFailure.self) { try await coordinator.join(invitation) }
                if let refusal { refusals.append(refusal) }
            }
            try await refused(Door.invitation(by: admin))
            let withdrawn = Door.invitation(by: admin)
            try await coordinator.invite(withdrawn, by: admin)
            _ = try await coordinator.withdraw(String(withdrawn.id.prefix(6)), by: admin)
            try await refused(withdrawn)
            let brief = Door.invitation(by: admin, ttl: .milliseconds(200))
            try await coordinator.invite(brief, by: admin)
            while SystemClock().now < brief.expiresAt { await Task.yield() }
            try await refused(brief)
            let other = try await coordinator.enrol(
                SigningKey.generate(), name: "other", roles: [.admin], account: nil)
            let theirs = Door.invitation(by: other)
            try await coordinator.invite(theirs, by: other)
            _ = try await coordinator.suspend("other", reason: "", by: admin)
            try await refused(theirs)
            _ = try await coordinator.resume("other", by: admin)
            guard case .enrolled = try await coordinator.join(theirs) else {
                throw StoreFailure("unexpected", "its inviter may act again")
            }
            #expect(refusals.count == 4 && refusals.allSatisfy { $0 == refusals[0] && $0.code == "bad_token" })
        }
    }

    @Test(
        "an invitation beyond a bound is refused with the member that is wrong",
        arguments: [
            ("uses", 10_001, "client", 0, .hours(1)), ("uses", 0, "client", 0, .hours(1)),
            ("roles", 1, nil, 0, .hours(1)), ("credits", 1, "client", -1, .hours(1)),
            ("ttl", 1, "client", 0, .zero), ("ttl", 1, "client", 0, .days(30) + .minutes(1)),
        ] as [(String, Int, String?, Int64, TimeSpan)])
    func bounds(member: String, uses: Int, role: String?, micro: Int64, ttl: TimeSpan) async throws {
        try await Door().open { coordinator, admin in
            let wrong = Door.invitation(
                by: admin, uses: uses, roles: Set(role.flatMap(Role.init).map { [$0] } ?? []),
                credits: Credits(micro: micro), ttl: ttl)
            let refusal = await #expect(throws: CoordinatorFailure.self) {
                try await coordinator.invite(wrong, by: admin)
            }
            #expect(refusal?.code == "bad_invitation" && refusal?.message.contains("`\(member)`") == true)
        }
    }

    @Test("a key has no more open invitations than it may")
    func openInvitations() async throws {
        var rules = CoordinatorConfiguration()
        rules.invitationsPerInviter = 2
        try await Door().open(rules) { coordinator, admin in
            for _ in 0..<2 { try await coordinator.invite(Door.invitation(by: admin), by: admin) }
            let refusal = await #expect(throws: CoordinatorFailure.self) {
                try await coordinator.invite(Door.invitation(by: admin), by: admin)
            }
            #expect(refusal?.code == "quota")
        }
    }

    @Test("many machines join one owner's account, and a second token brings a key more roles")
    func ownersAndRoles() async throws {
        try await Door().open { coordinator, admin in
            let machines = Door.invitation(by: admin, uses: 3, owner: admin.account)
            try await coordinator.invite(machines, by: admin)
            let key = SigningKey.generate()
            for (key, name) in [(key, "a"), (.generate(), "b")] {
                guard case .enrolled(let machine) = try await coordinator.join(machines, key, name: name) else {
                    throw StoreFailure("unexpected", "no approval is asked for")
                }
                #expect(machine.account == admin.account)
            }
            let more = Door.invitation(by: admin, roles: [.client])
            try await coordinator.invite(more, by: admin)
            guard case .enrolled(let widened) = try await coordinator.join(more, key, name: "a") else {
                throw StoreFailure("unexpected", "no approval is asked for")
            }
            #expect(widened.roles == [.worker, .client] && widened.name == "a")
            let stranger = Door.invitation(by: admin, roles: [.auditor], owner: AccountID(high: 1, low: 2))
            let refusal = await #expect(throws: CoordinatorFailure.self) {
                try await coordinator.invite(stranger, by: admin)
            }
            #expect(refusal?.code == "not_found")
        }
    }
}
