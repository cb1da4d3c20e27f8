package import FogCore

#if canImport(Glibc)
    internal import Glibc
#endif

/// Who is next: accounts that used least of late, each account's jobs by priority and age.
package struct FairShare: Sendable {
    private struct Usage {
        var coreSeconds: Double
        var at: TimeSpan
    }

    private let halfLife: TimeSpan
    private var usage: [AccountID: Usage] = [:]

    package init(halfLife: TimeSpan) { self.halfLife = halfLife }

    /// Core-seconds, of which half are forgotten in each half-life.
    package func usage(of account: AccountID, at boot: TimeSpan) -> Double {
        guard let known = usage[account] else { return 0 }
        return known.coreSeconds * exp2(-(boot - known.at).seconds / halfLife.seconds)
    }

    package mutating func add(coreSeconds: Double, to account: AccountID, at boot: TimeSpan) {
        usage[account] = Usage(coreSeconds: usage(of: account, at: boot) + coreSeconds, at: boot)
    }

    /// A job's place among its account's: its priority, a point more for each aging step it has waited.
    package static func rank(priority: Int, waited: TimeSpan, agingStep: TimeSpan) -> Double {
        Double(priority) + waited.seconds / max(0.001, agingStep.seconds)
    }

    /// How many tasks each of some accounts may place in this round: equal parts of what is free, and what one leaves
    /// goes to the others.
    package static func shares(wanted: [Int], free: Int) -> [Int] {
        var given = [Int](repeating: 0, count: wanted.count)
        var left = free
        while left > 0 {
            let hungry = wanted.indices.filter { given[$0] < wanted[$0] }
            guard !hungry.isEmpty else { break }
            let part = max(1, left / hungry.count)
            for index in hungry where left > 0 {
                let taken = min(part, wanted[index] - given[index], left)
                given[index] += taken
                left -= taken
            }
        }
        return given
    }
}
