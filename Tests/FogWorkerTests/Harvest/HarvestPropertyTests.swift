import FogCore
import FogJobs
import Foundation
import Testing

@testable import FogWorker

/// Whatever the sensors do, some things never happen. `FOG_HARVEST_STEPS` says how many readings are tried.
@Suite("The governor under random sensors")
struct HarvestPropertyTests {
    private static let steps = ProcessInfo.processInfo.environment["FOG_HARVEST_STEPS"].flatMap { Int($0) } ?? 20_000

    private static let policies: [HarvestPolicy] = {
        var short = HarvestPolicy.personal
        (short.idle, short.evictAfter, short.cooldown) = (.seconds(30), .seconds(90), .minutes(3))
        short.onlyPluggedIn = true
        short.pressure.cpu = .init(above: 40, resume: 20)
        return [.personal, .lab, .dedicated, short]
    }()

    /// Why nothing may run now, found without the governor.
    private static func broken(_ policy: HarvestPolicy, _ reading: HarvestReading, paused: Bool) -> String? {
        if paused { return "paused" }
        if !policy.schedule.contains(reading.wall) { return "window" }
        if let idle = policy.idle {
            guard let input = reading.input else { return "blind" }
            if input.source != .assumed, reading.at - input.last < idle { return "input" }
        }
        if policy.screenOff, reading.screen?.isOn == true { return "screen" }
        if policy.onlyPluggedIn, !reading.power.onMains { return "unplugged" }
        if !policy.allowsMetered, reading.network.isMetered || reading.network.kind == .mobile { return "metered" }
        if let rule = policy.battery, let battery = reading.power.battery, battery.percent < Double(rule.minimum) {
            return "battery"
        }
        if reading.heat.contains(where: { $0.celsius >= $0.limit - Double(policy.heat.frozen) }) { return "heat" }
        if let percent = policy.memoryFreePercent, let left = reading.memoryAvailable,
            Double(left.bytes) * 100 < Double(percent) * Double(SensorBench.machine.memory.bytes)
        {
            return "memory"
        }
        if let limit = policy.pressure.memory, (reading.pressure?.memory ?? 0) > Double(limit.above) {
            return "pressure"
        }
        return nil
    }

    private static let edges: Set<[HarvestPhase]> = [
        [.closed, .eligible], [.eligible, .closed], [.eligible, .running], [.running, .frozen], [.running, .closed],
        [.running, .throttled], [.throttled, .running], [.throttled, .frozen], [.throttled, .closed],
        [.frozen, .running], [.frozen, .throttled], [.frozen, .closed], [.frozen, .evicted], [.evicted, .cooldown],
        [.evicted, .closed], [.cooldown, .closed],
    ]

    private static func least(_ cause: HarvestCause?, _ policy: HarvestPolicy) -> TimeSpan {
        switch cause {
        case .heat, .memory, .pressure, .paused: min(.seconds(30), policy.evictAfter)
        case .window: min(.minutes(5), policy.evictAfter)
        default: policy.evictAfter
        }
    }

    @Test("Nothing runs against a hard limit; each phase has a reason; freezes and cooldowns last", arguments: 0..<4)
    func holds(_ which: Int) throws {
        let policy = Self.policies[which]
        var world = RandomWorld(seed: UInt64(which) + 1)
        var governor = HarvestGovernor(policy, machine: SensorBench.machine, zone: berlin)
        var frozenAt = TimeSpan.zero
        var restsUntil: TimeSpan?
        var seen: Set<HarvestPhase> = []
        var failures: [String] = []
        for number in 0..<Self.steps {
            let moved = world.move()
            // A new boot: spans go on from where they were.
            if moved < .zero {
                frozenAt = frozenAt + moved
                restsUntil = restsUntil.map { $0 + moved }
            }
            governor.controls.pause = world.isPaused ? .untilResumed : nil
            let now = world.reading.at
            let step = governor.step(world.reading, tasks: world.tasks)
            let state = step.decision.allowance.state
            seen.formUnion(step.transitions.map(\.to))
            func check(_ isTrue: Bool, _ words: @autoclosure () -> String) {
                if !isTrue, failures.count < 5 { failures.append("step \(number): \(words()), \(step.words)") }
            }
            let isUp = step.phase == .running || step.phase == .throttled
            let limit = Self.broken(policy, world.reading, paused: world.isPaused)
            check(limit == nil || !isUp && state != .open && state != .throttled, "runs against \(limit ?? "")")
            check(!step.decision.allowance.reason.isEmpty, "no reason")
            check(step.phase.allowance == state, "\(state)")
            for transition in step.transitions {
                check(Self.edges.contains([transition.from, transition.to]), "\(transition.from) to \(transition.to)")
                check(!transition.reason.isEmpty, "no reason for \(transition.to)")
                if transition.to == .frozen { frozenAt = now }
                if transition.to == .evicted {
                    check(
                        now - frozenAt >= Self.least(transition.cause, policy),
                        "evicted \((now - frozenAt).brief) after the freeze for \(transition.cause?.rawValue ?? "")")
                    check(transition.cause != nil, "evicted for nothing")
                }
                if transition.to == .cooldown { restsUntil = now + policy.cooldown }
            }
            if let end = restsUntil, now < end { check(step.phase == .cooldown, "rests until \(end.brief)") }
            let cap = Double(step.decision.allowance.cpuCap.count)
            check(cap <= Double(policy.cpuPercent) * 40, "cap \(cap)")
        }
        #expect(failures.isEmpty, "seed \(which + 1): \(failures.joined(separator: "\n"))")
        // The trace went everywhere, or it shows nothing.
        let expected = HarvestPhase.allCases.filter { $0 != .cooldown || policy.cooldown > .zero }
        #expect(Self.steps < 20_000 || seen == Set(expected), "\(seen)")
    }

