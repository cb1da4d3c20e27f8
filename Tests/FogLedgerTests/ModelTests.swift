import FogCore
import FogLedger
import Glibc
import Testing

/// Random chains against the ledger and the naive model: the same answer each time, the same books after it.
@Suite("Ledger against a second model")
struct ModelTests {
    /// Entries tried for each seed; 40 seeds make 200,000.
    static let entriesPerSeed = 5000

    /// More of them for a long run: `FOG_MODEL_SEEDS=1000`, from `FOG_MODEL_FIRST` on.
    static let seeds: Range<UInt64> = {
        func number(_ name: String) -> UInt64? { getenv(name).flatMap { UInt64(String(cString: $0)) } }
        let first = number("FOG_MODEL_FIRST") ?? 0
        return first..<first + (number("FOG_MODEL_SEEDS") ?? 40)
    }()

    @Test("ledger and model agree, and the audit is clean", arguments: seeds)
    func agree(seed: UInt64) throws {
        var run = try Run(seed: seed)
        while run.tried < Self.entriesPerSeed {
            try run.step()
            if run.disagreement != nil { break }
        }
        #expect(run.disagreement == nil)
        run.compareAll()
        #expect(run.disagreement == nil)
        let report = try run.fixture.audit()
        let failed = report.failed
        #expect(failed == [])
        #expect(Ledger(run.fixture.projection).head == run.fixture.ledger.head)
    }

    @Test("the random operations reach every answer they should")
    func coverage() throws {
        var seen: Set<String> = []
        for seed in 100..<106 as Range<UInt64> {
            var run = try Run(seed: seed)
            while run.tried < Self.entriesPerSeed { try run.step() }
            seen.formUnion(run.answers)
        }
        let wanted: Set<String> = [
            "applied", "exists", "insufficient_funds", "unknown_account", "account_closed", "account_not_empty",
            "amount_overflow", "bad_amount", "same_account", "unit_mismatch", "kind_not_allowed", "already_posted",
            "already_voided", "expired", "not_expired_yet", "exceeds_pending", "unknown_pending", "already_paid",
            "partly_applied", "id_repeated_in_chain", "evidence_missing", "exists_with_different_amount",
            "exists_with_different_kind", "exists_with_different_subject", "exists_with_different_owner",
            "id_not_of_kind", "unit_not_of_kind", "not_today", "daily_limit_exceeded", "pool_exhausted", "not_linked",
            "no_rule_in_force", "bad_rule", "amount_not_due", "still_unbonding", "time_backwards",
            "unknown_transfer", "not_correctable", "id_not_derived", "exists_with_different_rule",
        ]
        #expect(wanted.subtracting(seen).isEmpty)
    }

    struct Run {
        let fixture: LedgerFixture
        var model = NaiveModel()
        var random: SeededGenerator
        var accounts: [AccountID] = [.issuance, .treasury, .fees]
        var pendings: [(id: TransferID, subject: SubjectID, payee: AccountID)] = []
        var sent: [[LedgerEntry]] = []
        var tried = 0
        var answers: Set<String> = []
        var disagreement: String?

        init(seed: UInt64) throws {
            fixture = try LedgerFixture(seed: seed, system: false)
            random = SeededGenerator(seed: seed &+ 77)
            compare(LedgerEntry.systemAccounts)
            for account in accounts { try enrol(for: account) }
            for kind in [.user, .user, .user, .escrow, .escrow, .bridge] as [AccountKind] { try open(kind) }
            for account in accounts[3...5] { try issue(to: account) }
            for entry in LedgerEntry.economyAccounts where chance(90) {
                compare([entry])
                guard case .open(let opening) = entry.action else { continue }
                accounts.append(opening.id)
                try enrol(for: opening.id)
            }
            for rule in LedgerRule.genesis where chance(90) { compare([LedgerEntry(.setRule(rule))]) }
            let epoch = Rewards.beginEpoch(at: fixture.clock, in: fixture.ledger)
            if !epoch.isEmpty { compare(epoch) }
        }

