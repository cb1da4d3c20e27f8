import FogSandboxPlan
import Glibc
import Testing

@testable import FogSandbox

@Suite("Supervision")
struct SupervisionTests {
    private static let second: Int64 = 1_000_000_000

    @Test("SIGTERM at the wall limit, SIGKILL after the grace, the launcher after that")
    func escalates() {
        var supervision = Supervision(wallLimit: 10 * Self.second, grace: 2 * Self.second, now: 0)
        #expect(supervision.next == Supervision.lookInterval)
        #expect(supervision.tick(Supervision.lookInterval) == [.look])
        #expect(supervision.tick(10 * Self.second) == [.order(.terminate)])
        #expect(supervision.cause == .timeout)
        #expect(supervision.next == 12 * Self.second)
        #expect(supervision.tick(11 * Self.second) == [])
        #expect(supervision.tick(12 * Self.second) == [.order(.kill)])
        #expect(supervision.tick(13 * Self.second) == [])
        #expect(supervision.tick(12 * Self.second + Supervision.patience) == [.killLauncher])
        #expect(supervision.next == nil)
    }

    @Test("frozen time does not count")
    func frozen() {
        var supervision = Supervision(wallLimit: 10 * Self.second, grace: Self.second, now: 0)
        supervision.freeze(4 * Self.second)
        #expect(supervision.next == nil)
        #expect(supervision.tick(100 * Self.second) == [])
        supervision.thaw(100 * Self.second)
        #expect(supervision.tick(105 * Self.second) == [.look])
        #expect(supervision.tick(106 * Self.second) == [.order(.terminate)])
    }

    @Test("the first reason stays, a shorter grace wins, and no grace kills")
    func end() {
        var supervision = Supervision(wallLimit: 10 * Self.second, grace: Self.second, now: 0)
        #expect(supervision.end(.killed, grace: 5 * Self.second, 0) == [.order(.terminate)])
        #expect(supervision.end(.timeout, grace: 2 * Self.second, 0) == [])
        #expect(supervision.next == 2 * Self.second)
        #expect(supervision.end(.diskExceeded, grace: 0, Self.second) == [.order(.kill)])
        #expect(supervision.cause == .killed)
        #expect(supervision.tick(20 * Self.second) == [.killLauncher])
    }
}

@Suite("Control groups")
struct CgroupTests {
    @Test("a mixed machine, and a container that sees only its own subtree")
    func layout() {
        let mounts = """
            30 24 0:26 / /sys/fs/cgroup rw shared:4 - tmpfs tmpfs rw
            31 30 0:27 / /sys/fs/cgroup/memory rw shared:5 - cgroup cgroup rw,memory
            32 30 0:28 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
            33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
            """
        let groups = "4:memory:/a/b\n2:cpu,cpuacct:/docker/abc/task\n0::/\n"
        let layout = CgroupLayout(mountinfo: mounts, groups: groups)
        #expect(layout.v1("memory")?.path == "/sys/fs/cgroup/memory/a/b")
        #expect(layout.v1("cpuacct")?.path == "/sys/fs/cgroup/cpu,cpuacct/task")
        #expect(layout.v2?.path == "/sys/fs/cgroup/unified")
        #expect(layout.v1("pids") == nil)
        #expect(CgroupLayout(mountinfo: "", groups: "").hierarchies.isEmpty)
    }

    /// The files of v2, as plain ones: what is written where, and how counters are read.
    @Test("limits and usage on v2")
    func version2() async throws {
        try await Fixture.with { fixture in
            let group = fixture.work("group")
            let files = [
                "memory.max": "", "memory.swap.max": "", "pids.max": "", "cpu.max": "",
                "cpu.stat": "usage_usec 5\nuser_usec 1\n", "memory.current": "100\n", "memory.peak": "4096\n",
                "memory.events": "low 0\noom 0\noom_kill 0\n", "cgroup.freeze": "", "cgroup.events": "frozen 1\n",
                "cgroup.procs": "",
            ]
            for (name, text) in files { _ = try fixture.write("group/" + name, text) }
            var places = CgroupSlot.Places()
            places.v2 = group
            places.v2Controllers = ["memory", "pids", "cpu"]
            let slot = CgroupSlot(places, folders: [group], freezer: nil)
            try slot.apply(.init(memory: 1 << 20, millicores: 1500, pids: 10))
            #expect(Files.text(group + "/memory.max") == "1048576")
            #expect(Files.text(group + "/memory.swap.max") == "0")
            #expect(Files.text(group + "/pids.max") == "12")
            #expect(Files.text(group + "/cpu.max") == "150000 100000")
            let baseline = slot.begin()
            _ = try fixture.write("group/cpu.stat", "usage_usec 1005\n")
            _ = try fixture.write("group/memory.peak", "10100\n")
            _ = try fixture.write("group/memory.events", "oom_kill 1\n")
            let measured = slot.end(baseline)
            #expect(measured.cpuNanoseconds == 1_000_000 && measured.peakBytes == 10_000)
            #expect(measured.killedForMemory && measured.source == .cgroupV2)
            #expect(slot.setFrozen(true) && slot.isFrozen)
            #expect(Files.text(group + "/cgroup.freeze") == "1")
            try slot.add(42)
            #expect(Files.text(group + "/cgroup.procs") == "42")
        }
    }

    @Test("what a dead agent left is swept, a living one's is not", .enabled(if: Fixture.isRoot, "needs root"))
    func sweep() throws {
        let layout = CgroupLayout.detect()
        let living = CgroupTree(layout: layout)
        let slot = try living.makeSlot("probe")
        defer {
            slot.remove()
            living.remove()
        }
        let dead = layout.hierarchies.filter { $0.isV2 || $0.controllers.contains("pids") }.map {
            $0.path + "/fog-4194304-1-1"
        }
        for folder in dead {
            mkdir(folder, 0o755)
            mkdir(folder + "/default-0", 0o755)
        }
        CgroupTree.sweep(layout)
        #expect(!dead.contains(where: Files.exists))
        #expect(slot.folders.allSatisfy(Files.exists))
    }
}
