package import FogCore
package import FogStore

/// What accounts keep here and how fast they submit: figures in memory that bounds are held by.
///
/// Bytes are counted as they come and never below what is there: content that an account has already may be counted
/// again. ``replace(_:)`` puts the store's own sums in their place now and then.
package struct UsageBook: Sendable {
    private struct Submits: Sendable {
        /// Submits left now, and when that was reckoned.
        var left: Double
        var at: TimeSpan
    }

    private struct LiveLog: Hashable, Sendable {
        let attempt: AttemptID
        let stream: LogStream
    }

    private var kept: [AccountID: Int64] = [:]
    /// Logs of attempts that run; the store counts them when they have ended.
    private var live: [LiveLog: (account: AccountID, bytes: Int64)] = [:]
    private var liveSums: [AccountID: Int64] = [:]
    private var submits: [AccountID: Submits] = [:]
    /// What came since the sums that are being made began; nil = none are being made.
    private var meanwhile: [AccountID: Int64]?

    /// Accounts whose rate of submits is remembered; one that was quiet for a minute is forgotten first.
    private static let rateLimit = 10_000

    package init() {}

    /// In bytes, of content, logs and uploads under way.
    package func kept(by account: AccountID) -> Int64 { max(0, kept[account] ?? 0) + (liveSums[account] ?? 0) }

    /// Accounts that keep this much or more.
    package func accounts(keeping bytes: Int64) -> Set<AccountID> {
        Set((Set(kept.keys).union(liveSums.keys)).filter { self.kept(by: $0) >= bytes })
    }

    package mutating func add(_ bytes: Int64, to account: AccountID) {
        kept[account, default: 0] += bytes
        if meanwhile != nil, bytes > 0 { meanwhile?[account, default: 0] += bytes }
    }

    package mutating func set(_ stream: LogStream, of attempt: AttemptID, of account: AccountID, to bytes: Int64) {
        let log = LiveLog(attempt: attempt, stream: stream)
        liveSums[account, default: 0] += bytes - (live[log]?.bytes ?? 0)
        live[log] = (account, bytes)
    }

    /// The attempt ended: its logs are not counted as running ones any more.
    /// - Returns: what it had sent of them.
    package mutating func end(_ attempt: AttemptID) -> (stdout: Int64, stderr: Int64) {
        var sizes: [LogStream: Int64] = [:]
        for stream in LogStream.allCases {
            guard let log = live.removeValue(forKey: LiveLog(attempt: attempt, stream: stream)) else { continue }
            let left = (liveSums[log.account] ?? 0) - log.bytes
            liveSums[log.account] = left > 0 ? left : nil
            sizes[stream] = log.bytes
        }
        return (sizes[.stdout] ?? 0, sizes[.stderr] ?? 0)
    }

    /// Exact sums are about to be made.
    package mutating func beginSums() { meanwhile = [:] }

    package mutating func replace(_ exact: [AccountID: Int64]) {
        kept = exact
        for (account, bytes) in meanwhile ?? [:] { kept[account, default: 0] += bytes }
        meanwhile = nil
    }

    /// Takes one submit from the account's share: `perMinute` at once, and as many again in each minute.
    /// - Returns: nil when it was there, else after how many seconds it will be.
    package mutating func takeSubmit(of account: AccountID, perMinute: Int, at now: TimeSpan) -> Int? {
        let rate = Double(perMinute) / 60
        var share = submits[account] ?? Submits(left: Double(perMinute), at: now)
        let passed = Double((now - share.at).milliseconds) / 1000
        share = Submits(left: min(Double(perMinute), share.left + max(0, passed) * rate), at: now)
        guard share.left >= 1 else {
            submits[account] = share
            return max(1, Int(((1 - share.left) / rate).rounded(.up)))
        }
        share.left -= 1
        if submits[account] == nil, submits.count >= Self.rateLimit {
            submits = submits.filter { now - $0.value.at < .minutes(1) }
        }
        submits[account] = share
        return nil
    }

    /// Submits that the account made of late and that count against its share.
    package func submitsCounted(of account: AccountID, perMinute: Int, at now: TimeSpan) -> Int {
        guard let share = submits[account] else { return 0 }
        let passed = Double((now - share.at).milliseconds) / 1000
        let left = min(Double(perMinute), share.left + max(0, passed) * Double(perMinute) / 60)
        return max(0, perMinute - Int(left))
    }
}
