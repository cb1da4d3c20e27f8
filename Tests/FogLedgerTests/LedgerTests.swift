import FogCore
import FogLedger
import Testing

@Suite("Ledger")
struct LedgerTests {
    @Test("a move debits one account and credits the other")
    func move() throws {
        let fixture = try LedgerFixture()
        let (from, to) = (try fixture.funded(micro(100)), fixture.account())
        #expect(
            fixture.apply(.move(.move, id: fixture.transferID(), from: from, to: to, amount: micro(40))).word
                == "applied")
        #expect(fixture.found(from)?.balance == micro(60))
        #expect(fixture.found(to)?.counters == Counters(creditsPosted: 40))
        #expect(fixture.found(.issuance)?.balance == micro(-100))
    }

    @Test("a pending amount is out of reach until it is posted in part, and the rest comes back")
    func pendingAndPost() throws {
        let fixture = try LedgerFixture()
        let (from, to, subject) = (try fixture.funded(micro(100)), fixture.account(), fixture.subject())
        let id = fixture.transferID()
        let opened = fixture.apply(.pending(id: id, from: from, to: to, amount: micro(70)), subject: subject)
        #expect(opened.change?.pendingOpened.map(\.id) == [id])
        #expect(opened.change?.accounts.map(\.id) == [from, to])
        #expect(fixture.found(from)?.available == micro(30))
        #expect(fixture.found(from)?.balance == micro(100))
        let evidence = try fixture.receipt(for: subject, by: to)
        let post = fixture.transferID()
        let posted = fixture.apply(.post(id: post, of: id, amount: micro(50)), subject: subject, evidence: evidence)
        #expect(posted.change?.pendingResolved == [PendingResolution(pending: id, kind: .post, sequence: 8)])
        #expect(fixture.found(from)?.counters == Counters(debitsPosted: 50, creditsPosted: 100))
        #expect(fixture.found(to)?.counters == Counters(creditsPosted: 50))
        #expect(fixture.ledger.openPendingCount == 0)
        #expect(
            fixture.apply(.post(id: post, of: id, amount: micro(50)), subject: subject, evidence: evidence).word
                == "exists")
        #expect(
            fixture.apply(.post(id: post, of: id, amount: micro(49)), subject: subject, evidence: evidence).word
                == "exists_with_different_amount")
        #expect(
            fixture.apply(.post(id: fixture.transferID(), of: id, amount: .zero), subject: subject, evidence: evidence)
                .word == "already_posted")
        #expect(fixture.apply(.void(id: fixture.transferID(), of: id), subject: subject).word == "already_posted")
    }

    @Test("what is over can only expire, and what is not over cannot")
    func expiry() throws {
        let fixture = try LedgerFixture()
        let (from, to) = (try fixture.funded(micro(10)), fixture.account())
        let (id, other) = (fixture.transferID(), fixture.transferID())
        let expires = fixture.clock + .seconds(60)
        fixture.apply(.pending(id: id, from: from, to: to, amount: micro(4), expires: expires))
        fixture.apply(.pending(id: other, from: from, to: to, amount: micro(4)))
        #expect(fixture.apply(.expire(id: fixture.transferID(), of: id)).word == "not_expired_yet")
        #expect(fixture.ledger.overdue(at: fixture.clock, limit: 10).isEmpty)
        fixture.clock = expires
        #expect(
            fixture.apply(.post(id: fixture.transferID(), of: id, amount: micro(1)), evidence: .sha256([1])).word
                == "expired")
        #expect(fixture.apply(.void(id: fixture.transferID(), of: id)).word == "expired")
        let overdue = fixture.ledger.overdue(at: fixture.clock, limit: 10)
        #expect(overdue.map(\.id) == [id])
        #expect(fixture.apply(Settlement.expire(overdue[0])).word == "applied")
        #expect(fixture.apply(Settlement.expire(overdue[0])).word == "exists")
        #expect(fixture.apply(.expire(id: fixture.transferID(), of: other)).word == "not_expired_yet")
        #expect(fixture.found(from)?.available == micro(6))
        #expect(
            fixture.apply(.post(id: fixture.transferID(), of: id, amount: micro(1)), evidence: .sha256([1])).word
                == "expired")
        #expect(
            fixture.apply(
                .pending(id: fixture.transferID(), from: from, to: to, amount: micro(1), expires: fixture.clock)
            ).word == "expired")
    }

    /// A refusal: what is tried, and the code it is answered with.
    struct Refusal: Sendable, CustomTestStringConvertible {
        let code: String
        let attempt: @Sendable (Stage) -> [LedgerEntry]
        var testDescription: String { code }

        init(_ code: String, _ attempt: @escaping @Sendable (Stage) -> [LedgerEntry]) {
            self.code = code
            self.attempt = attempt
        }
    }

    /// Accounts for the refusals: `rich` has 100 micro-credits, `gone` is closed, `held` is a pending transfer of 10
    /// for `work`, `quota` counts another unit.
    struct Stage {
        let rich, poor, gone, quota, escrow: AccountID
        let held, fresh, another: TransferID
        let work: SubjectID
        let key: PublicKey
    }

    static let refusals: [Refusal] = [
        Refusal("insufficient_funds") {
            [LedgerEntry(.move(.move, id: $0.fresh, from: $0.rich, to: $0.poor, amount: micro(91)))]
        },
        Refusal("insufficient_funds") {
            [LedgerEntry(.pending(id: $0.fresh, from: $0.poor, to: $0.rich, amount: micro(1)))]
        },
        Refusal("unknown_account") {
            [LedgerEntry(.move(.move, id: $0.fresh, from: $0.rich, to: AccountID(high: 9, low: 9), amount: micro(1)))]
        },
        Refusal("unknown_account") { _ in [LedgerEntry(.close(AccountID(high: 9, low: 9)))] },
        Refusal("account_closed") {
            [LedgerEntry(.move(.move, id: $0.fresh, from: $0.rich, to: $0.gone, amount: micro(1)))]
        },
        Refusal("account_closed") {
            [LedgerEntry(.pending(id: $0.fresh, from: $0.gone, to: $0.rich, amount: .zero))]
        },
        Refusal("system_account") { _ in [LedgerEntry(.close(.treasury))] },
        Refusal("account_not_empty") { [LedgerEntry(.close($0.rich))] },
        Refusal("account_not_empty") { [LedgerEntry(.close($0.poor))] },
        Refusal("bad_amount") {
            [LedgerEntry(.move(.move, id: $0.fresh, from: $0.rich, to: $0.poor, amount: .zero))]
        },
        Refusal("bad_amount") {
            [LedgerEntry(.pending(id: $0.fresh, from: $0.rich, to: $0.poor, amount: micro(-1)))]
        },
        Refusal("bad_amount") {
            [LedgerEntry(.post(id: $0.fresh, of: $0.held, amount: micro(-1)), subject: $0.work, evidence: .sha256([1]))]
        },
        Refusal("same_account") {
            [LedgerEntry(.move(.move, id: $0.fresh, from: $0.rich, to: $0.rich, amount: micro(1)))]
        },
        Refusal("unit_mismatch") {
            [LedgerEntry(.move(.move, id: $0.fresh, from: $0.rich, to: $0.quota, amount: micro(1)))]
        },
        Refusal("kind_not_allowed") {
            [LedgerEntry(.move(.move, id: $0.fresh, from: .issuance, to: $0.rich, amount: micro(1)))]
        },
        Refusal("kind_not_allowed") {
            [
                LedgerEntry(
                    .move(.issue, id: $0.fresh, from: $0.rich, to: $0.poor, amount: micro(1)), evidence: .sha256([1]))
            ]
        },
        Refusal("kind_not_allowed") {
            [LedgerEntry(.move(.hold, id: $0.fresh, from: $0.rich, to: $0.poor, amount: micro(1)))]
        },
        Refusal("kind_not_allowed") {
            [LedgerEntry(.move(.refund, id: $0.fresh, from: $0.rich, to: $0.poor, amount: micro(1)))]
        },
        Refusal("kind_not_allowed") {
            [LedgerEntry(.move(.fee, id: $0.fresh, from: $0.rich, to: .treasury, amount: micro(1)))]
        },
        Refusal("evidence_missing") {
            [LedgerEntry(.move(.issue, id: $0.fresh, from: .issuance, to: $0.rich, amount: micro(1)))]
        },
        Refusal("evidence_missing") {
            [LedgerEntry(.post(id: $0.fresh, of: $0.held, amount: micro(1)), subject: $0.work)]
        },
        Refusal("exists_with_different_subject") {
            [LedgerEntry(.post(id: $0.fresh, of: $0.held, amount: micro(1)), evidence: .sha256([1]))]
        },
        Refusal("exceeds_pending") {
            [LedgerEntry(.post(id: $0.fresh, of: $0.held, amount: micro(11)), subject: $0.work, evidence: .sha256([1]))]
        },
        Refusal("unknown_pending") { [LedgerEntry(.void(id: $0.fresh, of: $0.another), subject: $0.work)] },
        Refusal("id_not_derived") {
            [LedgerEntry(.move(.move, id: $0.fresh, from: $0.rich, to: $0.poor, amount: micro(1), ordinal: 0))]
        },
        Refusal("id_repeated_in_chain") {
            let entry = LedgerEntry(.move(.move, id: $0.fresh, from: $0.rich, to: $0.poor, amount: micro(1)))
            return [entry, entry]
        },
        Refusal("partly_applied") {
            [
                LedgerEntry(.pending(id: $0.held, from: $0.rich, to: $0.poor, amount: micro(10)), subject: $0.work),
                LedgerEntry(.move(.move, id: $0.fresh, from: $0.rich, to: $0.poor, amount: micro(1))),
            ]
        },
        Refusal("partly_applied") {
            [
                LedgerEntry(.move(.move, id: $0.fresh, from: $0.rich, to: $0.poor, amount: micro(1))),
                LedgerEntry(.pending(id: $0.held, from: $0.rich, to: $0.poor, amount: micro(10)), subject: $0.work),
            ]
        },
        Refusal("exists_with_different_kind") {
            [LedgerEntry(.move(.move, id: $0.held, from: $0.rich, to: $0.poor, amount: micro(10)), subject: $0.work)]
        },
        Refusal("exists_with_different_credit_account") {
            [LedgerEntry(.pending(id: $0.held, from: $0.rich, to: .fees, amount: micro(10)), subject: $0.work)]
        },
        Refusal("exists_with_different_subject") {
            [LedgerEntry(.pending(id: $0.held, from: $0.rich, to: $0.poor, amount: micro(10)))]
        },
        Refusal("exists_with_different_owner") {
            [LedgerEntry(.open(AccountOpening(id: $0.rich, kind: .user, owner: $0.work)))]
        },
        Refusal("exists_with_different_kind") { [LedgerEntry(.open(AccountOpening(id: $0.gone, kind: .escrow)))] },
        Refusal("already_posted") {
            [
                LedgerEntry(
                    .post(id: $0.fresh, of: $0.held, amount: micro(1)), subject: $0.work, evidence: .sha256([1])),
                LedgerEntry(
                    .post(id: $0.another, of: $0.held, amount: micro(1)), subject: $0.work, evidence: .sha256([1])),
            ]
        },
        Refusal("already_paid") {
            [
                LedgerEntry(.pending(id: $0.fresh, from: $0.rich, to: $0.poor, amount: micro(1)), subject: $0.work),
                LedgerEntry(
                    .post(id: $0.another, of: $0.fresh, amount: micro(1)), subject: $0.work, evidence: .sha256([1])),
                LedgerEntry(
                    .post(id: TransferID(high: 8, low: 8), of: $0.held, amount: micro(1)), subject: $0.work,
                    evidence: .sha256([1])),
            ]
        },
        Refusal("id_not_of_kind") {
            [
                LedgerEntry(
                    .open(AccountOpening(id: AccountID(high: $0.escrow.high, low: 1), kind: .issuance)))
            ]
        },
        Refusal("id_not_of_kind") { _ in
            [LedgerEntry(.open(AccountOpening(id: AccountID(high: 7, low: 7), kind: .pool)))]
        },
        Refusal("unit_not_of_kind") { _ in
            [LedgerEntry(.open(AccountOpening(id: AccountID(high: 7, low: 7), kind: .user, unit: .quota)))]
        },
        Refusal("no_rule_in_force") {
            [
                LedgerEntry(
                    .open(
                        AccountOpening(
                            id: .unbonding(of: $0.rich, until: Timestamp(seconds: 1 << 33)), kind: .unbonding,
                            owner: $0.rich.asOwner)))
            ]
        },
        Refusal("kind_not_allowed") {
            [
                LedgerEntry(
                    .move(.reward, id: $0.fresh, from: $0.rich, to: $0.poor, amount: micro(1)), evidence: .sha256([1]))
            ]
        },
        Refusal("evidence_missing") {
            [LedgerEntry(.move(.slash, id: $0.fresh, from: $0.rich, to: .treasury, amount: micro(1)))]
        },
        Refusal("unknown_transfer") {
            [
                LedgerEntry(
                    .move(.correct, id: $0.fresh, from: $0.rich, to: $0.poor, amount: micro(1)), subject: $0.work,
                    evidence: .sha256([1]))
            ]
        },
        Refusal("bad_rule") { _ in
            [
                LedgerEntry(
                    .setRule(.jurisdiction(JurisdictionTerms(version: 1, from: .zero, regions: ["eu", "de"]))))
            ]
        },
        Refusal("bad_chain_length") { _ in [] },
        Refusal("bad_chain_length") { stage in
            [LedgerEntry](repeating: LedgerEntry(.close(stage.gone)), count: Ledger.maxChainLength + 1)
        },
        Refusal("unknown_key") { _ in [LedgerEntry(.revokeKey(KeyID(of: spare)))] },
        Refusal("key_revoked") {
            [LedgerEntry(.revokeKey($0.key.id)), LedgerEntry(.setRoles($0.key.id, [.admin]))]
        },
        Refusal("exists_with_different_roles") {
            [LedgerEntry(.enrol(KeyEnrolment(key: $0.key, roles: [.admin], owner: $0.rich)))]
        },
        Refusal("account_closed") { [LedgerEntry(.enrol(KeyEnrolment(key: spare, roles: [], owner: $0.gone)))] },
    ]

    static let spare = SigningKey.generate().publicKey

    @Test("a refusal has its code and changes nothing", arguments: refusals)
    func refused(_ refusal: Refusal) throws {
        let fixture = try LedgerFixture()
        let (rich, poor, gone) = (try fixture.funded(micro(100)), fixture.account(), fixture.account())
        fixture.apply(.close(gone))
        fixture.apply(.open(AccountOpening(id: .allowance, kind: .allowance, unit: .quota)))
        let stage = Stage(
            rich: rich, poor: poor, gone: gone, quota: .allowance,
            escrow: fixture.account(.escrow), held: fixture.transferID(), fresh: fixture.transferID(),
            another: fixture.transferID(), work: fixture.subject(), key: fixture.key.publicKey)
        fixture.apply(.pending(id: stage.held, from: rich, to: poor, amount: micro(10)), subject: stage.work)
        fixture.apply(.enrol(KeyEnrolment(key: stage.key, roles: [.worker], owner: rich)))
        let before = fixture.projection
        let outcome = fixture.apply(refusal.attempt(stage))
        #expect(outcome.word == refusal.code)
        #expect(outcome.refusal?.message.isEmpty == false)
        #expect(fixture.projection == before)
        #expect(try fixture.audit().ok)
    }

    @Test("the supply stops at its cap and counters stop at 2^63 - 1")
    func limits() throws {
        let fixture = try LedgerFixture()
        let (rich, other) = (try fixture.funded(micro(AccountKind.issuanceCap)), fixture.account())
        #expect(try fixture.grant(micro(1), to: other).word == "insufficient_funds")
        func move(_ from: AccountID, _ to: AccountID) -> String {
            fixture.apply(
                .move(.move, id: fixture.transferID(), from: from, to: to, amount: micro(AccountKind.issuanceCap))
            ).word
        }
        #expect(move(rich, other) == "applied")
        // A second time round the counter of what came in would be 2^63.
        #expect(move(other, rich) == "amount_overflow")
        #expect(try fixture.audit().ok)
    }

    @Test("zero amounts are metered: a pending transfer and a post of nothing are records like others")
    func zero() throws {
        let fixture = try LedgerFixture()
        let (from, to, subject) = (fixture.account(), fixture.account(), fixture.subject())
        let id = fixture.transferID()
        #expect(fixture.apply(.pending(id: id, from: from, to: to, amount: .zero), subject: subject).word == "applied")
        #expect(fixture.apply(.close(from)).word == "account_not_empty")
        let evidence = try fixture.receipt(for: subject, by: to)
        #expect(
            fixture.apply(.post(id: fixture.transferID(), of: id, amount: .zero), subject: subject, evidence: evidence)
                .word == "applied")
        #expect(fixture.apply(.close(from)).word == "applied")
        #expect(fixture.apply(.close(from)).word == "exists")
        #expect(try fixture.audit().ok)
    }

    @Test("ledger time rises by a microsecond when the clock stands or goes back")
    func time() throws {
        let fixture = try LedgerFixture()
        let last = fixture.ledger.head.time
        fixture.clock = fixture.clock - .hours(1)
        _ = fixture.account()
        #expect(fixture.ledger.head.time.microseconds == last.microseconds + 1)
        fixture.clock = fixture.clock + .hours(2)
        _ = fixture.account()
        #expect(fixture.ledger.head.time == fixture.clock)
    }

    @Test("a change that did not commit is taken back whole, and joined changes hold each balance once")
    func revert() throws {
        let fixture = try LedgerFixture()
        let (from, to) = (try fixture.funded(micro(100)), fixture.account())
        let before = fixture.ledger.projection
        var joined: LedgerChange?
        for _ in 0..<3 {
            let entry = LedgerEntry(.pending(id: fixture.transferID(), from: from, to: to, amount: micro(10)))
            let outcome = fixture.ledger.apply(
                [entry], at: fixture.clock, lookup: .empty, using: &fixture.random)
            let change = try #require(outcome.change)
            if joined == nil { joined = change } else { joined?.append(change) }
        }
        let change = try #require(joined)
        #expect(change.rows.count == 3)
        #expect(change.accounts.map(\.id) == [from, to])
        #expect(change.accounts.first?.counters.debitsPending == 30)
        #expect(change.pendingOpened.count == 3)
        fixture.ledger.revert(change)
        #expect(fixture.ledger.projection == before)
    }

    @Test("keys are enrolled, change roles and are revoked for good")
    func keys() throws {
        let fixture = try LedgerFixture()
        let owner = fixture.account()
        let enrolment = KeyEnrolment(key: fixture.key.publicKey, roles: [.client, .worker], owner: owner)
        let id = enrolment.key.id
        #expect(fixture.apply(.enrol(enrolment)).word == "applied")
        #expect(fixture.apply(.enrol(enrolment)).word == "exists")
        #expect(fixture.apply(.setRoles(id, [.worker])).change?.keys.map(\.roles) == [[.worker]])
        #expect(fixture.apply(.revokeKey(id)).word == "applied")
        #expect(fixture.apply(.revokeKey(id)).word == "exists")
        #expect(fixture.ledger.key(id)?.isRevoked == true)
        #expect(fixture.apply(.enrol(enrolment)).word == "key_revoked")
        #expect(try fixture.audit(coordinator: fixture.key.publicKey).ok)
    }
}
