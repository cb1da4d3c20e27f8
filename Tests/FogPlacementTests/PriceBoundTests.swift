import FogCore
import Testing

@testable import FogPlacement

/// A natural number in decimal digits, lowest first: slow, and nothing like the code under test.
private struct Decimals: Comparable {
    var digits: [Int]

    init(_ value: Int64) { digits = String(value).reversed().compactMap(\.wholeNumberValue) }

    static func + (first: Decimals, second: Decimals) -> Decimals {
        var sum = first
        sum.digits = (0...max(first.digits.count, second.digits.count)).map {
            ($0 < first.digits.count ? first.digits[$0] : 0) + ($0 < second.digits.count ? second.digits[$0] : 0)
        }
        return sum.carried()
    }

    static func * (first: Decimals, second: Decimals) -> Decimals {
        var product = first
        product.digits = [Int](repeating: 0, count: first.digits.count + second.digits.count)
        for (row, digit) in first.digits.enumerated() {
            for (column, other) in second.digits.enumerated() { product.digits[row + column] += digit * other }
        }
        return product.carried()
    }

    private func carried() -> Decimals {
        var out = self, carry = 0
        for index in out.digits.indices {
            let value = out.digits[index] + carry
            (out.digits[index], carry) = (value % 10, value / 10)
        }
        while carry > 0 {
            out.digits.append(carry % 10)
            carry /= 10
        }
        while out.digits.count > 1, out.digits.last == 0 { out.digits.removeLast() }
        return out
    }

    static func < (first: Decimals, second: Decimals) -> Bool {
        first.digits.count != second.digits.count
            ? first.digits.count < second.digits.count
            : first.digits.reversed().lexicographicallyPrecedes(second.digits.reversed())
    }
}

@Test(
    "a core-hour and a GiB-hour cost what is asked",
    arguments: [
        (cpu: Int64(1000), memory: Int64(0), time: TimeSpan.hours(1), micro: Int64(1_000_000)),
        (0, 1 << 30, .hours(1), 100_000),
        (2000, 2 << 30, .minutes(30), 1_100_000),
        (500, 512 << 20, .hours(2), 1_100_000),
        (1, 0, .milliseconds(1), 1),
        (0, 1, .milliseconds(1), 1),
        (0, 0, .hours(1), 0),
        (1000, 1 << 30, .zero, 0),
    ])
func knownPrices(_ known: (cpu: Int64, memory: Int64, time: TimeSpan, micro: Int64)) {
    let demand = ResourceRequest(cpu: Millicores(known.cpu), memory: ByteCount(known.memory), time: known.time)
    let ask = HourlyRates(core: .credits(1), gibibyte: Credits(micro: 100_000))
    #expect(PriceBound.compute(demand: demand, ask: ask) == Credits(micro: known.micro))
}

@Test("the price is the exact fraction rounded up, by decimal long arithmetic", arguments: 0..<8 as Range<UInt64>)
func priceAgainstLongArithmetic(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    func number(_ bits: Int64) -> Int64 {
        Int64.random(in: 0...(1 << Int64.random(in: 0...bits, using: &generator)), using: &generator)
    }
    for _ in 0..<100 {
        let demand = ResourceRequest(
            cpu: Millicores(number(20)), memory: ByteCount(number(44)), time: .milliseconds(number(36)))
        let ask = HourlyRates(core: Credits(micro: number(36)), gibibyte: Credits(micro: number(36)))
        let price = PriceBound.compute(demand: demand, ask: ask)
        // In millicore x byte x milliseconds: nothing cancelled.
        let cores = Decimals(demand.cpu.count) * Decimals(ask.core.micro) * Decimals(1 << 30)
        let memory = Decimals(demand.memory.bytes) * Decimals(ask.gibibyte.micro) * Decimals(1000)
        let exact = (cores + memory) * Decimals(demand.time.milliseconds)
        let unit = Decimals(1000) * Decimals(1 << 30) * Decimals(3_600_000)
        guard price < PriceBound.maximum else {
            #expect(Decimals(PriceBound.maximum.micro) * unit <= exact)
            continue
        }
        #expect(exact <= Decimals(price.micro) * unit)
        #expect(price.micro == 0 || Decimals(price.micro - 1) * unit < exact)
    }
}

@Test("absurd prices stop at the maximum, negative ones at nothing")
func priceBounds() {
    let demand = ResourceRequest(cpu: Millicores(.max), memory: ByteCount(.max), time: .milliseconds(.max))
    let dear = HourlyRates(core: Credits(micro: .max), gibibyte: Credits(micro: .max))
    #expect(PriceBound.compute(demand: demand, ask: dear) == PriceBound.maximum)
    let negative = HourlyRates(core: Credits(micro: -5), gibibyte: Credits(micro: .min))
    #expect(PriceBound.compute(demand: demand, ask: negative) == .zero)
}

@Test("an assignment carries the bound price of its node")
func assignmentPrice() {
    let nodes = [makeNode(1) { $0.asks = HourlyRates(core: .credits(3), gibibyte: .credits(1)) }]
    let outcome = place(
        [makeShape { $0.demand.time = .minutes(30) }], [WaitingRange(shape: 0, tasks: 0..<2)], on: nodes)
    #expect(outcome.assignments.map(\.boundPrice) == [.credits(2)])
}
