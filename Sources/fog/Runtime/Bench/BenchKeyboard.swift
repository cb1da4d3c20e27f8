internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogWorker
import Foundation
import Glibc

/// A keyboard that the worker's own sensors watch: a device among files of its own, whose keys come out of a FIFO. All else
/// that the sensors read is the machine's, but for what could freeze tasks by itself (batteries, heat, screens).
struct BenchKeyboard: Sendable {
    /// A machine whose governor listens to the keyboard alone, and opens soon again.
    let machine: GovernedMachine
    private let keys: Int32

    /// Bitmaps of an AT keyboard, as sysfs of Linux 6.1 has them.
    private static let device = [
        "name": "AT Translated Set 2 keyboard", "capabilities/ev": "120013",
        "capabilities/key": "402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe",
    ]

    /// How long after a key tasks go on.
    static let idle = TimeSpan.seconds(1)

    /// - Parameters:
    ///   - folder: its own.
    ///   - slots: tasks at once.
    init(folder: String, slots: Int, clock: any FogClock) throws {
        var roots = SensorRoots()
        (roots.sysfs, roots.dev, roots.run) = ("\(folder)/sys", "\(folder)/dev", "\(folder)/run")
        let place = "\(roots.sysfs)/class/input/event0/device"
        for path in ["\(place)/capabilities", "\(roots.dev)/input", roots.run, "\(folder)/harvest"] {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        for (name, text) in Self.device {
            try (text + "\n").write(toFile: "\(place)/\(name)", atomically: false, encoding: .utf8)
        }
        let path = "\(roots.dev)/input/event0"
        guard mkfifo(path, 0o600) == 0 else { throw CommandLineFailure("bench_failed", "\(path): \(Disk.words())") }
        // Both ends, so that it opens without the sensors.
        keys = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK)
        guard keys >= 0 else { throw CommandLineFailure("bench_failed", "\(path): \(Disk.words())") }
        var policy = HarvestPolicy(.lab)
        policy.name = "bench"
        policy.idle = Self.idle
        (policy.pressure.cpu, policy.pressure.memory, policy.pressure.io) = (nil, nil, nil)
        (policy.foreignLoad, policy.memoryFreePercent, policy.settle) = (nil, nil, .milliseconds(100))
        let facts = MachineFacts.read(stateDirectory: folder)
        machine = GovernedMachine(
            policy,
            machine: HarvestMachine(
                cores: max(facts.processors, slots), memory: facts.memory, cpuLimit: nil, memoryLimit: nil, slots: slots
            ),
            sensors: LinuxSensors(roots), zone: ClockRule { _ in 0 }, folder: HarvestFolder("\(folder)/harvest"),
            boot: "bench", clock: clock)
    }

    /// One key goes down: an event of 24 bytes as the kernel writes it (struct input_event, EV_KEY).
    func press() {
        let event = [UInt8](repeating: 0, count: 16) + [1, 0, 30, 0, 1, 0, 0, 0]
        _ = write(keys, event, event.count)
    }

    func close() { Glibc.close(keys) }
}
