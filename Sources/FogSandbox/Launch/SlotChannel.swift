import CFog
import Dispatch
import FogSandboxPlan
import Glibc
import Synchronization

/// The line to one launcher: what goes to it, what comes back, and the supervision of the task it runs.
///
/// Everything that comes in is handled on the reactor's thread; callers wait by continuation.
final class SlotChannel: Sendable {
    enum Phase: Sendable, Hashable { case starting, free, opening, running, draining, dead }

    struct Ended: Sendable {
        /// Nil when init, or the launcher, was killed.
        let report: fog_report?
        let cause: Ending?
        let wallNanoseconds: Int64
    }

    /// A listening socket in the slot's network namespace; whoever takes it closes it.
    struct Outlet: Sendable {
        let socket: Int32
        let port: Int
    }

    private struct State {
        var phase = Phase.starting
        var sequence: UInt32 = 0
        var ready: fog_report?
        var outlet: Result<Outlet, SandboxFailure>?
        var ended: Ended?
        var startedAt: Int64 = 0
        var supervision: Supervision?
        var isMeasuring = false
        var measure: (@Sendable () -> Ending?)?
        var afterKill: (@Sendable () -> Void)?
        var waiters: [CheckedContinuation<Void, Never>] = []
        var tokens: (socket: UInt64, timer: UInt64)?
        var isOpen = true
    }

    private let reactor: Reactor
    private let socket: Int32
    private let timer: Int32
    let pid: pid_t
    private let state = Mutex(State())
    /// Tasks are looked at here, one after the other: neither on the reactor nor on Swift's own threads.
    private static let folders = DispatchQueue(label: "fog.sandbox.folders")

