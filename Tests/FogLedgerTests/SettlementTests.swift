import FogCore
import FogLedger
import Testing

@Suite("Settlement")
struct SettlementTests {
    /// A job with its escrow, a payer with 1,000 micro-credits and a payee.
    struct Stage {
        let fixture: LedgerFixture
        let payer, payee, escrow: AccountID
        let job: SubjectID

        init() throws {
            fixture = try LedgerFixture()
            payer = try fixture.funded(micro(1000))
            payee = fixture.account()
            job = fixture.subject()
            escrow = AccountID(at: fixture.clock, using: &fixture.random)
            fixture.apply(Settlement.open(escrow: escrow, job: job))
        }

        func charge(_ bound: Int64, expires: Timestamp? = nil) -> Charge {
            Charge(
                escrow: escrow, payer: payer, payee: payee, subject: fixture.subject(), bound: micro(bound),
                grantedAt: fixture.clock, expires: expires)
        }

        func grant(_ charges: [Charge], ahead: Int64 = 0) -> LedgerOutcome {
            fixture.apply(Settlement.grant(charges, ahead: micro(ahead), in: fixture.ledger))
        }

        func pay(_ charge: Charge, _ metered: Int64) throws -> LedgerOutcome {
            let receipt = try fixture.receipt(for: charge.subject, by: charge.payee)
            return fixture.apply(Settlement.pay(charge, metered: micro(metered), evidence: receipt))
        }
    }

    @Test("an attempt is held, paid for its metered use, and the rest goes back")
    func life() throws {
        let stage = try Stage()
        let charge = stage.charge(100)
        #expect(stage.grant([charge]).change?.rows.map(\.record.type) == [0x0102, 0x0110])
        #expect(stage.grant([charge]).word == "exists")
        #expect(try stage.pay(charge, 60).change?.rows.map(\.record.type) == [0x0111])
        #expect(try stage.pay(charge, 60).word == "exists")
        let close = Settlement.close(
            escrow: stage.escrow, payer: stage.payer, job: stage.job, at: stage.fixture.clock,
            in: stage.fixture.ledger)
        #expect(stage.fixture.apply(close).change?.rows.map(\.record.type) == [0x0103, 0x0202])
        #expect(stage.fixture.found(stage.payer)?.balance == micro(940))
        #expect(stage.fixture.found(stage.payee)?.balance == micro(60))
        #expect(stage.fixture.found(stage.escrow)?.isClosed == true)
        stage.fixture.over.insert(stage.job)
        #expect(try stage.fixture.audit().ok)
    }

    @Test("metered use beyond the bound pays the bound")
    func bound() throws {
        let stage = try Stage()
        let charge = stage.charge(100)
        _ = stage.grant([charge])
        _ = try stage.pay(charge, 5000)
        #expect(stage.fixture.found(stage.payee)?.balance == micro(100))
    }

