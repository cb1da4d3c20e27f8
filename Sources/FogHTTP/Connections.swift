internal import NIOCore
internal import Synchronization

/// The open connections and what each of them waits for, so that a waiting handler is cancelled when its client leaves
/// or the server shuts down.
///
/// One callback a connection, not one a request: callbacks on a kept-alive connection's close would pile up, poll after
/// poll (2,000 polls measured: a plain `await` in a handler left all 2,000 waiting for ever and SIGTERM without end).
final class Connections: Sendable {
    private struct State {
        var connections: [ObjectIdentifier: Connection] = [:]
        var openRequests = 0
        var isShuttingDown = false
    }

    private let state = Mutex(State())
    private let requestLimit: Int

    init(requestLimit: Int) { self.requestLimit = requestLimit }

    var openRequests: Int { state.withLock { $0.openRequests } }
    var count: Int { state.withLock { $0.connections.count } }

    /// Runs one request of a connection.
    /// - Returns: nil, without running it, when as many are under way as there may be or the server shuts down.
    func run<Value: Sendable>(
        on channel: any Channel, _ operation: @escaping @Sendable (Connection) async -> Value
    ) async -> Value? {
        guard let connection = begin(channel) else { return nil }
        defer {
            connection.release()
            state.withLock { $0.openRequests -= 1 }
        }
        // Unstructured so that the connection's close can cancel it; awaited here, two lines below.
        let task = Task { await operation(connection) }
        connection.hold { task.cancel() }
        return await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// Cancels the reading of bodies that are not there in time, until it is cancelled itself.
    ///
    /// One look at all connections now and then, because a timer for each body cost a tenth of a small request.
    /// - Parameter bodyTime: how long they have; one may get a quarter more, at most a second.
    func watchBodies(_ bodyTime: Duration) async {
        let pause = min(max(bodyTime / 4, .milliseconds(10)), .seconds(1))
        while (try? await Task.sleep(for: pause)) != nil {
            let now = ContinuousClock.now
            for connection in state.withLock({ Array($0.connections.values) }) { connection.expireBody(at: now) }
        }
    }

    /// Cancels what is under way and lets nothing begin.
    func shutDown() {
        let all = state.withLock { state in
            state.isShuttingDown = true
            return Array(state.connections.values)
        }
        for connection in all { connection.close() }
    }

    private func begin(_ channel: any Channel) -> Connection? {
        let id = ObjectIdentifier(channel)
        let (connection, isNew) = state.withLock { state -> (Connection?, Bool) in
            guard !state.isShuttingDown, state.openRequests < requestLimit else { return (nil, false) }
            state.openRequests += 1
            if let known = state.connections[id] { return (known, false) }
            let connection = Connection()
            state.connections[id] = connection
            return (connection, true)
        }
        if let connection, isNew {
            // The callback keeps the channel, so its identity is not given to another one before it has run.
            channel.closeFuture.whenComplete { _ in
                withExtendedLifetime(channel) { self.forget(id) }
                connection.close()
            }
        }
        return connection
    }

    private func forget(_ id: ObjectIdentifier) { state.withLock { $0.connections[id] = nil } }
}

/// One connection: HTTP/1.1 answers in order, so at most one request is under way.
final class Connection: Sendable {
    private struct State {
        var isClosed = false
        /// Nil while no body is read.
        var bodyDue: ContinuousClock.Instant?
        var isBodyLate = false
        var cancel: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    /// Cancels at once when the connection is closed already.
    fileprivate func hold(_ cancel: @escaping @Sendable () -> Void) {
        let isClosed = state.withLock { state in
            if !state.isClosed { state.cancel = cancel }
            return state.isClosed
        }
        if isClosed { cancel() }
    }

    fileprivate func release() { state.withLock { $0.cancel = nil } }

    func beginBody(within span: Duration) {
        state.withLock { state in
            state.bodyDue = .now + span
            state.isBodyLate = false
        }
    }

    /// Whether it took too long, and was cancelled.
    func endBody() -> Bool {
        state.withLock { state in
            state.bodyDue = nil
            return state.isBodyLate
        }
    }

    fileprivate func expireBody(at now: ContinuousClock.Instant) {
        let cancel = state.withLock { state -> (@Sendable () -> Void)? in
            guard let due = state.bodyDue, due <= now else { return nil }
            state.bodyDue = nil
            state.isBodyLate = true
            return state.cancel
        }
        cancel?()
    }

    fileprivate func close() {
        let cancel = state.withLock { state in
            state.isClosed = true
            defer { state.cancel = nil }
            return state.cancel
        }
        cancel?()
    }
}