        mutating func below(_ limit: Int) -> Int { Int(random.next() % UInt64(limit)) }
        mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
        mutating func pick<Element>(_ list: [Element]) -> Element { list[below(list.count)] }

        mutating func open(_ kind: AccountKind, unit: LedgerUnit = .credit) throws {
            let id = AccountID(at: fixture.clock, using: &random)
            compare([LedgerEntry(.open(AccountOpening(id: id, kind: kind, unit: unit)))])
            guard fixture.found(id) != nil else { return }
            accounts.append(id)
            try enrol(for: id)
        }

        /// Whoever may be paid has a node that signs its receipts.
        mutating func enrol(for account: AccountID) throws {
            compare([LedgerEntry(.enrol(try fixture.enrolment(of: account)))])
        }

        mutating func issue(to account: AccountID) throws {
            let amount = pick([1000, 1_000_000, 1 << 40, 1 << 60] as [Int64])
            let grant = try GrantDocument(
                account: account, amount: micro(amount), time: fixture.clock, reason: "seed \(below(1 << 30))",
                signedBy: fixture.key)
            fixture.drafts[grant.document.digest] = grant.document
            compare([grant.entry()])
        }

        /// One chain, sometimes a repeated one, sometimes taken back.
        mutating func step() throws {
            if chance(30) { fixture.clock = fixture.clock + .milliseconds(Int64(below(20_000))) }
            if chance(2) { fixture.clock = fixture.clock - .seconds(30) }
            if chance(1) { fixture.clock = fixture.clock + .hours(Int64(below(60))) }
            if chance(2), accounts.count < 60 { try open(pick([.user, .escrow, .bridge, .pool, .quota, .stake])) }
            if chance(2) { try issue(to: pick(accounts)) }
            if chance(15) { return try economyStep() }
            if chance(8), var chain = sent.last {
                if chance(50) { chain = pick(sent) }
                if chance(30) { chain = try tampered(chain) }
                return compare(chain)
            }
            let length = chance(70) ? 1 : 1 + below(5)
            var chain = try (0..<length).map { _ in try entry() }
            if chance(2) { chain.append(chain[0]) }
            compare(chain)
        }

        private mutating func tampered(_ chain: [LedgerEntry]) throws -> [LedgerEntry] {
            var chain = chain
            let index = below(chain.count)
            switch chain[index].action {
            case .transfer(let old) where chance(20):
                chain[index].action = .void(id: old.id, of: old.id)
            case .transfer(let old) where chance(60):
                chain[index].action = .transfer(
                    TransferProposal(
                        id: old.id, kind: old.kind, debit: old.debit, credit: old.credit,
                        amount: micro(old.amount.micro &+ 1), expires: old.expires, ordinal: old.ordinal))
            case .resolve(let old) where chance(60) && old.kind == .post:
                chain[index].action = .post(id: old.id, of: old.pending, amount: micro(old.amount.micro / 2 &+ 1))
            case .open(let old):
                chain[index].action = .open(
                    AccountOpening(id: old.id, kind: old.kind, unit: old.unit, owner: fixture.subject()))
            default:
                if chance(50) { chain[index].subject = fixture.subject() } else { chain.append(try entry()) }
            }
            return chain
        }

        private mutating func amount() -> Credits {
            switch below(12) {
            case 0: .zero
            case 1: micro(1)
            case 2: micro(-1)
            case 3: micro(Int64.max - Int64(below(3)))
            case 4: micro((1 << 62) - Int64(below(3)))
            case 5: micro(1 << 59)
            default: micro(Int64(below(5000)))
            }
        }

