package import FogCore
package import FogJobs
internal import Synchronization

/// The enrolled keys, for those who must know at once and cannot wait for the coordinator: the doors.
package final class PrincipalDirectory: Sendable {
    private let principals = Mutex<[KeyID: Principal]>([:])

    package init() {}

    package func find(_ id: KeyID) -> Principal? { principals.withLock { $0[id] } }

    func replace(_ all: [KeyID: Principal]) { principals.withLock { $0 = all } }

    func add(_ some: [Principal]) {
        guard !some.isEmpty else { return }
        principals.withLock { known in
            for principal in some { known[principal.key.id] = principal }
        }
    }
}
