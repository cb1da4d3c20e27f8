import CFog
import FogCore
import Foundation
import Testing

@testable import FogWorker

@Suite("Load, pressure and memory")
struct LoadTests {
    @Test("All time but idle is busy; time that the host took is not")
    func busy() {
        let tick = LoadSensor.nanoseconds(ticks: 1)
        #expect(LoadSensor.busy("cpu  100 20 30 5000 60 7 8 9 10 11\ncpu0 1 2 3") == 165 * tick)
        #expect(LoadSensor.busy("cpu0 1 2 3") == nil)
        #expect(LoadSensor.busy("") == nil)
    }

    private func take(_ sensor: inout LoadSensor, _ sample: LoadSensor.Sample) -> LoadSensor.Load? {
        sensor.take(sample)
    }

    @Test("Others' load is all load less Fog's own, over at least a second or so")
    func foreign() {
        var sensor = LoadSensor()
        let load1 = take(&sensor, .init(at: .seconds(10), busy: 0, own: 0))
        #expect(load1 == nil)
        let load = take(&sensor, .init(at: .seconds(12), busy: 3_000_000_000, own: 2_500_000_000))
        #expect(load?.foreign == Millicores(250))
        // Too close: the last answer stands.
        let load2 = take(&sensor, .init(at: .milliseconds(12_100), busy: 3_100_000_000, own: 2_500_000_000))
        #expect(load2 == load)
        // A process ended and took its count along: nobody's load is below nothing.
        let next = take(&sensor, .init(at: .seconds(13), busy: 3_500_000_000, own: 0))
        #expect(next?.foreign == Millicores(500))
        let load3 = take(&sensor, .init(at: .seconds(14), busy: 3_500_000_000, own: 900_000_000))
        #expect(load3?.foreign == .zero)
    }

    private func cgroups(_ machine: MachineFixture, _ mountinfo: String, _ groups: String) throws {
        try machine.put("proc/self", ["mountinfo": mountinfo, "cgroup": groups])
        try machine.put("proc/77", ["stat": "77 (fog (a) worker) S 1 77 77 0 -1 0 0 0 0 0 3 2 0 0 20 0 1 0 5 0 0"])
    }

    private func read(_ own: inout OwnUse) -> Int64 { own.read() }

    @Test("Fog's own time is that of its groups and its agent: v2")
    func versionTwo() throws {
        try MachineFixture.with { machine in
            let mount = machine.folder + "/cg"
            try cgroups(machine, "30 1 0:26 / \(mount) rw - cgroup2 cgroup2 rw", "0::/user.slice")
            try machine.put("cg/user.slice/fog-77-5-1", ["cpu.stat": "usage_usec 2000\nuser_usec 1"])
            // Another agent's.
            try machine.put("cg/user.slice/fog-78-5-1", ["cpu.stat": "usage_usec 9000"])
            try machine.put("cg/user.slice", ["cpu.stat": "usage_usec 90000"])
            var own = OwnUse(machine.roots, pid: 77)
            #expect(read(&own) == 2_000_000 + LoadSensor.nanoseconds(ticks: 5))
            // It moved into a leaf of its tree: there it is counted already.
            try cgroups(
                machine, "30 1 0:26 / \(mount) rw - cgroup2 cgroup2 rw", "0::/user.slice/fog-77-5-1/agent")
            try machine.put("cg/user.slice/fog-77-5-1/agent", ["cgroup.procs": "77"])
            own = OwnUse(machine.roots, pid: 77)
            #expect(read(&own) == 2_000_000)
        }
    }

    @Test("Fog's own time: v1, and several agents in one process")
    func versionOne() throws {
        try MachineFixture.with { machine in
            let mount = machine.folder + "/cg"
            try cgroups(
                machine, "30 1 0:26 / \(mount) rw - cgroup cgroup rw,cpuacct", "2:cpuacct:/a\n0::/")
            try machine.put("cg/a/fog-77-5-1", ["cpuacct.usage": "1000"])
            var own = OwnUse(machine.roots, pid: 77)
            #expect(read(&own) == 1000 + LoadSensor.nanoseconds(ticks: 5))
            try machine.put("cg/a/fog-77-5-2", ["cpuacct.usage": "500"])
            own.refresh()
            #expect(read(&own) == 1500 + LoadSensor.nanoseconds(ticks: 5))
        }
    }

    @Test("Without groups it is that of its descendants")
    func descendants() throws {
        try MachineFixture.with { machine in
            try cgroups(machine, "", "0::/")
            try machine.put("proc/77/task", ["77/children": "80", "79/children": "81 "])
            try machine.put("proc/80", ["stat": "80 (fog-sandbox) S 77 0 0 0 -1 0 0 0 0 0 10 0 100 0 20 0 1 0 6 0 0"])
            try machine.put("proc/80/task", ["80/children": ""])
            try machine.put("proc/81", ["stat": "81 (x) R 77 0 0 0 -1 0 0 0 0 0 1000 0 0 0 20 0 1 0 6 0 0"])
            var own = OwnUse(machine.roots, pid: 77)
            #expect(read(&own) == LoadSensor.nanoseconds(ticks: 5 + 110 + 1000))
        }
    }

    @Test("Pressure is the share of the last ten seconds; without it there is none")
    func pressure() throws {
        try MachineFixture.with { machine in
            #expect(PressureSensor.read(machine.roots.proc) == nil)
            let line = "some avg10=12.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=1"
            try machine.put("proc/pressure", ["cpu": line, "memory": "some avg10=250.00 avg60=0.00"])
            #expect(PressureSensor.read(machine.roots.proc) == PressureReading(cpu: 12.5, memory: 0, io: 0))
            // Files that are not the kernel's are never written to.
            #expect(PressureSensor.arm(machine.roots.proc).isEmpty)
            #expect(try String(contentsOfFile: machine.roots.proc + "/pressure/cpu", encoding: .utf8) == line + "\n")
        }
    }

    @Test(
        "The kernel takes the triggers, and an epoll waits for them",
        .enabled(
            if: access("/proc/pressure/cpu", W_OK) == 0 && geteuid() == 0, "needs pressure stall information, as root"))
    func triggers() {
        let files = PressureSensor.arm("/proc")
        let epoll = fog_epoll()
        defer { for file in files + [epoll] { close(file) } }
        #expect(files.count == 3)
        for file in files { #expect(fog_epoll_add_urgent(epoll, file, 1) == 0) }
    }

    @Test("Memory that is free for more work")
    func memory() throws {
        try MachineFixture.with { machine in
            #expect(MemorySensor.read(machine.roots.proc) == nil)
            try machine.put("proc", ["meminfo": "MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:    2048 kB"])
            #expect(MemorySensor.read(machine.roots.proc) == .mebibytes(2))
        }
    }
}
