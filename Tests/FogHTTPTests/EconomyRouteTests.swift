import FogAPI
import FogCoordinator
import FogCore
import FogJobs
import FogLedger
import FogNet
import Testing

@Suite("Credits by somebody's word, asked over the API", .timeLimit(.minutes(10)))
struct EconomyRouteTests {
    private static func id() -> TransferID {
        var random = SystemRandomNumberGenerator()
        return TransferID(at: SystemClock().now, using: &random)
    }

    private func move(_ pool: Pool, _ body: TransferBody, by name: String) async throws -> CarrierResponse {
        try await pool.ask("POST", "/v1/ledger/transfers", by: name, body: Wire.encode(body))
    }

    private func balance(_ pool: Pool, of name: String) async throws -> BalanceBody {
        try Wire.decode(
            BalanceBody.self, from: try await pool.ask("GET", "/v1/ledger/accounts/self", by: name).body)
    }

    @Test("a transfer under one id is made once, and every refusal has its code and moves nothing")
    func transfers() async throws {
        try await Pool.with { pool in
            let body = TransferBody(kind: "transfer", to: "eve", credits: .credits(3), id: Self.id())
            for _ in 0..<3 { #expect(try await move(pool, body, by: "ada").status == 201) }
            #expect(try await balance(pool, of: "ada").balance == .credits(997))
            #expect(try await balance(pool, of: "eve").balance == .credits(1003))
            // The same id by somebody else is another movement.
            #expect(try await move(pool, body, by: "client").status == 201)
            func refused(_ change: (inout TransferBody) -> Void, _ code: String, by name: String = "ada") async throws {
                var other = body
                other.id = Self.id()
                change(&other)
                let answer = try await move(pool, other, by: name)
                expectRefusal(answer, [400, 404], code: code, "\(other)")
            }
            try await refused(
                {
                    $0.id = body.id; $0.credits = .credits(4)
                }, "exists_with_different_amount")
            try await refused(
                {
                    $0.id = body.id; $0.to = "client"
                }, "exists_with_different_credit_account")
            try await refused({ $0.credits = .zero }, "bad_amount")
            try await refused({ $0.credits = Credits(micro: -1) }, "bad_amount")
            try await refused({ $0.credits = .credits(100_000) }, "insufficient_funds")
            try await refused({ $0.to = "ada" }, "same_account")
            try await refused({ $0.to = "nobody" }, "unknown_account")
            try await refused({ $0.to = AccountID.issuance.description }, "unknown_account")
            try await refused({ $0.to = nil }, "bad_kind")
            try await refused({ $0.kind = "issue" }, "bad_kind")
            try await refused(
                {
                    $0.kind = "unstake"; $0.to = nil
                }, "unknown_account")
            // Accounts of another kind, of another unit, and one that is closed: a user is meant.
            for id in [AccountID.allowance, .pool(.compute), .treasury, AccountID(high: 9, low: 9)] {
                try await refused({ $0.to = id.description }, "unknown_account")
            }
            let records = try await pool.coordinator.audit().records
            for (credits, code, words) in [
                ("\"9223372036854.775808\"", "bad_amount", "at most 4611686018427"),
                ("\"99999999999999999999999999\"", "bad_amount", "at most 4611686018427"),
                ("\"-9223372036854.775808\"", "bad_amount", "at most 4611686018427"),
                ("\"1.0000001\"", "bad_amount", "reads 12 or 0.25"), ("\"1e3\"", "bad_amount", "reads 12 or 0.25"),
                ("\"\"", "bad_amount", "reads 12 or 0.25"), ("3", "bad_body", "`credits`"),
                ("\"-1\"", "bad_amount", "`credits` must be above 0, found -1"),
                ("\"0\"", "bad_amount", "`credits` must be above 0, found 0"),
                ("\"4611686018427\"", "insufficient_funds", "wanted 4611686018427"),
            ] {
                let body =
                    "{\"kind\": \"transfer\", \"to\": \"eve\", \"credits\": \(credits), \"id\": \"\(Self.id())\"}"
                let answer = try await pool.ask("POST", "/v1/ledger/transfers", by: "ada", body: Array(body.utf8))
                expectRefusal(answer, [400, 404], code: code, body)
                #expect(String(decoding: answer.body, as: UTF8.self).contains(words), "\(credits)")
            }
            // More than may ever be: the floor of what credits come from.
            let grant = try Wire.encode(
                GrantBody(account: "ada", credits: Credits(micro: 1 << 62), reason: "all there is"))
            let answer = try await pool.ask("POST", "/v1/ledger/grants", by: "admin", body: grant)
            expectRefusal(answer, [400, 404], code: "insufficient_funds", "a grant beyond the cap")
            #expect(try await pool.coordinator.audit().records == records)
            #expect(try await balance(pool, of: "ada").balance == .credits(997))
            try await pool.isUnharmed()
        }
    }

    @Test("a stake is taken and given back in time, and the balance says so")
    func stakes() async throws {
        try await Pool.with { pool in
            let stake = TransferBody(kind: "stake", credits: .credits(10), id: Self.id())
            let unstake = TransferBody(kind: "unstake", credits: .credits(4), id: Self.id())
            for body in [stake, stake, unstake, unstake] {
                #expect(try await move(pool, body, by: "ada").status == 201)
            }
            let after = try await balance(pool, of: "ada")
            #expect(
                (after.balance, after.staked, after.unbonding?.map(\.credits)) == (
                    .credits(990), .credits(6), [.credits(4)]
                ))
            try await pool.isUnharmed()
        }
    }

