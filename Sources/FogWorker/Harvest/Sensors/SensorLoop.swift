import CFog
import FogCore
import Glibc

/// What the thread of ``LinuxSensors`` does. Its own alone; others reach it by its control.
struct SensorLoop: ~Copyable {
    private enum Token {
        static let (control, timer, input, rest, devices, uevents, pressure) = (
            UInt64(0), UInt64(1), UInt64(2), UInt64(3), UInt64(4), UInt64(5), UInt64(6)
        )
    }

    /// After an input its devices are left alone for so long: a mouse tells a thousand times a second that it moves.
    private static let rest = (busy: TimeSpan.milliseconds(250), idle: TimeSpan.seconds(1))
    /// How long a sample waits for drivers. The first waits as long as they may take.
    private static let patience = TimeSpan.milliseconds(500)
    /// Between looks for what is new: devices, consoles, control groups.
    private static let refreshEvery = TimeSpan.minutes(1)

    private let control: SensorControl
    private let continuation: AsyncStream<HarvestReading>.Continuation
    private let clock = SystemClock()
    private let epoll: Int32
    private let timer: Int32
    private let restTimer: Int32
    private let uevents: Int32
    private let triggers: [Int32]
    private var machine: MachineWatch
    /// A sample was taken and waits for drivers.
    private var isDue = false
    private var nextSample = TimeSpan.zero
    private var lastSample = TimeSpan.zero
    private var nextRefresh: TimeSpan

    init(
        _ roots: SensorRoots, _ control: SensorControl, _ continuation: AsyncStream<HarvestReading>.Continuation
    ) {
        self.control = control
        self.continuation = continuation
        epoll = fog_epoll()
        timer = fog_timer()
        restTimer = fog_timer()
        uevents = fog_uevents()
        triggers = PressureSensor.arm(roots.proc)
        machine = MachineWatch(roots, since: clock.sinceBoot) { [control] in control.wake() }
        nextRefresh = clock.sinceBoot + Self.refreshEvery
        fog_epoll_add(epoll, control.event, Token.control)
        fog_epoll_add(epoll, timer, Token.timer)
        fog_epoll_add(epoll, restTimer, Token.rest)
        fog_epoll_add(epoll, machine.inputs.epoll, Token.input)
        if machine.inputs.changes >= 0 { fog_epoll_add(epoll, machine.inputs.changes, Token.devices) }
        if uevents >= 0 { fog_epoll_add(epoll, uevents, Token.uevents) }
        for trigger in triggers { fog_epoll_add_urgent(epoll, trigger, Token.pressure) }
    }

    deinit {
        for file in [epoll, timer, restTimer, uevents] + triggers where file >= 0 { close(file) }
    }

    mutating func run() {
        sample(patience: SlowProbe<Int>.patience)
        var tokens = [UInt64](repeating: 0, count: 16)
        while true {
            let count = fog_epoll_wait(epoll, &tokens, Int32(tokens.count))
            guard count > 0, !control.isStopped else { break }
            for token in tokens.prefix(Int(count)) { handle(token) }
        }
        continuation.finish()
    }

    private mutating func handle(_ token: UInt64) {
        switch token {
        case Token.control: told()
        case Token.timer:
            clear(timer)
            if isDue { emit() } else { sample(patience: Self.patience) }
        case Token.input: used()
        case Token.rest:
            clear(restTimer)
            fog_epoll_add(epoll, machine.inputs.epoll, Token.input)
        case Token.devices: machine.inputs.refresh()
        case Token.uevents: plugged()
        case Token.pressure: pressed()
        default: break
        }
    }

    private func clear(_ timer: Int32) {
        var expirations: UInt64 = 0
        _ = read(timer, &expirations, 8)
    }

    /// A driver has answered, or tasks run now, or none does any more.
    private mutating func told() {
        control.drain()
        let now = clock.sinceBoot
        if isDue {
            if !machine.isWaiting { emit() }
        } else if machine.hasNews {
            // A plug was pulled between two samples.
            emit()
        } else if nextSample > now + pace {
            sample(patience: Self.patience)
        }
    }

    private mutating func used() {
        fog_epoll_remove(epoll, machine.inputs.epoll)
        fog_timer_set(restTimer, (control.tasksRun ? Self.rest.busy : Self.rest.idle).milliseconds * 1_000_000)
        guard machine.drainInput(at: clock.sinceBoot), !isDue else { return }
        continuation.yield(machine.reading(at: clock.sinceBoot, wall: clock.now))
    }

    private mutating func plugged() {
        var buffer = [UInt8](repeating: 0, count: Uevent.maxBytes)
        // No more than that at once: input comes first.
        for _ in 0..<256 {
            let length = fog_uevent(uevents, &buffer, buffer.count)
            guard length >= 0 else { break }
            if Uevent(buffer.prefix(length))?.subsystem == "power_supply" { machine.askPower(at: clock.sinceBoot) }
        }
    }

    private mutating func pressed() {
        // A trigger comes as often as once a second, and one of them is enough.
        if !isDue, clock.sinceBoot - lastSample >= LinuxSensors.pace.busy { sample(patience: Self.patience) }
    }

    // MARK: - Samples

    private var pace: TimeSpan { control.tasksRun ? LinuxSensors.pace.busy : LinuxSensors.pace.idle }

    private mutating func sample(patience: TimeSpan) {
        let now = clock.sinceBoot
        lastSample = now
        nextSample = now + pace
        if now >= nextRefresh {
            nextRefresh = now + Self.refreshEvery
            machine.refresh()
        }
        machine.sample(at: now, wall: clock.now)
        if machine.isWaiting {
            isDue = true
            arm(patience)
        } else {
            emit()
        }
    }

    private mutating func emit() {
        isDue = false
        let now = clock.sinceBoot
        machine.collect(at: now)
        continuation.yield(machine.reading(at: now, wall: clock.now))
        arm(nextSample - now)
    }

    private func arm(_ span: TimeSpan) {
        // 0 would disarm it.
        fog_timer_set(timer, max(1, span.milliseconds) * 1_000_000)
    }
}
