import FogCore
import Foundation
import Testing

@testable import FogWorker

@Suite("Who is at the machine")
struct InputTests {
    @Test(
        "Keyboards, pointers, touch and pads are somebody's; buttons of the case and sensors are not",
        arguments: [
            ("keyboard", InputDevice.Kind.keyboard), ("mouse", .pointer), ("touchscreen", .touch),
            ("gamepad", .controller), ("power", nil), ("lid", nil), ("brightness", nil), ("accelerometer", nil),
            ("speaker", nil),
        ] as [(String, InputDevice.Kind?)])
    func kinds(device: String, kind: InputDevice.Kind?) throws {
        try MachineFixture.with { machine in
            try machine.put("sys/class/input/event0/device", MachineFixture.devices[device] ?? [:])
            #expect(InputDevice(machine.roots.sysfs + "/class/input/event0/device")?.kind == kind)
        }
    }

    @Test("Bitmaps of several words")
    func bits() {
        let bits = InputDevice.Bits("1 8000000000000000 2")
        #expect([1, 127, 128].allSatisfy(bits.contains))
        #expect(![0, 2, 64, 126, 129, 500].contains(where: bits.contains))
    }

    /// Waits, for ten seconds at most, until there is something to be read.
    private func isReady(_ file: Int32) -> Bool {
        var polled = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
        return poll(&polled, 1, 10_000) == 1
    }

    /// The macros cannot look into what is not copyable.
    private final class Watch {
        private var watch: InputWatch

        init(_ roots: SensorRoots) { watch = InputWatch(roots) }

        var isEmpty: Bool { watch.isEmpty }
        var epoll: Int32 { watch.epoll }
        var changes: Int32 { watch.changes }
        func drain() -> String? { watch.drain() }
        func refresh() { watch.refresh() }
    }

    @Test("An event of a device is told with what it is; lights, drifting sticks and the lid are nothing")
    func events() throws {
        try MachineFixture.with { machine in
            try machine.addInput("event0", "keyboard")
            try machine.addInput("event1", "gamepad")
            try machine.addInput("event2", "lid")
            let watch = Watch(machine.roots)
            #expect(!watch.isEmpty)
            let (keyboard, pad) = (machine.handOn("event0"), machine.handOn("event1"))
            #expect(watch.drain() == nil)
            // EV_SYN, EV_MSC, EV_LED; EV_ABS of a stick.
            for type: UInt16 in [0, 4, 0x11] { keyboard?.write(Data(MachineFixture.event(type: type))) }
            pad?.write(Data(MachineFixture.event(type: 3)))
            #expect(watch.drain() == nil)
            pad?.write(Data(MachineFixture.event(type: 1)))
            #expect(watch.drain() == "controller")
            // More than a read takes at once.
            for _ in 0..<200 { keyboard?.write(Data(MachineFixture.event(type: 1))) }
            #expect(isReady(watch.epoll))
            #expect(watch.drain() == "keyboard")
            #expect(watch.drain() == nil)
        }
    }

    @Test("Devices come and go while they are watched")
    func hotPlug() throws {
        try MachineFixture.with { machine in
            let watch = Watch(machine.roots)
            #expect(watch.isEmpty)
            // First the folder, then a device in it: each is told.
            try FileManager.default.createDirectory(
                atPath: machine.roots.dev + "/input", withIntermediateDirectories: true)
            #expect(isReady(watch.changes))
            watch.refresh()
            #expect(watch.isEmpty)
            try machine.addInput("event5", "mouse")
            #expect(isReady(watch.changes))
            watch.refresh()
            #expect(!watch.isEmpty)
            let mouse = machine.handOn("event5")
            mouse?.write(Data(MachineFixture.event(type: 2)))
            #expect(watch.drain() == "pointer")
            try machine.remove("dev/input/event5")
            #expect(isReady(watch.changes))
            watch.refresh()
            #expect(watch.isEmpty)
        }
    }

    @Test("A device that is pulled out ends by itself")
    func gone() throws {
        try MachineFixture.with { machine in
            try machine.addInput("event0", "keyboard")
            let watch = Watch(machine.roots)
            var keyboard = machine.handOn("event0")
            keyboard?.write(Data(MachineFixture.event(type: 1)))
            #expect(watch.drain() == "keyboard")
            try keyboard?.close()
            keyboard = nil
            #expect(watch.drain() == nil)
            #expect(watch.isEmpty)
        }
    }

