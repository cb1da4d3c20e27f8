import FogCore
import Synchronization

/// All sensors of a machine and what they said last. No waiting, no threads but those of the slow probes.
struct MachineWatch: ~Copyable {
    /// What one look at the temperatures found.
    struct HeatLook: Sendable {
        var samples: [HeatJudge.Sample]
        var at: TimeSpan
    }

    /// What one look at the batteries found.
    struct PowerLook: Sendable {
        var power: PowerReading
        var ignored: [String]
    }

    /// A machine tells at most so many sensors that it ignores.
    static let maxIgnored = 32

    private let roots: SensorRoots
    private let since: TimeSpan
    private let answered: @Sendable () -> Void
    private let powerProbe: SlowProbe<PowerLook>
    private let heatProbe: SlowProbe<HeatLook>
    private let heatSources: HeatSourceBox
    var inputs: InputWatch
    private var terminals: TerminalWatch
    private var zone: ZoneReader
    private var screen = ScreenSensor()
    private var load = LoadSensor()
    private var own: OwnUse
    private var judge = HeatJudge()

    /// The newest event of an input device.
    private var used: (at: TimeSpan, device: String)?
    private var terminal: InputReading?
    private var session: InputReading?
    private var shown: ScreenReading?
    private var power = PowerReading()
    private var powerAsked: TimeSpan?
    private var heat: [HeatReading] = []
    private var judged: TimeSpan?
    private var busy: LoadSensor.Load?
    private var pressure: PressureReading?
    private var memory: ByteCount?
    private var network = NetworkReading()
    private var ignoredHeat: [String] = []
    private var ignoredPower: [String] = []
    private var plugAsked = false

    /// - Parameter answered: called on another thread when a slow probe has an answer.
    init(_ roots: SensorRoots, since: TimeSpan, answered: @escaping @Sendable () -> Void) {
        self.roots = roots
        self.since = since
        self.answered = answered
        let sysfs = roots.sysfs
        let sources = HeatSourceBox(sysfs)
        heatSources = sources
        powerProbe = SlowProbe("power") {
            let (power, ignored) = PowerSensor.read(sysfs)
            return PowerLook(power: power, ignored: ignored)
        }
        heatProbe = SlowProbe("heat") { HeatLook(samples: sources.read(), at: SystemClock().sinceBoot) }
        inputs = InputWatch(roots)
        terminals = TerminalWatch(roots)
        zone = ZoneReader(roots)
        own = OwnUse(roots)
    }

    // MARK: - Looking

    /// Looks for sensors that came or went.
    mutating func refresh() {
        inputs.refresh()
        terminals.refresh()
        own.refresh()
        heatSources.forget()
    }

    /// Reads what is at hand and asks for the rest.
    mutating func sample(at now: TimeSpan, wall: Timestamp) {
        heatProbe.ask(at: now, then: answered)
        if powerAsked.map({ now - $0 >= LinuxSensors.powerPace }) ?? true {
            powerAsked = now
            powerProbe.ask(at: now, then: answered)
        }
        terminal = terminals.newest(now: now, wall: wall)
        session = inputs.unreadable.isEmpty ? nil : SessionWatch.newest(run: roots.run, now: now)
        shown = screen.read(roots.sysfs, at: now)
        if let total = SensorFile.text(roots.proc + "/stat").flatMap(LoadSensor.busy) {
            busy = load.take(LoadSensor.Sample(at: now, busy: total, own: own.read()))
        }
        pressure = PressureSensor.read(roots.proc)
        memory = MemorySensor.read(roots.proc)
        network = NetworkSensor.read(proc: roots.proc, sysfs: roots.sysfs)
    }

    mutating func askPower(at now: TimeSpan) {
        powerAsked = now
        plugAsked = true
        powerProbe.ask(at: now, then: answered)
    }

    /// Whether a driver has not answered yet.
    var isWaiting: Bool { heatProbe.isWaiting || powerProbe.isWaiting }

    /// Whether an answer came that was not asked for by a sample.
    var hasNews: Bool { plugAsked && !powerProbe.isWaiting }

    /// Takes over what drivers answered.
    mutating func collect(at now: TimeSpan) {
        plugAsked = false
        let (look, powerProblem) = powerProbe.answer(at: now)
        // What hangs was plugged in a moment ago, too: the last answer is the best there is.
        if let look { power = look.power }
        ignoredPower = (look?.ignored ?? []) + [powerProblem].compactMap { $0 }
        let (temperatures, heatProblem) = heatProbe.answer(at: now)
        guard let temperatures else {
            heat = []
            ignoredHeat = [heatProblem].compactMap { $0 }
            return
        }
        // Each look is judged once.
        guard temperatures.at != judged else { return }
        judged = temperatures.at
        (heat, ignoredHeat) = judge.judge(temperatures.samples, busy: busy?.busy, at: temperatures.at)
    }

    /// - Returns: whether somebody used the machine.
    mutating func drainInput(at now: TimeSpan) -> Bool {
        guard let device = inputs.drain() else { return false }
        used = (now, device)
        return true
    }

    // MARK: - Telling

    mutating func reading(at now: TimeSpan, wall: Timestamp) -> HarvestReading {
        let unreadable = inputs.unreadable.map { "\($0): not readable by this user" }
        return HarvestReading(
            at: now,
            wall: LocalTime(utc: wall, offsetSeconds: Int(zone.current().offset(at: wall.seconds))), input: input,
            screen: shown, power: power, heat: heat, foreignLoad: busy?.foreign, pressure: pressure,
            memoryAvailable: memory, network: network,
            ignored: Array((unreadable + ignoredPower + ignoredHeat).prefix(Self.maxIgnored)))
    }

    /// The newest of all that can tell.
    private var input: InputReading? {
        var known = [terminal, session].compactMap { $0 }
        if let used {
            known.append(InputReading(last: used.at, source: .evdev, device: used.device))
        } else if !inputs.isEmpty {
            // What was before the watch began nobody knows; to say longer ago would be a guess.
            known.append(InputReading(last: since, source: .evdev, device: "machine (watched since then)"))
        }
        if let newest = known.max(by: { $0.last < $1.last }) { return newest }
        return inputs.unreadable.isEmpty ? InputReading(last: .zero, source: .assumed, device: "") : nil
    }
}

/// The temperatures that were found, until they are to be looked for again.
final class HeatSourceBox: Sendable {
    private let sysfs: String
    private let sources = Mutex<[HeatSource]?>(nil)

    init(_ sysfs: String) { self.sysfs = sysfs }

    func forget() { sources.withLock { $0 = nil } }

    /// May hang in a driver.
    func read() -> [HeatJudge.Sample] {
        let found = sources.withLock { $0 } ?? HeatSources.find(sysfs)
        sources.withLock { $0 = found }
        return found.map { source in
            HeatJudge.Sample(
                source: source, celsius: SensorFile.number(source.path).map { Double($0) / source.scale })
        }
    }
}