    /// Starts a launcher; it waits for its template. `prepare` runs before it can do anything, with its pid.
    static func start(
        _ launcher: String, reactor: Reactor, prepare: @escaping @Sendable (pid_t) throws(SandboxFailure) -> Void
    ) async throws(SandboxFailure) -> SlotChannel {
        let result: Result<SlotChannel, SandboxFailure> = await withCheckedContinuation { continuation in
            reactor.perform {
                do throws(SandboxFailure) {
                    continuation.resume(returning: .success(try SlotChannel(launcher, reactor, prepare)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        let channel = try result.get()
        channel.listen()
        return channel
    }

    private init(
        _ launcher: String, _ reactor: Reactor, _ prepare: (pid_t) throws(SandboxFailure) -> Void
    ) throws(SandboxFailure) {
        var pair: [Int32] = [-1, -1]
        let timer = fog_timer()
        guard timer >= 0, fog_packet_pair(&pair) == 0 else {
            throw SandboxFailure("sandbox_failed", "no socket for the launcher: \(Files.words(errno))")
        }
        defer { close(pair[1]) }
        do throws(SandboxFailure) {
            let pid = try Launcher.spawn(launcher, socket: pair[1])
            do throws(SandboxFailure) {
                try prepare(pid)
            } catch {
                kill(pid, SIGKILL)
                var status: Int32 = 0
                _ = fog_wait_status(pid, &status, 0)
                throw error
            }
            self.pid = pid
        } catch {
            close(pair[0])
            close(timer)
            throw error
        }
        socket = pair[0]
        self.timer = timer
        self.reactor = reactor
    }

    private func listen() {
        let tokens = (reactor.add(socket) { self.receive() }, reactor.add(timer) { self.timerFired() })
        state.withLock { $0.tokens = tokens }
    }

    // MARK: - Sending

    /// - Throws: `launcher_gone`.
    func send(_ bytes: [UInt8], descriptors: [Int32] = []) throws(SandboxFailure) {
        guard fog_send(socket, bytes, bytes.count, descriptors, Int32(descriptors.count)) == bytes.count else {
            throw SandboxFailure("launcher_gone", "the launcher takes no plan: \(Files.words(errno))")
        }
    }

    /// Sends a launch and its descriptors, in as many packets as they need.
    func launch(
        _ plan: LaunchPlan, descriptors: [Int32], supervision: Supervision,
        afterKill: @escaping @Sendable () -> Void, measure: @escaping @Sendable () -> Ending?
    ) throws(SandboxFailure) {
        let bytes: [UInt8]
        do {
            bytes = try plan.encoded()
        } catch {
            throw SandboxFailure("plan_too_large", "arguments, environment and inputs do not fit a plan: \(error)")
        }
        state.withLock { state in
            state.phase = .running
            state.sequence = plan.sequence
            state.ended = nil
            state.startedAt = fog_boot_nanoseconds()
            state.supervision = supervision
            state.measure = measure
            state.afterKill = afterKill
            arm(&state)
        }
        let perPacket = Int(FOG_DESCRIPTORS_PER_MESSAGE)
        var rest = descriptors[...]
        do throws(SandboxFailure) {
            while rest.count > perPacket {
                let more = PlanWriter(kind: .descriptors, sequence: plan.sequence)
                try send(more.bytes, descriptors: Array(rest.prefix(perPacket)))
                rest = rest.dropFirst(perPacket)
            }
            try send(bytes, descriptors: Array(rest))
        } catch {
            abandon()
            throw error
        }
    }

    /// Has the launcher open the task's only way out of its network namespace.
    /// - Parameter port: which one, if it is free.
    /// - Throws: `launcher_gone`, `sandbox_failed`.
    func listen(port: UInt16) async throws(SandboxFailure) -> Outlet {
        guard let bytes = try? ListenPlan(port: port).encoded() else {
            throw SandboxFailure("sandbox_failed", "a plan to listen cannot be written")
        }
        let isFree = state.withLock { state in
            guard state.phase == .free else { return false }
            state.phase = .opening
            return true
        }
        guard isFree else { throw SandboxFailure("launcher_gone", "the launcher is not free to open a network") }
        try send(bytes)
        guard await wait(until: { $0 != .opening }) == .free, let outlet = takeOutlet() else {
            throw SandboxFailure("launcher_gone", "the launcher ended before it opened the task's network")
        }
        return try outlet.get()
    }

    private func takeOutlet() -> Result<Outlet, SandboxFailure>? {
        state.withLock { state in
            defer { state.outlet = nil }
            return state.outlet
        }
    }

    private func order(_ order: PlanOrder, _ sequence: UInt32) {
        guard let bytes = try? OrderPlan(order, sequence: sequence).encoded() else { return }
        // A launcher that is gone has taken the task along; the socket's end says so.
        try? send(bytes)
    }

    // MARK: - Waiting

    var phase: Phase { state.withLock { $0.phase } }
    var ready: fog_report? { state.withLock { $0.ready } }

    /// Waits for a phase in which the condition holds; `dead` always ends it.
    func wait(until condition: @Sendable (Phase) -> Bool) async -> Phase {
        while true {
            let phase = self.phase
            if phase == .dead || condition(phase) { return phase }
            await withCheckedContinuation { continuation in
                let resume = state.withLock { state in
                    // Looked at again under the lock: it may have come in between.
                    if state.phase == .dead || condition(state.phase) { return true }
                    state.waiters.append(continuation)
                    return false
                }
                if resume { continuation.resume() }
            }
        }
    }

    func ended() async -> Ended {
        _ = await wait { $0 != .running }
        return state.withLock { $0.ended } ?? Ended(report: nil, cause: nil, wallNanoseconds: 0)
    }

    private func change(_ body: (inout State) -> Void) {
        let waiters = state.withLock { state in
            body(&state)
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    // MARK: - Receiving, on the reactor's thread

    private func receive() {
        var report = fog_report()
        var (count, received) = (Int32(0), [Int32(-1)])
        let length = fog_receive(
            socket, &report, MemoryLayout<fog_report>.size, &received, 1, &count, Int32(MSG_DONTWAIT))
        if length < 0, errno == EAGAIN { return }
        let descriptor = count == 1 ? received[0] : -1
        var isTaken = false
        defer { if descriptor >= 0, !isTaken { close(descriptor) } }
        guard length == MemoryLayout<fog_report>.size, report.magic == FOG_PLAN_MAGIC else { return lose() }
        switch UInt32(report.kind) {
        case FOG_REPORT_READY.rawValue:
            change { state in
                state.ready = report
                state.phase = report.step == 0 ? .free : .dead
            }
        case FOG_REPORT_LISTENING.rawValue:
            change { state in
                guard state.phase == .opening else { return }
                state.phase = .free
                if descriptor >= 0 {
                    state.outlet = .success(Outlet(socket: descriptor, port: Int(report.status)))
                    isTaken = true
                } else {
                    state.outlet = .failure(
                        SandboxFailure(
                            "sandbox_failed", "opening the task's network failed: \(Files.words(report.error))"))
                }
            }
        case FOG_REPORT_ENDED.rawValue:
            change { state in
                guard state.phase == .running, report.sequence == state.sequence else { return }
                finish(&state, report)
            }
        case FOG_REPORT_FREED.rawValue:
            change { state in
                guard report.sequence == state.sequence else { return }
                if state.phase == .running { finish(&state, nil) }
                state.phase = .free
            }
        default: lose()
        }
    }

    private func finish(_ state: inout State, _ report: fog_report?) {
        state.phase = .draining
        state.ended = Ended(
            report: report, cause: state.supervision?.cause,
            wallNanoseconds: fog_boot_nanoseconds() - state.startedAt)
        state.supervision = nil
        state.measure = nil
        state.afterKill = nil
        fog_timer_set(timer, 0)
    }

    /// The socket's end: the launcher and all its processes that held it are gone.
    private func lose() {
        let tokens = state.withLock { state in
            defer { state.tokens = nil }
            return state.tokens
        }
        guard let tokens else { return }
        reactor.remove(tokens.socket, socket)
        reactor.remove(tokens.timer, timer)
        kill(pid, SIGKILL)
        var status: Int32 = 0
        _ = fog_wait_status(pid, &status, 0)
        change { state in
            if state.phase == .running { finish(&state, nil) }
            state.phase = .dead
            state.isOpen = false
        }
        if case .success(let outlet)? = takeOutlet() { close(outlet.socket) }
        close(socket)
        close(timer)
    }

    // MARK: - Supervision

    private func timerFired() {
        var expirations: UInt64 = 0
        read(timer, &expirations, 8)
        act { supervision, now in supervision.tick(now) }
    }

    /// Applies a step of the supervision, and does what it says.
    private func act(_ step: (inout Supervision, Int64) -> [Supervision.Effect]) {
        let (effects, sequence, measure, afterKill) = state.withLock {
            state -> ([Supervision.Effect], UInt32, (@Sendable () -> Ending?)?, (@Sendable () -> Void)?) in
            guard state.phase == .running, var supervision = state.supervision else { return ([], 0, nil, nil) }
            var effects = step(&supervision, fog_boot_nanoseconds())
            if effects.contains(.look) {
                if state.isMeasuring { effects.removeAll { $0 == .look } } else { state.isMeasuring = true }
            }
            state.supervision = supervision
            arm(&state)
            return (effects, state.sequence, state.measure, state.afterKill)
        }
        for effect in effects {
            switch effect {
            case .order(let order): self.order(order, sequence)
            case .killLauncher: kill(pid, SIGKILL)
            case .look:
                Self.folders.async { self.measured(sequence, exceeded: measure?()) }
            }
        }
        // What may use no processor could not even die. Not before the order: it would use what it is given.
        if effects.contains(.order(.kill)) { afterKill?() }
    }

    private func measured(_ sequence: UInt32, exceeded: Ending?) {
        let isCurrent = state.withLock { state in
            state.isMeasuring = false
            return state.sequence == sequence
        }
        guard let exceeded, isCurrent else { return }
        act { supervision, now in supervision.end(exceeded, grace: 0, now) }
    }

    private func arm(_ state: inout State) {
        guard let next = state.supervision?.next else {
            fog_timer_set(timer, 0)
            return
        }
        fog_timer_set(timer, max(1, next &- fog_boot_nanoseconds()))
    }

    /// Ends the running task; nothing when none runs.
    func end(_ cause: Ending, grace: Int64) {
        act { supervision, now in supervision.end(cause, grace: grace, now) }
    }

    func setFrozen(_ frozen: Bool) {
        act { supervision, now in
            if frozen { supervision.freeze(now) } else { supervision.thaw(now) }
            return []
        }
    }

    var isFrozen: Bool { state.withLock { $0.supervision?.isFrozen ?? false } }

    func stopBySignal(_ stop: Bool) {
        act { _, _ in [.order(stop ? .stop : .resume)] }
    }

    /// Ends the launcher and with it any task.
    func abandon() { kill(pid, SIGKILL) }
}
