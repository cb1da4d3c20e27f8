import CFog
import Glibc
import Synchronization

/// One thread that waits for the sockets and timers of all slots.
///
/// Its own thread, for two reasons: waiting must not hold one of Swift's cooperative threads, and the kernel ties a
/// launcher's death signal (PR_SET_PDEATHSIG) to the thread that started it, so that thread must live as long as the
/// agent.
final class Reactor: Sendable {
    private struct State {
        var handlers: [UInt64: @Sendable () -> Void] = [:]
        var jobs: [@Sendable () -> Void] = []
        var next: UInt64 = 1
        var stopping = false
    }

    private let epoll: Int32
    private let event: Int32
    private let state = Mutex(State())

    init() throws(SandboxFailure) {
        epoll = fog_epoll()
        event = fog_event()
        guard epoll >= 0, event >= 0, fog_epoll_add(epoll, event, 0) == 0 else {
            throw SandboxFailure("sandbox_failed", "cannot wait for events: \(Files.words(errno))")
        }
        try start()
    }

    /// The thread holds the reactor until ``stop()``.
    private func start() throws(SandboxFailure) {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let result = pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer else { return nil }
                let reactor = Unmanaged<Reactor>.fromOpaque(pointer).takeRetainedValue()
                reactor.run()
                close(reactor.epoll)
                close(reactor.event)
                return nil
            }, context.toOpaque())
        guard result == 0 else {
            context.release()
            throw SandboxFailure("sandbox_failed", "cannot start a thread: \(Files.words(result))")
        }
        pthread_detach(thread)
    }

    /// Calls the handler on the reactor's thread whenever the descriptor can be read.
    func add(_ descriptor: Int32, _ handler: @escaping @Sendable () -> Void) -> UInt64 {
        state.withLock { state in
            let token = state.next
            state.next += 1
            state.handlers[token] = handler
            fog_epoll_add(epoll, descriptor, token)
            return token
        }
    }

    /// To be called before the descriptor is closed.
    func remove(_ token: UInt64, _ descriptor: Int32) {
        fog_epoll_remove(epoll, descriptor)
        _ = state.withLock { $0.handlers.removeValue(forKey: token) }
    }

    /// Runs a job on the reactor's thread.
    func perform(_ job: @escaping @Sendable () -> Void) {
        state.withLock { $0.jobs.append(job) }
        wake()
    }

    func stop() {
        state.withLock { $0.stopping = true }
        wake()
    }

    private func wake() {
        var one: UInt64 = 1
        write(event, &one, 8)
    }

    private func run() {
        var tokens = [UInt64](repeating: 0, count: 64)
        while true {
            let count = fog_epoll_wait(epoll, &tokens, Int32(tokens.count))
            guard count >= 0 else { return }
            for token in tokens.prefix(Int(count)) {
                if token == 0 {
                    var value: UInt64 = 0
                    read(event, &value, 8)
                } else {
                    state.withLock { $0.handlers[token] }?()
                }
            }
            let (jobs, stopping) = state.withLock { state in
                defer { state.jobs = [] }
                return (state.jobs, state.stopping)
            }
            for job in jobs { job() }
            if stopping { return }
        }
    }
}
