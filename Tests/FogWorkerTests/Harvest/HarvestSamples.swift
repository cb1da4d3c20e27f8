import FogCore
import FogJobs
import FogManifestFile
import Testing

@testable import FogWorker

/// Berlin's clock in 2026: put forward on 29 March, back on 25 October, both at 01:00 UTC.
let berlin = ClockRule { time in
    let (spring, autumn): (Int64, Int64) = (1_774_746_000, 1_792_890_000)
    return (spring..<autumn).contains(time.seconds) ? 7200 : 3600
}

func time(_ text: String) -> Timestamp { (try? Timestamp(text)) ?? .zero }

/// A machine whose sensors are moved by hand. It begins at night, unused for an hour, cool, on mains.
struct SensorBench {
    static let machine = HarvestMachine(cores: 4, memory: .gibibytes(8))
    static let start = TimeSpan.hours(10)

    var reading: HarvestReading
    var governor: HarvestGovernor
    var tasks = 2
    var transitions: [HarvestTransition] = []
    var step: HarvestStep?

    init(_ policy: HarvestPolicy, at wall: String = "2026-11-23T22:30:00Z") {
        governor = HarvestGovernor(policy, machine: Self.machine, zone: berlin)
        reading = HarvestReading(
            at: Self.start, wall: berlin.local(time(wall)),
            input: InputReading(last: Self.start - .hours(1), source: .evdev, device: "keyboard"),
            screen: ScreenReading(isOn: false, since: .zero, source: "eDP-1"),
            power: PowerReading(onMains: true, battery: BatteryReading(percent: 80, isCharging: true)),
            heat: [HeatReading(sensor: "cpu", celsius: 40, limit: 90)], foreignLoad: .zero,
            pressure: PressureReading(cpu: 0, memory: 0, io: 0), memoryAvailable: .gibibytes(6),
            network: NetworkReading(kind: .ethernet, interface: "eth0"))
    }

    var phase: HarvestPhase { governor.phase }
    var words: String { step?.words ?? "" }
    var allowance: Allowance? { step?.decision.allowance }

    /// Moves the clocks, changes what is said, and lets the governor decide.
    @discardableResult
    mutating func after(_ span: TimeSpan, _ change: (inout HarvestReading) -> Void = { _ in }) -> HarvestPhase {
        reading.at = reading.at + span
        reading.wall = berlin.local(reading.wall.utc + span)
        change(&reading)
        let step = governor.step(reading, tasks: tasks)
        transitions += step.transitions
        self.step = step
        return step.phase
    }

    /// The same every second or at another pace.
    @discardableResult
    mutating func during(
        _ span: TimeSpan, every pace: TimeSpan = .seconds(1), _ change: (inout HarvestReading) -> Void = { _ in }
    ) -> HarvestPhase {
        var left = span
        while left > .zero {
            after(min(left, pace), change)
            left = left - pace
        }
        return phase
    }

    mutating func type() -> HarvestPhase {
        after(.seconds(1)) { $0.input?.last = $0.at }
    }

    /// Lets it come to work.
    mutating func open() {
        after(.seconds(1))
        during(.seconds(70))
    }
}

/// What a policy file says, or what is wrong with it.
func policy(_ yaml: String) -> (policy: HarvestPolicy?, problems: [String]) {
    let (node, problems) = YAMLManifest.node(yaml)
    guard let node, problems.isEmpty else { return (nil, problems.map(\.message)) }
    let read = HarvestPolicy.read(node, name: "mine")
    return (read.policy, read.problems.map(\.message))
}