    @Test("the next grant is held from what the last one left, and holding ahead saves holds")
    func fewRecords() throws {
        let stage = try Stage()
        let first = stage.charge(100)
        _ = stage.grant([first], ahead: 250)
        #expect(stage.fixture.found(stage.escrow)?.balance == micro(350))
        _ = try stage.pay(first, 50)
        #expect(
            stage.grant([stage.charge(100), stage.charge(200)]).change?.rows.map(\.record.type) == [0x0110, 0x0110])
        #expect(stage.grant([stage.charge(30)], ahead: 1_000_000).change?.rows.count == 2)
        #expect(stage.fixture.found(stage.payer)?.balance == .zero)
    }

    @Test("a payer who is short is refused and nothing is held")
    func short() throws {
        let stage = try Stage()
        let outcome = stage.grant([stage.charge(600), stage.charge(600)])
        #expect(outcome.refusal == .insufficientFunds(stage.payer, wanted: micro(1200), available: micro(1000)))
        #expect(stage.fixture.found(stage.escrow)?.balance == .zero)
        let vast = stage.grant([stage.charge(.max), stage.charge(.max)])
        #expect(vast.word == "insufficient_funds")
    }

    @Test("an economy that is off costs one pending transfer and one post of nothing")
    func free() throws {
        let stage = try Stage()
        let charge = stage.charge(0)
        #expect(stage.grant([charge]).change?.rows.count == 1)
        #expect(try stage.pay(charge, 10).change?.rows.count == 1)
        #expect(stage.fixture.found(stage.payee)?.balance == .zero)
        #expect(try stage.fixture.audit().ok)
    }

    @Test("an unpaid end voids, or expires when its time is over, and repeats to nothing")
    func release() throws {
        let stage = try Stage()
        let (lost, late) = (stage.charge(10), stage.charge(10, expires: stage.fixture.clock + .seconds(5)))
        _ = stage.grant([lost, late])
        #expect(
            stage.fixture.apply(Settlement.release(lost, at: stage.fixture.clock, in: stage.fixture.ledger)).change?
                .rows.map(\.record.type) == [0x0112])
        #expect(Settlement.release(lost, at: stage.fixture.clock, in: stage.fixture.ledger).isEmpty)
        #expect(try stage.pay(lost, 5).word == "already_voided")
        stage.fixture.clock = stage.fixture.clock + .seconds(5)
        #expect(
            stage.fixture.apply(Settlement.release(late, at: stage.fixture.clock, in: stage.fixture.ledger)).change?
                .rows.map(\.record.type) == [0x0113])
        #expect(try stage.pay(late, 5).word == "expired")
        let refund = Settlement.refund(
            escrow: stage.escrow, to: stage.payer, subject: late.subject, at: stage.fixture.clock,
            in: stage.fixture.ledger)
        #expect(stage.fixture.apply(refund).word == "applied")
        #expect(stage.fixture.found(stage.payer)?.balance == micro(1000))
        #expect(try stage.fixture.audit().ok)
    }

    @Test("a job does not close while an attempt is pending")
    func closing() throws {
        let stage = try Stage()
        let charge = stage.charge(0)
        _ = stage.grant([charge])
        let close = Settlement.close(
            escrow: stage.escrow, payer: stage.payer, job: stage.job, at: stage.fixture.clock,
            in: stage.fixture.ledger)
        #expect(stage.fixture.apply(close).word == "account_not_empty")
    }

    // MARK: - Prices

    @Test("an hour of a core and a GiB costs the ask")
    func hour() {
        let price = Ask.genesis.price(cpu: .cores(1), memory: .gibibytes(1), time: .hours(1))
        #expect(price == micro(1_100_000))
        #expect(Ask.free.price(cpu: .cores(64), memory: .gibibytes(512), time: .days(10)) == .zero)
        #expect(Ask.genesis.price(cpu: Millicores(-1), memory: .zero, time: .hours(1)) == nil)
        #expect(
            Ask(perCoreHour: micro(.max), perGibibyteHour: .zero)
                .price(cpu: Millicores(.max), memory: .zero, nanoseconds: .max) == nil)
    }

    @Test("prices are the exact quotient rounded down, whatever the numbers", arguments: 0..<8 as Range<UInt64>)
    func prices(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        func number() -> Int64 { Int64(random.next() >> (1 + random.next() % 63)) }
        for _ in 0..<2000 {
            let (cpu, memory, time) = (number(), number(), number())
            let ask = Ask(perCoreHour: micro(number()), perGibibyteHour: micro(number()))
            let exact = Self.quotient(cpu, time, ask.perCoreHour.micro, by: 3_600_000_000_000_000)
                .flatMap { part in
                    Self.quotient(memory, time, ask.perGibibyteHour.micro, by: 3_600_000_000_000 << 30)
                        .map { Int128(part) + Int128($0) }
                }
                .flatMap { Int64(exactly: $0) }
            let price = ask.price(cpu: Millicores(cpu), memory: ByteCount(memory), nanoseconds: time)
            #expect(price?.micro == exact, "\(cpu) \(memory) \(time) \(ask)")
        }
    }

    /// floor(a x b x c / divisor) by long division, bit by bit: no arithmetic in common with the one tested.
    private static func quotient(_ first: Int64, _ second: Int64, _ third: Int64, by divisor: UInt128) -> Int64? {
        let product = UInt128(first) * UInt128(second)
        // 192 bits of product x third, low word first.
        var words = [UInt64](repeating: 0, count: 3)
        for (index, half) in [UInt64(truncatingIfNeeded: product), UInt64(product >> 64)].enumerated() {
            var carry = UInt128(half) * UInt128(third)
            for place in index..<3 {
                let sum = UInt128(words[place]) + (carry & UInt128(UInt64.max))
                words[place] = UInt64(truncatingIfNeeded: sum)
                carry = (carry >> 64) + (sum >> 64)
            }
        }
        var rest: UInt128 = 0
        var result: UInt128 = 0
        for bit in stride(from: 191, through: 0, by: -1) {
            rest = rest << 1 | UInt128(words[bit / 64] >> UInt64(bit % 64) & 1)
            guard result >> 127 == 0 else { return nil }
            result <<= 1
            if rest >= divisor {
                rest -= divisor
                result |= 1
            }
        }
        return Int64(exactly: result)
    }
}
