internal import FogCore
internal import Synchronization

/// What the threads of a node share: who awaits which reply, and the node's own loops.
final class MixShared: Sendable {
    /// Ids that one client's link may have out.
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
        var counts: [Place: Int] = [:]
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

    /// False for more ids than a link may have out.
    func register(_ ids: [[UInt8]], at place: Place) -> Bool {
        state.withLock { state in
            guard state.counts[place, default: 0] + ids.count <= Self.idsPerLink else { return false }
            for id in ids where state.awaited.updateValue((place, state.epoch), forKey: id) == nil {
                state.counts[place, default: 0] += 1
            }
            return true
        }
    }

    /// Where a reply goes, once; a forward packet goes to the service.
    func claim(_ id: [UInt8]) -> Place? {
        state.withLock { state in
            if id.allSatisfy({ $0 == 0 }) { return state.service }
            guard let place = state.awaited.removeValue(forKey: id)?.place else { return nil }
            state.counts[place, default: 1] -= 1
            return place
        }
    }

    func serve(at place: Place) { state.withLock { $0.service = place } }

    func leave(_ place: Place) {
        state.withLock { state in
            if state.service == place { state.service = nil }
            if state.counts.removeValue(forKey: place) != nil {
                state.awaited = state.awaited.filter { $1.place != place }
            }
        }
    }

    /// An epoch begins: a reply dies with the keys of its epoch, so an id that was told before the last one is awaited in
    /// vain. Without this, lost replies would use up what a link may have out.
    func enter(_ epoch: UInt64) {
        state.withLock { state in
            guard state.epoch != epoch else { return }
            state.epoch = epoch
            for (id, entry) in state.awaited where entry.epoch &+ 1 < epoch {
                state.awaited[id] = nil
                state.counts[entry.place, default: 1] -= 1
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
