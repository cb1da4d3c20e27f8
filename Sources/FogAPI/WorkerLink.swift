internal import FogCore

/// A worker's link to the coordinator, opened when it is first wanted, and anew when the coordinator does not know it
/// any more.
///
/// Requests that are under way together share one opening.
package actor WorkerLink {
    private var session: LinkSession?
    private var opening: Task<LinkSession, any Error>?

    package init() {}

    /// The link that is open now, for those who look.
    package var current: LinkID? { session?.keys.link }

    /// - Parameter open: asks the coordinator for a link.
    func session(_ open: @escaping @Sendable () async throws -> LinkSession) async throws -> LinkSession {
        if let session { return session }
        if let opening { return try await opening.value }
        // Unstructured, because those who wait for it come and go; whoever began it waits below.
        let task = Task(operation: open)
        opening = task
        defer { opening = nil }
        let session = try await task.value
        self.session = session
        return session
    }

    /// Forgets a link that the coordinator does not know; a newer one stays.
    func forget(_ link: LinkID) {
        if session?.keys.link == link { session = nil }
    }
}
