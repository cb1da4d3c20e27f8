package import FogCore

/// What a node asks for its resources. Integers all the way: the same usage costs the same everywhere.
package struct Ask: Hashable, Sendable {
    /// For one core during one hour.
    package let perCoreHour: Credits
    /// For one GiB of memory during one hour.
    package let perGibibyteHour: Credits

    package init(perCoreHour: Credits, perGibibyteHour: Credits) {
        self.perCoreHour = perCoreHour
        self.perGibibyteHour = perGibibyteHour
    }

    /// Economy off: everything is metered and nothing costs.
    package static let free = Ask(perCoreHour: .zero, perGibibyteHour: .zero)
    /// The index price a new ledger begins with: 1 credit a core-hour, 0.1 a GiB-hour.
    package static let genesis = Ask(perCoreHour: Credits(micro: 1_000_000), perGibibyteHour: Credits(micro: 100_000))

    private static let nanosecondsPerHour: UInt128 = 3_600_000_000_000

    /// The price of cores and memory held for a time: the bound of a grant.
    ///
    /// Processor and memory are each rounded down to a micro-credit, so the two lines of a bill add up to its sum.
    /// - Returns: nil when an argument is negative or the price passes 2^63 - 1 micro-credits.
    package func price(cpu: Millicores, memory: ByteCount, nanoseconds: Int64) -> Credits? {
        guard cpu.count >= 0, nanoseconds >= 0 else { return nil }
        return sum(
            // At most 2^126, so the product of the two does not overflow.
            Self.part(
                UInt128(cpu.count) * UInt128(nanoseconds), ask: perCoreHour, divisor: 1000 * Self.nanosecondsPerHour),
            memoryPrice(memory, nanoseconds: nanoseconds))
    }

    package func price(cpu: Millicores, memory: ByteCount, time: TimeSpan) -> Credits? {
        let nanoseconds = time.milliseconds.multipliedReportingOverflow(by: 1_000_000)
        return nanoseconds.overflow ? nil : price(cpu: cpu, memory: memory, nanoseconds: nanoseconds.partialValue)
    }

    /// The price of processor time used and memory held: what a metered end costs.
    package func price(cpuNanoseconds: Int64, memory: ByteCount, nanoseconds: Int64) -> Credits? {
        guard cpuNanoseconds >= 0, nanoseconds >= 0 else { return nil }
        return sum(
            Self.part(UInt128(cpuNanoseconds), ask: perCoreHour, divisor: Self.nanosecondsPerHour),
            memoryPrice(memory, nanoseconds: nanoseconds))
    }

    private func memoryPrice(_ memory: ByteCount, nanoseconds: Int64) -> Credits? {
        guard memory.bytes >= 0 else { return nil }
        return Self.part(
            UInt128(memory.bytes) * UInt128(nanoseconds), ask: perGibibyteHour,
            divisor: (1 << 30) * Self.nanosecondsPerHour)
    }

    private func sum(_ first: Credits?, _ second: Credits?) -> Credits? {
        guard let first, let second else { return nil }
        let sum = first.micro.addingReportingOverflow(second.micro)
        return sum.overflow ? nil : Credits(micro: sum.partialValue)
    }

    /// floor(quantity x ask / divisor), exact: the whole part and the remainder are multiplied apart, and since the
    /// remainder is below the divisor, its share is below the ask.
    private static func part(_ quantity: UInt128, ask: Credits, divisor: UInt128) -> Credits? {
        guard ask.micro >= 0 else { return nil }
        let rate = UInt128(ask.micro)
        let (whole, rest) = quantity.quotientAndRemainder(dividingBy: divisor)
        let wholePart = whole.multipliedReportingOverflow(by: rate)
        let restPart = rest.multipliedFullWidth(by: rate)
        guard !wholePart.overflow else { return nil }
        let fraction = divisor.dividingFullWidth(restPart).quotient
        let price = wholePart.partialValue.addingReportingOverflow(fraction)
        guard !price.overflow, let micro = Int64(exactly: price.partialValue) else { return nil }
        return Credits(micro: micro)
    }
}