    @Test("The newest terminal counts, by the time of its input")
    func terminals() throws {
        try MachineFixture.with { machine in
            try machine.put(
                "dev", ["tty": "", "tty0": "", "tty2": "", "ttyS0": "", "null": "", "pts/3": "", "pts/ptmx": ""])
            let wall = Timestamp(seconds: 1_800_000_000)
            func touch(_ name: String, _ ago: Int64) {
                var times = [timespec(tv_sec: Int(wall.seconds - ago), tv_nsec: 0), timespec(tv_sec: 0, tv_nsec: 0)]
                #expect(utimensat(AT_FDCWD, "\(machine.roots.dev)/\(name)", &times, 0) == 0)
            }
            for name in ["tty", "tty0", "null", "pts/ptmx"] { touch(name, 1) }
            touch("tty2", 500)
            touch("ttyS0", 400)
            touch("pts/3", 300)
            let watch = TerminalWatch(machine.roots)
            func newest() -> InputReading? { watch.newest(now: .seconds(1000), wall: wall) }
            #expect(newest() == InputReading(last: .seconds(700), source: .terminal, device: "pts/3"))
            touch("tty2", 200)
            #expect(newest() == InputReading(last: .seconds(800), source: .terminal, device: "tty2"))
            // Before the machine started, and in the future: clocks jump.
            for name in ["tty2", "ttyS0", "pts/3"] { touch(name, 5000) }
            #expect(newest()?.last == .zero)
            touch("pts/3", -5000)
            #expect(newest()?.last == .seconds(1000))
        }
    }

    @Test("Typing into a pseudo-terminal is seen, its output is not")
    func pseudoTerminal() throws {
        try MachineFixture.with { machine in
            var (master, slave): (Int32, Int32) = (-1, -1)
            guard openpty(&master, &slave, nil, nil, nil) == 0 else { return }
            defer {
                close(master)
                close(slave)
            }
            let name = try #require(ttyname(slave).map { String(cString: $0) })
            try machine.link("dev/pts/7", to: name)
            // Long ago: the kernel writes times 8 s apart.
            var times = [timespec(tv_sec: 1_000_000_000, tv_nsec: 0), timespec(tv_sec: 1_000_000_000, tv_nsec: 0)]
            #expect(futimens(slave, &times) == 0)
            let watch = TerminalWatch(machine.roots)
            let clock = SystemClock()
            func last() -> TimeSpan? { watch.newest(now: .days(9000), wall: clock.now)?.last }
            let before = try #require(last())
            #expect(write(slave, "x\n", 2) == 2)
            #expect(try #require(last()) < before + .minutes(1))
            #expect(write(master, "y\n", 2) == 2)
            var byte: UInt8 = 0
            #expect(read(slave, &byte, 1) == 1)
            #expect(try #require(last()) > before + .days(1))
        }
    }

    @Test("An active graphical session counts where its keyboard cannot be read")
    func sessions() throws {
        try MachineFixture.with { machine in
            func session(_ name: String, _ words: String) throws {
                try machine.put("run/systemd/sessions", [name: words.split(separator: " ").joined(separator: "\n")])
            }
            func newest() -> InputReading? { SessionWatch.newest(run: machine.roots.run, now: .seconds(9)) }
            #expect(newest() == nil)
            try session("1", "CLASS=greeter ACTIVE=1 STATE=active TYPE=wayland SEAT=seat0")
            try session("2", "CLASS=user ACTIVE=1 STATE=active TYPE=tty REMOTE=1")
            try session("3", "CLASS=user ACTIVE=0 STATE=online TYPE=x11 SEAT=seat0")
            #expect(newest() == nil)
            try session("4", "CLASS=user ACTIVE=1 STATE=active TYPE=wayland SEAT=seat0 REMOTE=0")
            #expect(
                newest() == InputReading(last: .seconds(9), source: .logind, device: "session 4 (wayland, seat0)"))
        }
    }
}
