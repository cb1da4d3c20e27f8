package import FogCore

/// The most that one attempt may cost on a node: what the grant reserves and the settlement never exceeds.
package enum PriceBound {
    /// 2^62 micro-credits: no price is higher, so two of them still add up in 64 bits.
    package static let maximum = Credits(micro: 1 << 62)

    /// (cores x ask a core-hour + GiB of memory x ask a GiB-hour) x hours, rounded up to a micro-credit.
    ///
    /// Exact: one fraction over 128 bits, rounded once. Negative demands and asks count as 0; what would pass
    /// ``maximum`` is ``maximum``.
    package static func compute(demand: ResourceRequest, ask: HourlyRates) -> Credits {
        func natural(_ value: Int64) -> UInt128 { UInt128(max(0, value)) }
        // A core is 1000 = 8 x 125 millicores and a GiB 8 x 2^27 bytes, an hour 3,600,000 ms: over the common
        // denominator 2^30 x 125 x 3,600,000 millicores weigh 2^27 and bytes 125.
        let cores = natural(demand.cpu.count).multipliedReportingOverflow(by: natural(ask.core.micro) << 27)
        let memory = natural(demand.memory.bytes).multipliedReportingOverflow(by: natural(ask.gibibyte.micro) * 125)
        let rate = cores.partialValue.addingReportingOverflow(memory.partialValue)
        let total = rate.partialValue.multipliedReportingOverflow(by: natural(demand.time.milliseconds))
        guard !cores.overflow, !memory.overflow, !rate.overflow, !total.overflow else { return maximum }
        let (quotient, remainder) = total.partialValue.quotientAndRemainder(dividingBy: 125 * 3_600_000 << 30)
        let micro = quotient + (remainder > 0 ? 1 : 0)
        return micro > UInt128(maximum.micro) ? maximum : Credits(micro: Int64(micro))
    }
}
