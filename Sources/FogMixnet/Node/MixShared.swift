internal import FogCore
internal import Synchronization

/// What the threads of a node share: who awaits which reply, and the node's own loops.
final class MixShared: Sendable {
    /// Ids that one client's link may have out; beyond them the oldest are forgotten, whose SURBs nobody used.
    static let idsPerLink = 4096
    private static let loopLimit = 4096
    static let loopIDBytes = 16

    /// A link of a client, wherever it is served.
    struct Place: Hashable, Sendable {
        let shard: Int
        let link: Int
    }

    private struct State {
        var awaited: [[UInt8]: (place: Place, epoch: UInt64)] = [:]
        /// The last ids of each link, in the order in which they came.
        var ids: [Place: [[UInt8]]] = [:]
        var service: Place?
        var loops: [[UInt8]: Int64] = [:]
        var epoch: UInt64 = 0
    }
    private let state = Mutex(State())

    let key: NoiseKey
    /// The link key of the program that forward packets to this node are for.
    let serviceKey: [UInt8]?

    init(key: NoiseKey, serviceKey: [UInt8]?) {
        self.key = key
        self.serviceKey = serviceKey
    }

    // MARK: - Clients

    func register(_ ids: [[UInt8]], at place: Place) {
        state.withLock { state in
            for id in ids where state.awaited[id] == nil { state.awaited[id] = (place, state.epoch) }
            state.ids[place, default: []] += ids
            let over = (state.ids[place]?.count ?? 0) - Self.idsPerLink
            // Not for each frame: what is forgotten is moved up behind.
            guard over > Self.idsPerLink / 4, let old = state.ids[place]?.prefix(over) else { return }
            for id in old where state.awaited[id]?.place == place { state.awaited[id] = nil }
            state.ids[place]?.removeFirst(over)
        }
    }

    /// Where a reply goes, once; a forward packet goes to the service.
    func claim(_ id: [UInt8]) -> Place? {
        state.withLock { state in
            if id.allSatisfy({ $0 == 0 }) { return state.service }
            return state.awaited.removeValue(forKey: id)?.place
        }
    }

    func serve(at place: Place) { state.withLock { $0.service = place } }

    func leave(_ place: Place) {
        state.withLock { state in
            if state.service == place { state.service = nil }
            for id in state.ids.removeValue(forKey: place) ?? [] where state.awaited[id]?.place == place {
                state.awaited[id] = nil
            }
        }
    }

    /// An epoch begins: a reply dies with the keys of its epoch, so an id that was told before the last one is awaited in
    /// vain.
    func enter(_ epoch: UInt64) {
        state.withLock { state in
            guard state.epoch != epoch else { return }
            state.epoch = epoch
            state.awaited = state.awaited.filter { $1.epoch &+ 1 >= epoch }
            for place in state.ids.keys {
                state.ids[place]?.removeAll { state.awaited[$0]?.place != place }
            }
        }
    }

    // MARK: - Loops

    /// Notes a loop that goes out; false when too many are out already.
    func began(_ id: [UInt8], at now: Int64) -> Bool {
        state.withLock { state in
            if state.loops.count >= Self.loopLimit { state.loops = state.loops.filter { now - $1 < 600_000_000_000 } }
            guard state.loops.count < Self.loopLimit else { return false }
            state.loops[id] = now
            return true
        }
    }

    func ended(_ id: [UInt8]) -> Bool { state.withLock { $0.loops.removeValue(forKey: id) != nil } }
}