    @Test("payer and payee see each step of a job's money, and nobody else does")
    func jobHistory() async throws {
        try await Pool.with { pool in
            let id = try await pool.submit()
            let lease = try #require(try await pool.leases(1, by: "hal").first)
            _ = try await pool.complete([pool.report(lease, by: "hal")], by: "hal")
            func history(_ name: String) async throws -> [JobHistoryBody.Line]? {
                let answer = try await pool.ask("GET", "/v1/ledger/jobs/\(id)/history", by: name)
                guard answer.status == 200 else { return nil }
                return try Wire.decode(JobHistoryBody.self, from: answer.body).lines
            }
            let payer = try #require(try await history("ada"))
            #expect(payer.map(\.kind) == ["refund", "post", "pending", "hold"])
            #expect(payer[1].attempt == lease.attempt && payer[1].evidence != nil)
            #expect(
                payer.map(\.why) == [
                    "nothing of the job runs", "success", "price bound of the lease", "the escrow lacked it",
                ])
            let payee = try #require(try await history("hal"))
            #expect(payee.first { $0.kind == "post" }?.why == "success")
            #expect(payee.map(\.kind).contains("post") && !payee.map(\.kind).contains("hold"))
            #expect(payee.allSatisfy { $0.attempt == lease.attempt })
            #expect(try await history("auditor")?.count == 4)
            #expect(try await history("eve") == nil)
            #expect(try await history("worker") == nil)
            let earnings = try Wire.decode(
                EarningsBody.self, from: try await pool.ask("GET", "/v1/ledger/accounts/self/earnings", by: "hal").body)
            #expect(earnings.lines.map(\.attempt) == [lease.attempt])
            try await pool.isUnharmed()
        }
    }

    @Test("a reward is shown with what made it, a correction takes it back, the statement counts both")
    func rewards() async throws {
        try await Pool.with { pool in
            var body = RewardBody(
                rule: "bug-report", account: "eve", quantity: 1, quality: 5, complexity: 3, evidence: .sha256([1]),
                reason: "a leak", id: Self.id())
            func reward() async throws -> CarrierResponse {
                try await pool.ask("POST", "/v1/ledger/rewards", by: "admin", body: Wire.encode(body))
            }
            for _ in 0..<2 { #expect(try await reward().status == 201) }
            #expect(try await balance(pool, of: "eve").balance == .credits(1040))
            let answer = try await pool.ask("GET", "/v1/ledger/accounts/self/earnings", by: "eve")
            let line = try #require(try Wire.decode(EarningsBody.self, from: answer.body).lines.first)
            #expect((line.kind, line.amount, line.base) == ("bug-report", .credits(40), .credits(20)))
            #expect((line.multipliers, line.limit, line.verification) == ([10_000, 20_000, 10_000], "none", "stated"))
            body.rule = "compute"
            expectRefusal(try await reward(), [400], code: "bad_reward", "compute by a person's word")
            body.rule = "bug-report"
            body.quality = 6
            expectRefusal(try await reward(), [400], code: "bad_grade", "six of five")
            let history = try await pool.ask("GET", "/v1/ledger/accounts/self/history", by: "eve")
            let transfer = try #require(try Wire.decode(HistoryBody.self, from: history.body).lines.first?.transfer)
            let correction = try Wire.encode(CorrectionBody(transfer: transfer, reason: "known before"))
            #expect(try await pool.ask("POST", "/v1/ledger/corrections", by: "admin", body: correction).status == 201)
            expectRefusal(
                try await pool.ask("POST", "/v1/ledger/corrections", by: "admin", body: correction), [409],
                code: "conflict", "twice")
            let statement = try Wire.decode(
                StatementBody.self,
                from: try await pool.ask("GET", "/v1/ledger/accounts/self/statement", by: "eve").body)
            #expect((statement.opening, statement.closing) == (.zero, .credits(1000)))
            let sums = statement.sums.filter { $0.kind != "issue" }.map { [$0.gained, $0.lost] }
            #expect(sums == [[.credits(40), .zero], [.zero, .credits(40)]])
            try await pool.isUnharmed()
        }
    }
}
