package import FogAPI
package import FogCore
internal import FogJobs
internal import FogNet
internal import Synchronization

/// The worker links that are open, in memory alone: they end with the process, and workers open new ones.
///
/// Bounded for each key and in all. Instead of a table of nonces a link has a window of counters, so a request costs one
/// code of its bytes and a look into the window.
package final class WorkerLinks: Sendable {
    package struct Bounds: Hashable, Sendable {
        /// Of one key; the one that was used longest ago makes room for one more.
        package var perKey = 4
        /// Of all keys; beyond it 503.
        package var total = 1 << 16
        /// Without a request for so long, a link is forgotten. A worker is heard every 10 s.
        package var idle = TimeSpan.minutes(5)

        package init() {}
    }

    private struct Link {
        let owner: KeyID
        let keys: LinkKeys
        var window = CounterWindow()
        /// By the boot clock.
        var usedAt: TimeSpan
    }

    private struct State {
        var links: [LinkID: Link] = [:]
        var ofKey: [KeyID: [LinkID]] = [:]
        var sweptAt = TimeSpan.zero

        mutating func remove(_ id: LinkID) {
            guard let link = links.removeValue(forKey: id) else { return }
            ofKey[link.owner]?.removeAll { $0 == id }
            if ofKey[link.owner]?.isEmpty == true { ofKey[link.owner] = nil }
        }

        mutating func removeIdle(since time: TimeSpan) {
            for id in links.filter({ $0.value.usedAt < time }).keys { remove(id) }
        }

        func used(_ id: LinkID) -> TimeSpan { links[id]?.usedAt ?? .zero }

        func open(_ id: LinkID, since time: TimeSpan) -> (owner: KeyID, keys: LinkKeys)? {
            guard let link = links[id], link.usedAt >= time else { return nil }
            return (link.owner, link.keys)
        }

        /// Nil when the link has gone meanwhile.
        mutating func admit(_ counter: UInt64, of id: LinkID, at now: TimeSpan, idle: TimeSpan) -> CounterWindow
            .Verdict?
        {
            if now - sweptAt > idle {
                sweptAt = now
                removeIdle(since: now - idle)
            }
            links[id]?.usedAt = now
            return links[id]?.window.admit(counter)
        }
    }

    private let coordinator: PublicKey
    private let bounds: Bounds
    private let clock: any FogClock
    private let state = Mutex(State())

    package init(coordinator: PublicKey, bounds: Bounds = Bounds(), clock: any FogClock) {
        self.coordinator = coordinator
        self.bounds = bounds
        self.clock = clock
    }

    /// Links open now.
    package var count: Int { state.withLock { $0.links.count } }

    // MARK: - Opening

    /// A new link for a key that has proved itself.
    /// - Throws: 400 `bad_key` for a half that is none, 503 `too_many_links`.
    package func open(_ request: LinkRequest, for worker: PublicKey) throws(Problem) -> LinkAnswer {
        let half = ExchangeKey.generate()
        let keys: LinkKeys
        do throws(CoreFailure) {
            let id = try LinkID(bytes: SecureRandom.bytes(16))
            keys = try LinkKeys(
                link: id, own: half, asked: request.exchange.bytes, worker: worker, coordinator: coordinator)
        } catch {
            throw Problem(400, error.code, error.message)
        }
        let now = clock.sinceBoot
        let isOpen = state.withLock { state in
            while let of = state.ofKey[worker.id], of.count >= bounds.perKey,
                let oldest = of.min(by: { state.used($0) < state.used($1) })
            {
                state.remove(oldest)
            }
            if state.links.count >= bounds.total { state.removeIdle(since: now - bounds.idle) }
            guard state.links.count < bounds.total else { return false }
            state.links[keys.link] = Link(owner: worker.id, keys: keys, usedAt: now)
            state.ofKey[worker.id, default: []].append(keys.link)
            return true
        }
        guard isOpen else {
            throw Problem(
                503, "too_many_links", "\(bounds.total) worker links are open, as many as there may be",
                retryAfterSeconds: 10)
        }
        return LinkAnswer(link: keys.link, exchange: Base64Bytes(half.publicBytes), idle: bounds.idle)
    }

    // MARK: - Requests

    /// Whose request it is: authentic, of a link that is open, and seen for the first time.
    /// - Throws: 401 `link_unknown`, `counter_too_old`, `replayed`, and what ``LinkVerifier`` refuses.
    func admit(_ request: CarrierRequest) throws(SignatureRefusal) -> (owner: KeyID, keys: LinkKeys) {
        let now = clock.sinceBoot
        var found: (owner: KeyID, keys: LinkKeys)?
        let verified = try LinkVerifier.verify(request, at: clock.now) { id in
            found = state.withLock { $0.open(id, since: now - bounds.idle) }
            return found?.keys
        }
        let verdict = state.withLock { $0.admit(verified.counter, of: verified.link, at: now, idle: bounds.idle) }
        guard let found, let verdict else {
            throw SignatureRefusal("link_unknown", "there is no such link any more; open a new one")
        }
        switch verdict {
        case .new: return found
        case .replayed: throw SignatureRefusal("replayed", "a request with this counter was answered before")
        case .tooOld:
            throw SignatureRefusal(
                "counter_too_old",
                "more than \(CounterWindow.width) newer requests of this link came before; sign it again")
        }
    }

    /// Ends all links of a key.
    package func end(of key: KeyID) {
        state.withLock { state in
            for id in state.ofKey[key] ?? [] { state.remove(id) }
        }
    }
}
