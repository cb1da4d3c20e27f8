import FogCore
import Glibc
import Testing

@testable import FogSandbox

@Suite("Limits hold", .timeLimit(.minutes(10)))
struct LimitTests {
    static let hasMemory =
        Fixture.isRoot && CgroupLayout.detect().hierarchies.contains { $0.controllers.contains("memory") }

    @Test("a memory hog ends out of memory, its launcher lives on", .enabled(if: hasMemory, "needs a memory cgroup"))
    func memory() async throws {
        try await Fixture.with { fixture in
            let hog = ["/usr/bin/python3", "-c", "b = bytearray(400 << 20)"]
            for hidden in [false, true] {
                let arguments = hidden ? ["/bin/sh", "-c", "python3 -c 'b = bytearray(400 << 20)'; exit 3"] : hog
                let (result, _) = try await fixture.run(arguments) { $0.resources.memory = .mebibytes(64) }
                #expect(result.ending == .outOfMemory)
                #expect(result.usage.peakBytes <= 66 << 20)
            }
            let (next, _) = try await fixture.run(["true"])
            #expect(next.ending == .exited)
        }
    }

    @Test("files in /tmp and /dev/shm are bounded", arguments: ["/tmp", "/dev/shm"])
    func temporary(folder: String) async throws {
        try await Fixture.with { fixture in
            let (result, output) = try await fixture.shell(
                "head -c 100000000 /dev/zero > \(folder)/x; stat -c %s \(folder)/x")
            #expect(result.exitCode == 0)
            #expect(output.contains("67108864"))
        }
    }

    @Test("a fork bomb stays within its processes", arguments: [true, false])
    func processes(cgroups: Bool) async throws {
        var options = SandboxHost.Options()
        options.useCgroups = cgroups
        try await Fixture.with(options) { fixture in
            let script = """
                import os, time
                n = 1
                while True:
                    try: p = os.fork()
                    except OSError: break
                    if p == 0: time.sleep(1000)
                    n += 1
                print(n)
                """
            let (result, output) = try await fixture.run(["/usr/bin/python3", "-c", script]) { $0.resources.pids = 20 }
            #expect(result.exitCode == 0)
            #expect(output == "20\n")
        }
    }

    @Test("a file beyond the disk limit, and many small ones, end the task")
    func disk() async throws {
        try await Fixture.with { fixture in
            let (big, _) = try await fixture.shell("exec head -c 50000000 /dev/zero > big") {
                $0.resources.disk = .mebibytes(10)
            }
            #expect(big.ending == .diskExceeded)
            let many = "i=0; while :; do head -c 1000000 /dev/zero > f$i; i=$((i+1)); [ $i -gt 40 ] && sleep 1000; done"
            let (small, _) = try await fixture.shell(many) { $0.resources.disk = .mebibytes(20) }
            #expect(small.ending == .diskExceeded)
            let (quick, _) = try await fixture.shell(
                "rm -f f* big; for i in 1 2 3; do head -c 1000000 /dev/zero > f$i; done"
            ) {
                $0.resources.disk = .mebibytes(2)
            }
            #expect(quick.ending == .diskExceeded)
        }
    }

    @Test("processor time is bounded for a task without a cgroup")
    func processorTime() async throws {
        var options = SandboxHost.Options()
        options.useCgroups = false
        try await Fixture.with(options) { fixture in
            let (result, _) = try await fixture.shell("while :; do :; done") {
                // A second of processor time, and far more time than it takes to get that on a busy machine.
                $0.wallLimit = .minutes(5)
                $0.resources.cpu = Millicores(3)
            }
            #expect(result.ending == .cpuTimeout)
            #expect(result.usage.source == .rusage)
            #expect(result.missing.contains { $0.hasPrefix("memory:") })
        }
    }

    @Test("a profile that requires what is missing is refused")
    func require() async throws {
        var options = SandboxHost.Options()
        options.useCgroups = false
        try await Fixture.with(options) { fixture in
            var profile = try Fixture.profile()
            profile.require.insert(.memory)
            let slot = try await fixture.host.slot(profile: profile, index: 0)
            let task = SandboxTask(arguments: ["true"], workFolder: fixture.work())
            let failure = await #expect(throws: SandboxFailure.self) { try await slot.run(task) }
            #expect(failure?.code == "isolation_missing")
        }
    }

    @Test("usage is measured")
    func usage() async throws {
        try await Fixture.with { fixture in
            let script = "python3 -c 'b = bytearray(30 << 20); sum(range(2000000))'"
            let (result, _) = try await fixture.shell(script)
            #expect(result.usage.cpuNanoseconds > 1_000_000)
            #expect(result.usage.peakBytes > 30 << 20)
            #expect(result.usage.wallNanoseconds > 0)
        }
    }

    enum Means: String, CaseIterable { case v2, v1, signals }

    @Test("freezing stops every process, thawing lets them go on", arguments: Means.allCases)
    func freeze(means: Means) async throws {
        var options = SandboxHost.Options()
        options.useCgroups = means != .signals
        options.freezer = means == .v1 ? .v1 : nil
        try await Fixture.with(options) { fixture in
            let slot = try await fixture.host.slot(profile: try Fixture.profile(), index: 0)
            let running = Task {
                try await fixture.shell(
                    "(i=0; while :; do i=$((i+1)); echo $i > a; done) & while :; do echo x >> b; done")
            }
            func size() -> String {
                (Files.text(fixture.work("work-0") + "/a") ?? "")
                    + "\(FolderMeasure(fixture.work("work-0"), limit: .max, maxEntries: 100_000).bytes)"
            }
            try await appears(fixture.work("work-0") + "/b")
            slot.freeze()
            await slot.waitUntilFrozen()
            // Signals take their way through the launcher; wait for the task to stand still over a stretch of work.
            var (before, still) = (size(), 0)
            while still < 20 {
                _ = try await fixture.run(["true"], slot: 1)
                let now = size()
                still = now == before ? still + 1 : 0
                before = now
            }
            await slot.thaw()
            try await eventually { size() != before }
            await slot.terminate(grace: .zero)
            let runningEnd = try await running.value.result.ending
            #expect(runningEnd == .killed)
        }
    }

    @Test("a frozen task can be ended, and a shutdown does not wait for it", arguments: Means.allCases)
    func endFrozen(means: Means) async throws {
        var options = SandboxHost.Options()
        options.useCgroups = means != .signals
        options.freezer = means == .v1 ? .v1 : nil
        try await Fixture.with(options) { fixture in
            for ends in [true, false] {
                let slot = try await fixture.host.slot(profile: try Fixture.profile(), index: ends ? 0 : 1)
                let index = ends ? 0 : 1
                let running = Task { try await fixture.shell("touch up; sleep 1000", slot: index) }
                try await appears(fixture.work("work-\(index)") + "/up")
                slot.freeze()
                await slot.waitUntilFrozen()
                if ends { await slot.terminate(grace: .minutes(5)) } else { await slot.shutdown() }
                let runningEnd = try await running.value.result.ending
                #expect(runningEnd == .killed)
            }
        }
    }
}
