import CFog
import Dispatch
import FogCore
import Foundation
import Testing

@testable import FogWorker

@Suite("All sensors of a machine")
struct LinuxSensorsTests {
    private static let since = TimeSpan.seconds(1)

    private func reading(_ watch: inout MachineWatch, at now: TimeSpan) -> HarvestReading {
        let wall = Timestamp(seconds: 1_800_000_000)
        watch.sample(at: now, wall: wall)
        while watch.isWaiting { usleep(1000) }
        watch.collect(at: now)
        return watch.reading(at: now, wall: wall)
    }

    @Test("A machine that tells nothing: on mains, nobody can type, the rest is not known")
    func empty() throws {
        try MachineFixture.with { machine in
            var watch = MachineWatch(machine.roots, since: Self.since) {}
            let first = reading(&watch, at: .seconds(5))
            #expect(
                first
                    == HarvestReading(
                        at: .seconds(5), wall: LocalTime(utc: Timestamp(seconds: 1_800_000_000), offsetSeconds: 0),
                        input: InputReading(last: .zero, source: .assumed, device: ""),
                        network: NetworkReading(kind: .none)))
        }
    }

    @Test("A keyboard that was not used since the watch began was used when it began")
    func unused() throws {
        try MachineFixture.with { machine in
            try machine.addInput("event0", "keyboard")
            var watch = MachineWatch(machine.roots, since: Self.since) {}
            let first = reading(&watch, at: .seconds(5)).input
            #expect(first?.source == .evdev)
            #expect(first?.last == Self.since)
            let keyboard = machine.handOn("event0")
            keyboard?.write(Data(MachineFixture.event(type: 1)))
            let isUsed = watch.drainInput(at: .seconds(6))
            #expect(isUsed)
            let second = reading(&watch, at: .seconds(9)).input
            #expect(
                second
                    == InputReading(last: .seconds(6), source: .evdev, device: "keyboard"))
        }
    }

    @Test("A keyboard that cannot be watched is told; without other signs nothing is known of its user")
    func unreadable() throws {
        try MachineFixture.with { machine in
            // No epoll takes a plain file: the kernel refuses it as it refuses a device of others (EPERM).
            try machine.put("sys/class/input/event0/device", MachineFixture.devices["keyboard"] ?? [:])
            try machine.put("dev/input", ["event0": ""])
            var watch = MachineWatch(machine.roots, since: Self.since) {}
            let first = reading(&watch, at: .seconds(5))
            #expect(first.input == nil)
            #expect(first.ignored == ["AT Translated Set 2 keyboard: not readable by this user"])
        }
    }

    @Test("A driver that hangs stops nothing: its last answer is dropped, and it is said")
    func hanging() {
        let release = DispatchSemaphore(value: 0)
        let answered = DispatchSemaphore(value: 0)
        let probe = SlowProbe("heat") { () -> Int in
            release.wait()
            return 7
        }
        #expect(probe.answer(at: .zero) == (nil, nil))
        release.signal()
        probe.ask(at: .zero) { answered.signal() }
        answered.wait()
        #expect(probe.answer(at: .seconds(1)) == (7, nil))
        probe.ask(at: .seconds(2)) { answered.signal() }
        // It is not asked twice.
        probe.ask(at: .seconds(3)) { Issue.record("asked while an answer is awaited") }
        #expect(probe.answer(at: .seconds(7)) == (7, nil))
        #expect(probe.answer(at: .seconds(14)) == (nil, "heat: no answer for 12s"))
        release.signal()
        answered.wait()
        #expect(probe.answer(at: .seconds(15)) == (7, nil))
    }

    @Test("The stream begins with the present, and tells an input when it happens", .timeLimit(.minutes(1)))
    func stream() async throws {
        try await MachineFixture.with { machine in
            try machine.addInput("event0", "keyboard")
            try machine.put(
                "sys/class/power_supply/BAT0", ["type": "Battery", "status": "Discharging", "capacity": "61"])
            try machine.put("sys/class/thermal/thermal_zone0", ["type": "acpitz", "temp": "41000"])
            try machine.put("proc", ["meminfo": "MemAvailable: 2048 kB"])
            let sensors = LinuxSensors(machine.roots)
            var readings = sensors.readings().makeAsyncIterator()
            let first = try #require(await readings.next())
            #expect(first.power == PowerReading(onMains: false, battery: .init(percent: 61, isCharging: false)))
            #expect(first.heat == [HeatReading(sensor: "thermal_zone0 acpitz", celsius: 41, limit: 65)])
            #expect(first.memoryAvailable == .mebibytes(2))
            let keyboard = machine.handOn("event0")
            keyboard?.write(Data(MachineFixture.event(type: 1)))
            // The next sample is ten seconds away and would say that the keyboard is unused.
            let second = try #require(await readings.next())
            #expect(second.input?.device == "keyboard")
            #expect(second.at - first.at < LinuxSensors.pace.idle)
            // Tasks run: samples come sooner, with what has changed.
            try machine.put("sys/class/thermal/thermal_zone0", ["temp": "58000"])
            sensors.tasksRun(true)
            var third = try #require(await readings.next())
            while third.heat.first?.celsius != 58 { third = try #require(await readings.next()) }
            #expect(third.input?.device == "keyboard")
        }
    }

    @Test("The kernel's messages on devices", arguments: [("SUBSYSTEM=power_supply", "power_supply"), ("SUB=x", nil)])
    func uevents(line: String, subsystem: String?) {
        #expect(Uevent(Array("change@/devices/x\0ACTION=change\0\(line)\0SEQNUM=1\0".utf8))?.subsystem == subsystem)
    }

    private static let trigger = "/sys/class/mem/null/uevent"

    @Test(
        "A device that changes is told by the kernel", .timeLimit(.minutes(1)),
        .enabled(if: geteuid() == 0 && access(trigger, W_OK) == 0, "needs root and a writable \(trigger)"))
    func netlink() throws {
        let socket = fog_uevents()
        defer { close(socket) }
        #expect(socket >= 0)
        let file = open(Self.trigger, O_WRONLY)
        #expect(write(file, "change", 6) == 6)
        close(file)
        var found: Set<String> = []
        var buffer = [UInt8](repeating: 0, count: Uevent.maxBytes)
        while !found.contains("mem") {
            var polled = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            guard poll(&polled, 1, 10_000) > 0 else { break }
            let length = fog_uevent(socket, &buffer, buffer.count)
            if length > 0, let event = Uevent(buffer.prefix(length)) { found.insert(event.subsystem) }
        }
        #expect(found.contains("mem"))
    }
}
