package import FogCore
package import FogJobs

extension Coordinator {
    /// A machine leaves the pool for good: what it has goes back into the queue, and its registration ends.
    package func leave(from key: KeyID) async throws -> NodeStatus {
        let (id, owner) = try await perform { core, now throws(CoordinatorFailure) in
            try core.leave(from: key, at: now)
        }
        pollers.removeValue(forKey: id)?.continuation.resume(returning: ([], 0))
        return try node(id.description, for: owner)
    }
}

extension CoordinatorCore {
    /// - Throws: `unknown_worker` for a key that never said hello.
    package mutating func leave(from key: KeyID, at now: Moment) throws(CoordinatorFailure) -> (NodeID, Principal) {
        guard let id = nodeOfKey[key], let principal = principal(key), nodes[id] != nil else {
            throw CoordinatorFailure("unknown_worker", "no machine works here with this key")
        }
        for attempt in (nodes[id]?.leases ?? []).sorted() {
            endLost(attempt, as: .drained, detail: "its machine left the pool", at: now)
        }
        guard var node = nodes[id] else { throw .notFound }
        node.row.standing = .revoked
        node.liveness = .offline
        node.plan = []
        node.want = 0
        save(node)
        note("node_left", at: now, node: id, detail: ["name": node.row.report.name])
        placementWanted = true
        return (id, principal)
    }
}
