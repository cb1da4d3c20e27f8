package import FogCore
internal import Synchronization

/// Remembers every nonce for as long as its request could be accepted, so that no request is accepted twice.
///
/// Exact: no filter, no guess. Bounded: when a key, or all keys together, have used up their room, a request is refused
/// with `too_many_requests`, never forgotten.
///
/// No nonce is written to disk. A request signed before this process started is refused with `signed_before_start`, and
/// its sender signs it again, so what an earlier process accepted cannot come back. What remains is a request that was
/// signed with a clock ahead of ours and accepted just before a restart: before one is admitted, a mark beyond its time
/// is kept, which the next process gets as `admittedBefore`. Clocks that agree never cause a mark.
package final class NonceWindow: Sendable {
    /// How many live nonces are kept; a nonce takes about 50 bytes.
    package struct Capacity: Sendable {
        package var perKey: Int
        package var total: Int

        package init(perKey: Int, total: Int) {
            self.perKey = perKey
            self.total = total
        }

        /// About 1,000 requests a second from one key at ``RequestSigner/defaultLifetime``; 50 MB when all is used.
        package static let standard = Capacity(perKey: 1 << 17, total: 1 << 20)
    }

    /// Writes a mark so that it outlives the process; false when it could not.
    package typealias Keeper = @Sendable (_ mark: Timestamp) -> Bool

    /// How far beyond a request's time its mark lies, so that a clock that is ahead causes one write in so long; but never
    /// further ahead of ours than the furthest that is admitted, or nobody could sign for the next process; and not at all
    /// for a request that was signed with the opening we named.
    private static let markAhead = TimeSpan.seconds(10)

    /// Nonces are dropped in groups that expire together, so that forgetting costs nothing per nonce.
    private static let groupsPerLifetime: Int64 = 8

    private let capacity: Capacity
    private let groupSpan: Int64
    private let state: Mutex<State>
    private let keep: Keeper?
    /// The mark that was kept last.
    private let kept: Mutex<Timestamp>
    /// The first second whose signatures are accepted.
    package let opensAt: Timestamp

    /// - Parameters:
    ///   - start: when this process began, by the clock that requests are judged with.
    ///   - admittedBefore: ``admittedThrough`` of the process before.
    ///   - lifetime: the longest that a signature is good for.
    ///   - keep: keeps marks; nil where nothing outlives the process.
    package init(
        start: Timestamp, admittedBefore: Timestamp = .zero,
        lifetime: TimeSpan = RequestVerifier.Limits.direct.lifetime,
        capacity: Capacity = .standard, keep: Keeper? = nil
    ) {
        self.keep = keep
        kept = Mutex(admittedBefore)
        self.capacity = capacity
        groupSpan = max(1, lifetime.milliseconds / 1000 / Self.groupsPerLifetime)
        // `created` counts whole seconds. A second in which two processes lived belongs to the first.
        let first = start.microseconds == start.seconds * 1_000_000 ? start.seconds : start.seconds + 1
        let opensAt = max(Timestamp(seconds: first), Timestamp(seconds: admittedBefore.seconds + 1))
        self.opensAt = opensAt
        state = Mutex(State())
    }

    /// The newest `created` of all requests that were admitted.
    package var admittedThrough: Timestamp { state.withLock { $0.admittedThrough } }

    /// Live nonces, of all keys.
    package var count: Int { state.withLock { $0.count } }

    /// Nil when the request is the first with its nonce; from now on it is known.
    package func admit(_ signature: VerifiedSignature, at now: Timestamp) -> SignatureRefusal? {
        guard signature.created >= opensAt else {
            // In the second of the start our own clock still reads too early: the sender is told what to write.
            return SignatureRefusal(
                "signed_before_start", "the request was signed before the coordinator started; sign it again",
                serverTime: max(now, opensAt))
        }
        guard outlives(signature.created, at: now) else {
            return SignatureRefusal(
                "clock_skew", "your clock is ahead of the coordinator's, which cannot note by how much; sign it again",
                serverTime: now)
        }
        let nonce = Nonce(signature.nonce)
        let group = signature.expires.seconds / groupSpan
        return state.withLock { state in
            state.forget(before: now.seconds / groupSpan)
            // A clock that is set back must not bring to life what was forgotten.
            guard group >= state.oldestGroup else {
                return SignatureRefusal("signature_expired", "the signature expired", serverTime: now)
            }
            return state.insert(
                nonce, of: signature.keyID, group: group, capacity: capacity, through: signature.created)
        }
    }

    /// Whether a mark says that requests of this time were admitted. One that is not ahead of our clock needs none.
    private func outlives(_ created: Timestamp, at now: Timestamp) -> Bool {
        guard let keep, created > now else { return true }
        return kept.withLock { kept in
            if created <= kept { return true }
            // Who was told to sign with ``opensAt`` is not ahead of us: a mark beyond it would move the next opening by as
            // much at each of many quick starts, until nobody could sign for it.
            let ahead = created > opensAt ? Self.markAhead : .zero
            let furthest = max(created, now + RequestVerifier.Limits.direct.skewAhead)
            let mark = min(created + ahead, furthest)
            guard keep(mark) else { return false }
            kept = mark
            return true
        }
    }
}

private struct Nonce: Hashable {
    let high: UInt64
    let low: UInt64

    init(_ bytes: [UInt8]) {
        high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        low = bytes.dropFirst(8).prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}

private struct State {
    var keys: [KeyID: KeyNonces] = [:]
    var count = 0
    /// The group of the last sweep.
    var sweptAt: Int64 = .min
    /// Groups before this one may have been forgotten. Only what was forgotten moves it, so a clock that leaps ahead
    /// and comes back locks nobody out for longer than a lifetime.
    var oldestGroup: Int64 = .min
    var admittedThrough = Timestamp.zero

    /// Forgets what has expired, over all keys, once a group span.
    mutating func forget(before group: Int64) {
        guard group != sweptAt else { return }
        sweptAt = group
        for key in Array(keys.keys) {
            guard let (dropped, newest) = keys[key]?.forget(before: group) else { continue }
            count -= dropped
            oldestGroup = max(oldestGroup, newest + 1)
            if keys[key]?.groups.isEmpty == true { keys[key] = nil }
        }
    }

    mutating func insert(
        _ nonce: Nonce, of key: KeyID, group: Int64, capacity: NonceWindow.Capacity, through created: Timestamp
    ) -> SignatureRefusal? {
        guard keys[key]?.contains(nonce) != true else {
            return SignatureRefusal("replayed", "a request with this nonce was answered before")
        }
        let ofKey = keys[key]?.count ?? 0
        guard ofKey < capacity.perKey, count < capacity.total else {
            return SignatureRefusal("too_many_requests", "\(ofKey) requests of this key are still remembered; wait")
        }
        keys[key, default: KeyNonces()].groups[group, default: []].insert(nonce)
        count += 1
        admittedThrough = max(admittedThrough, created)
        return nil
    }
}

/// The live nonces of one key, in groups by the time they expire.
private struct KeyNonces {
    var groups: [Int64: Set<Nonce>] = [:]

    var count: Int { groups.values.reduce(0) { $0 + $1.count } }

    func contains(_ nonce: Nonce) -> Bool { groups.values.contains { $0.contains(nonce) } }

    /// - Returns: how many nonces went, and the newest group among them; nil when none did.
    mutating func forget(before group: Int64) -> (dropped: Int, newest: Int64)? {
        let old = groups.keys.filter { $0 < group }
        guard let newest = old.max() else { return nil }
        return (old.reduce(0) { $0 + (groups.removeValue(forKey: $1)?.count ?? 0) }, newest)
    }
}
