import FogAPI
import FogCoordinator
import FogCore
import FogJobs
import FogLedger
import FogNet
import Testing

@Suite("Who may issue credits", .timeLimit(.minutes(10)))
struct GrantTests {
    private static func grant(_ credits: Credits, to account: String) throws -> [UInt8] {
        try Wire.encode(GrantBody(account: account, credits: credits, reason: "a gift"))
    }

    @Test("nobody but an admin, neither to their own account nor to another's; nothing is issued")
    func onlyAdmins() async throws {
        try await Pool.with { pool in
            let before = await pool.coordinator.figures().ledgerRecords
            let ada = try pool.person("ada").principal.account
            for role in Role.allCases where role != .admin {
                let own = try pool.person(role.rawValue).principal.account
                for account in ["self", own.description, ada.description, "ada", AccountID.issuance.description] {
                    let answer = try await pool.ask(
                        "POST", "/v1/ledger/grants", by: role.rawValue, body: try Self.grant(.credits(5), to: account))
                    expectRefusal(answer, [403], code: "missing_role", "\(role) grants to \(account)")
                }
            }
            // Not even a request that says nothing is read before the role is.
            expectRefusal(
                try await pool.ask("POST", "/v1/ledger/grants", by: "worker", body: Array("{".utf8)), [403],
                code: "missing_role", "a broken body")
            #expect(await pool.coordinator.figures().ledgerRecords == before, "the ledger has grown")
            for (name, credits) in [("ada", 1000), ("client", 1000), ("worker", 0)] as [(String, Int64)] {
                let balance = try await pool.ask("GET", "/v1/ledger/accounts/self", by: name)
                #expect(try Wire.decode(BalanceBody.self, from: balance.body).balance == .credits(credits), "\(name)")
            }

            let answer = try await pool.ask(
                "POST", "/v1/ledger/grants", by: "admin", body: try Self.grant(.credits(5), to: "ada"))
            #expect(answer.status == 201)
            #expect(try Wire.decode(BalanceBody.self, from: answer.body).balance == .credits(1005))
            #expect(await pool.coordinator.figures().ledgerRecords > before)
            try await pool.isUnharmed()
        }
    }
}