        private mutating func entry() throws -> LedgerEntry {
            // Users and escrows more often than others: most moves are between them.
            let from = chance(60) ? pick(Array(accounts[3...7])) : pick(accounts)
            let to =
                chance(3) ? AccountID(high: 1, low: 99) : chance(60) ? pick(Array(accounts[3...5])) : pick(accounts)
            let id = fixture.transferID()
            switch below(20) {
            case 0..<4:
                let kind = pick([.move, .move, .move, .hold, .refund, .fee, .issue, .burn] as [TransferKind])
                return LedgerEntry(.move(kind, id: id, from: from, to: to, amount: amount()))
            case 4..<11: return reserve(id, from, to)
            case 19 where chance(30): return LedgerEntry(.close(pick(accounts)))
            default: return try resolution(id)
            }
        }

        private mutating func reserve(_ id: TransferID, _ from: AccountID, _ to: AccountID) -> LedgerEntry {
            var subject = fixture.subject()
            if chance(20), let old = pendings.suffix(30).last(where: { fixture.ledger.pending($0.id) != nil }) {
                subject = old.subject
            }
            if chance(5) { subject = .none }
            let expires = chance(50) ? nil : fixture.clock + .milliseconds(Int64(below(60_000)) - 1000)
            pendings.append((id, subject, to))
            return LedgerEntry(
                .pending(id: id, from: from, to: to, amount: chance(20) ? .zero : amount(), expires: expires),
                subject: subject)
        }

        private mutating func resolution(_ id: TransferID) throws -> LedgerEntry {
            guard !pendings.isEmpty, !chance(2) else {
                return LedgerEntry(.void(id: id, of: fixture.transferID()))
            }
            let (pending, subject, payee) = pendings[max(0, pendings.count - 1 - below(30))]
            switch below(10) {
            case 0..<2: return LedgerEntry(.void(id: id, of: pending), subject: subject)
            case 2..<4: return LedgerEntry(.expire(id: id, of: pending), subject: subject)
            default:
                let whole = fixture.ledger.pending(pending)?.amount.micro ?? 10
                let part = chance(80) ? micro(Int64(random.next() % UInt64(max(1, whole)))) : amount()
                return LedgerEntry(
                    .post(id: id, of: pending, amount: part), subject: chance(98) ? subject : fixture.subject(),
                    evidence: try chance(97) ? fixture.receipt(for: subject, by: payee) : .zero)
            }
        }

        // MARK: - Comparing

        mutating func compare(_ entries: [LedgerEntry]) {
            tried += entries.count
            sent.append(entries)
            if chance(3) { tryAndRevert(entries) }
            let mine = model.apply(entries, clock: fixture.clock.microseconds)
            let outcome = fixture.apply(entries)
            answers.insert(mine)
            if outcome.word != mine {
                disagreement = "entry \(tried): ledger \(outcome.word), model \(mine): \(entries)"
            }
            for account in outcome.change?.accounts ?? [] { compare(account.id) }
            if outcome.change != nil, fixture.ledger.head.time.microseconds != model.time {
                disagreement = "time \(fixture.ledger.head.time), model \(model.time)"
            }
        }

        /// A transaction that does not commit leaves no trace.
        private mutating func tryAndRevert(_ entries: [LedgerEntry]) {
            let before = fixture.ledger.projection
            let outcome = fixture.ledger.apply(
                entries, at: fixture.clock, lookup: fixture.lookup, using: &fixture.random)
            if let change = outcome.change { fixture.ledger.revert(change) }
            let loaded = fixture.ledger.projection.accounts.filter { account in
                !before.accounts.contains { $0.id == account.id }
            }
            fixture.ledger.forget(loaded.map(\.id))
            if fixture.ledger.projection != before { disagreement = "a reverted change left a trace: \(entries)" }
        }

        private mutating func compare(_ id: AccountID) {
            let found = fixture.found(id)
            if found?.counters != model.counters(of: id) || found?.isClosed != model.purses[id]?.closed {
                disagreement =
                    "entry \(tried), account \(id): \(String(describing: found)), model \(String(describing: model.counters(of: id)))"
            }
        }

        mutating func compareAll() {
            for id in accounts { compare(id) }
            if Set(model.promises.keys) != Set(fixture.ledger.projection.pendings.map(\.id)) {
                disagreement = "other pendings are open"
            }
        }
    }
}
