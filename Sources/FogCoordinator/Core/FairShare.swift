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

    /// Whether something was added since ``saved(at:)``.
    package private(set) var isChanged = false
    /// Less than this is forgotten, in core-seconds.
    private static let least = 0.1

    package init(halfLife: TimeSpan) { self.halfLife = halfLife }

    /// What a coordinator that starts again goes on from: `{"at": TIME, "core_seconds": {ACCOUNT: NUMBER}}`.
    package mutating func saved(at now: Moment) -> String {
        isChanged = false
        let members = usage.keys.sorted().compactMap { account -> JSON.Member? in
            let left = usage(of: account, at: now.boot)
            return left < Self.least ? nil : JSON.Member(account.description, .double(left))
        }
        return JSON.object(["at": .string(now.wall.description), "core_seconds": .object(members)]).compact
    }

    /// Text that does not read is as good as none: only who is next depends on it.
    package init(halfLife: TimeSpan, saved text: String?, at now: Moment) {
        self.init(halfLife: halfLife)
        guard let text, let json = try? JSON(parsing: text), let at = json["at"]?.string.flatMap({ try? Timestamp($0) })
        else { return }
        let boot = now.boot - max(.zero, now.wall - at)
        for member in json["core_seconds"]?.members ?? [] {
            guard let account = try? AccountID(member.name) else { continue }
            let seconds: Double? =
                switch member.value {
                case .double(let value): value
                case .integer(let value): Double(value)
                default: nil
                }
            if let seconds, seconds > 0 { usage[account] = Usage(coreSeconds: seconds, at: boot) }
        }
    }

    /// Core-seconds, of which half are forgotten in each half-life.
    package func usage(of account: AccountID, at boot: TimeSpan) -> Double {
        guard let known = usage[account] else { return 0 }
        return known.coreSeconds * exp2(-(boot - known.at).seconds / halfLife.seconds)
    }

    package mutating func add(coreSeconds: Double, to account: AccountID, at boot: TimeSpan) {
        usage[account] = Usage(coreSeconds: usage(of: account, at: boot) + coreSeconds, at: boot)
        isChanged = true
    }

    /// A job's place among its account's: its class, its priority, a point more for each aging step it has waited.
    package static func rank(priority: Int, sla: SLAClass = .b, waited: TimeSpan, agingStep: TimeSpan) -> Double {
        let ahead: Double =
            switch sla {
            case .s: 200
            case .a: 100
            case .b: 0
            }
        return ahead + Double(priority) + waited.seconds / max(0.001, agingStep.seconds)
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
