import FogJobs
import FogSandbox
import Glibc
import Synchronization

/// One task's way into the network: HTTP CONNECT, and plain HTTP by whole URIs, to the hosts that its job names.
///
/// A thread of its own serves the socket, from the task's start to its end. Without a task that has a network there is
/// neither thread nor socket.
package final class TaskProxy: TaskNetwork {
    let hosts: [AllowedHost]
    let host: ProxyHost
    private let yields: Bool
    private let state = Mutex(State())

    private struct State {
        enum Phase { case new, open, closed }

        var phase = Phase.new
        var mailbox: ProxyMailbox?
        var waiters: [CheckedContinuation<Void, Never>] = []
        var tally = ProxyTally()
    }

    init(_ hosts: [AllowedHost], host: ProxyHost, yields: Bool) {
        self.hosts = hosts
        self.host = host
        self.yields = yields
    }

    /// Of the thread where tasks run on what others leave. Not SCHED_IDLE: it would never close anything while the
    /// machine's owner is busy.
    private static let niceness: Int32 = 10

    package var tally: ProxyTally { state.withLock { $0.tally } }

    func count(_ change: (inout ProxyTally) -> Void) { state.withLock { change(&$0.tally) } }

    // MARK: - For the sandbox

    /// Both spellings: programs disagree on which they read.
    package func environment(port: Int) -> [String: String] {
        var variables: [String: String] = [:]
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            variables[name] = "http://127.0.0.1:\(port)"
            variables[name.lowercased()] = "http://127.0.0.1:\(port)"
        }
        variables["NO_PROXY"] = "localhost,127.0.0.1,::1"
        variables["no_proxy"] = variables["NO_PROXY"]
        return variables
    }

    package func open(_ socket: Int32) throws(SandboxFailure) {
        do throws(SandboxFailure) {
            let mailbox = try host.register()
            let isNew = state.withLock { state in
                guard state.phase == .new else { return false }
                (state.phase, state.mailbox) = (.open, mailbox)
                return true
            }
            guard isNew else {
                host.forget(mailbox)
                throw SandboxFailure("sandbox_failed", "a proxy serves one task")
            }
            do throws(SandboxFailure) {
                try start(ProxyLoop(self, listener: socket, mailbox: mailbox, niceness: yields ? Self.niceness : 0))
            } catch {
                finished()
                throw error
            }
        } catch {
            Glibc.close(socket)
            throw error
        }
    }

    package func setFrozen(_ frozen: Bool) {
        state.withLock { $0.mailbox }?.tell { $0.isFrozen = frozen }
    }

    package func close() async {
        let mailbox = state.withLock { state in
            if state.phase == .new { state.phase = .closed }
            return state.mailbox
        }
        guard let mailbox else { return }
        mailbox.tell { $0.isStopped = true }
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                guard state.phase != .closed else { return true }
                state.waiters.append(continuation)
                return false
            }
            if isOver { continuation.resume() }
        }
    }

    // MARK: - The thread

    private func start(_ loop: ProxyLoop) throws(SandboxFailure) {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(loop)
        let result = pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer else { return nil }
                let loop = Unmanaged<ProxyLoop>.fromOpaque(pointer).takeRetainedValue()
                loop.run()
                return nil
            }, context.toOpaque())
        guard result == 0 else {
            context.release()
            throw SandboxFailure("sandbox_failed", "cannot start a thread: \(String(cString: strerror(result)))")
        }
        pthread_detach(thread)
    }

    /// Everything is closed: said last by the thread.
    func finished() {
        let (mailbox, waiters) = state.withLock { state in
            defer { (state.mailbox, state.waiters) = (nil, []) }
            state.phase = .closed
            return (state.mailbox, state.waiters)
        }
        if let mailbox { host.forget(mailbox) }
        for waiter in waiters { waiter.resume() }
    }
}