    @Test("Values that tremble change the state at most six times in any hour", arguments: 0..<4)
    func steady(_ which: Int) throws {
        var policy = Self.policies[which]
        policy.schedule = .always
        var world = RandomWorld(seed: UInt64(which) + 11)
        var governor = HarvestGovernor(policy, machine: SensorBench.machine, zone: berlin)
        var last: Allowance.State?
        var changes: [TimeSpan] = []
        var (most, total) = (0, 0)
        for _ in 0..<Self.steps {
            world.tremble()
            let state = governor.step(world.reading, tasks: 2).decision.allowance.state
            let now = world.reading.at
            // What follows from a freeze by time alone is no change of the sensors.
            if let last, state != last, state != .evicting, last != .evicting {
                changes.append(now)
                total += 1
            }
            last = state
            changes.removeAll { now - $0 >= .hours(1) }
            most = max(most, changes.count)
        }
        #expect(most <= 6, "\(most) changes in an hour, seed \(which + 11)")
        #expect(total > Self.steps / 2000, "only \(total) changes in all: nothing was tried")
    }
}

/// Sensors and people that do anything.
private struct RandomWorld {
    var generator: SeededGenerator
    var reading: HarvestReading
    var tasks = 2
    var isPaused = false
    private var isSomebodyThere = false

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
        reading = SensorBench(.lab).reading
    }

    private mutating func chance(_ share: Double) -> Bool { generator.unit() < share }
    private mutating func between(_ low: Double, _ high: Double) -> Double { low + (high - low) * generator.unit() }

    /// One step in any direction.
    /// - Returns: how far the boot clock went; negative for a new boot.
    mutating func move() -> TimeSpan {
        let before = reading.at
        var span = TimeSpan.seconds(chance(0.8) ? 1 : chance(0.8) ? 10 : 60)
        if chance(0.001) { span = .minutes(Int64(between(3, 600))) }
        reading.at = before + span
        if chance(0.0003) {
            reading.at = .seconds(Int64(between(0, 600)))
            span = reading.at - before
        }
        reading.wall = berlin.local(reading.wall.utc + (span > .zero ? span : .minutes(2)))
        if reading.at < before { reading.input?.last = .zero }
        if chance(0.01) { isSomebodyThere = chance(0.2) }
        if isSomebodyThere, chance(0.5) {
            reading.input = .init(last: reading.at, source: chance(0.5) ? .evdev : .terminal, device: "keyboard")
        } else if chance(0.001) {
            reading.input = nil
        } else if reading.input == nil, chance(0.05) {
            reading.input = .init(last: reading.at, source: chance(0.1) ? .assumed : .evdev, device: "mouse")
        }
        if chance(0.004) {
            reading.screen = chance(0.1) ? nil : .init(isOn: chance(0.2), since: .zero, source: "eDP-1")
        }
        if chance(0.003) {
            reading.network = .init(kind: chance(0.1) ? .mobile : .wireless, isMetered: chance(0.1), interface: "wlan0")
        }
        if chance(0.001) { isPaused = chance(0.2) }
        if chance(0.02) { tasks = chance(0.2) ? 0 : Int(between(1, 5)) }
        drift(0.02)
        return span
    }

    /// Only measured values, and those around their thresholds.
    mutating func tremble() {
        let span = TimeSpan.seconds(chance(0.5) ? 5 : chance(0.5) ? 20 : 60)
        reading.at = reading.at + span
        reading.wall = berlin.local(reading.wall.utc + span)
        if chance(0.05) { reading.network.isMetered = chance(0.2) }
        drift(0.2)
    }

    private mutating func drift(_ rate: Double) {
        if chance(rate) {
            let onMains = chance(0.8)
            let percent = chance(0.7) ? between(55, 100) : between(10, 60)
            reading.power = .init(onMains: onMains, battery: .init(percent: percent, isCharging: onMains))
        }
        if chance(rate) {
            let celsius = chance(0.7) ? between(30, 70) : between(65, 96)
            reading.heat = chance(0.02) ? [] : [.init(sensor: "cpu", celsius: celsius, limit: 90)]
        }
        if chance(rate) {
            reading.foreignLoad = chance(0.1) ? nil : Millicores(Int64(between(0, chance(0.8) ? 1000 : 4000)))
        }
        if chance(rate) {
            let high = chance(0.1)
            reading.pressure = chance(0.1) ? nil : .init(cpu: between(0, 60), memory: between(0, high ? 60 : 4), io: 0)
        }
        if chance(rate) {
            reading.memoryAvailable = ByteCount(
                Int64(between(0.02, 1) * (chance(0.1) ? 1e9 : 8e9)) + (chance(0.9) ? 2 << 30 : 0))
        }
    }
}
