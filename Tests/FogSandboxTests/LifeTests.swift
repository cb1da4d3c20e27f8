import CFog
import FogCore
import Glibc
import Testing

@testable import FogSandbox

@Suite("How a task runs and ends", .timeLimit(.minutes(10)))
struct LifeTests {
    @Test("endings and exit codes")
    func endings() async throws {
        try await Fixture.with { fixture in
            let plain = try fixture.write("plain", "data")
            let inputs = [SandboxInput(hostPath: plain, name: "plain")]
            let cases: [([String], Ending, Int?, Int?, Int)] = [
                (["true"], .exited, 0, nil, 0),
                (["/bin/sh", "-c", "exit 42"], .exited, 42, nil, 42),
                (["/bin/sh", "-c", "kill -TERM $$"], .signaled, nil, 15, 143),
                (["no-such-program"], .notFound, 127, nil, 127),
                (["/work/missing"], .notFound, 127, nil, 127),
                (["/work/plain"], .notExecutable, 126, nil, 126),
                (["/usr"], .notExecutable, 126, nil, 126),
            ]
            for (arguments, ending, code, signal, shell) in cases {
                let (result, _) = try await fixture.run(arguments) { $0.inputs = inputs }
                #expect(result.ending == ending, "\(arguments)")
                #expect(result.exitCode == code && result.signal == signal && result.shellCode == shell, "\(arguments)")
            }
        }
    }

    @Test("the environment is the profile's and the task's, nothing of the agent's")
    func environment() async throws {
        setenv("FOG_TEST_SECRET", "x", 1)
        try await Fixture.with { fixture in
            let (_, output) = try await fixture.run(["env"]) { $0.environment = ["A": "b=c", "LANG": "C"] }
            #expect(
                output.split(separator: "\n").sorted()
                    == ["A=b=c", "HOME=/work", "LANG=C", "PATH=/usr/local/bin:/usr/bin:/bin", "TMPDIR=/tmp"])
        }
    }

    @Test("standard input, output and the work folder are the caller's; no other descriptor passes")
    func descriptors() async throws {
        let leaked = dup(open("/etc/passwd", O_RDONLY))
        defer { close(leaked) }
        try await Fixture.with { fixture in
            let (_, copied) = try await fixture.run(["/bin/cat"], input: "from outside")
            #expect(copied == "from outside")
            let (_, listed) = try await fixture.shell("ls /proc/self/fd; pwd > where")
            #expect(listed == "0\n1\n2\n3\n")  // 3 is the folder that ls reads
            #expect(Files.text(fixture.work("work-0") + "/where") == "/work\n")
        }
    }

    @Test("a process that detached itself dies with the task")
    func daemon() async throws {
        try await Fixture.with { fixture in
            let mark = "86399.\(getpid())"
            let (result, _) = try await fixture.shell("(setsid sleep \(mark) > /dev/null 2>&1 &) ; true")
            #expect(result.exitCode == 0)
            _ = try await fixture.run(["true"])  // starts only when all of the former task is gone
            let left = entries("/proc").filter { pid_t($0) != nil }
                .compactMap { Files.text("/proc/\($0)/cmdline") }.filter { $0.contains(mark) }
            #expect(left == [])
        }
    }

    @Test("at the wall limit SIGTERM comes first, and what the program does then counts as its exit")
    func timeout() async throws {
        try await Fixture.with { fixture in
            let polite = try await timedOut(
                "trap 'exit 85' TERM; touch ready; while :; do sleep 0.01; done", grace: .minutes(5), fixture)
            #expect(polite.ending == .timeout)
            #expect(polite.exitCode == 85)
            let deaf = try await timedOut(
                "trap '' TERM; touch ready; while :; do :; done", grace: .milliseconds(100), fixture)
            #expect(deaf.ending == .timeout)
            #expect(deaf.signal == Int(SIGKILL))
            #expect(deaf.shellCode == 124)
            #expect(deaf.usage.cpuNanoseconds > 0)
        }
    }

    /// Runs to the wall limit, with a longer one each time until the script came to its trap before: a busy machine may
    /// take a while to start a shell.
    private func timedOut(_ script: String, grace: TimeSpan, _ fixture: Fixture) async throws -> SandboxResult {
        let mark = fixture.work("work-0") + "/ready"
        var limit = TimeSpan.milliseconds(300)
        while true {
            let (result, _) = try await fixture.shell(script) {
                $0.wallLimit = limit
                $0.killGrace = grace
            }
            if unlink(mark) == 0 { return result }
            limit = limit * 2
        }
    }

    @Test("terminate and cancellation end a task")
    func terminate() async throws {
        try await Fixture.with { fixture in
            let slot = try await fixture.host.slot(profile: try Fixture.profile(), index: 0)
            let mark = fixture.work("work-0") + "/up"
            let first = Task { try await fixture.shell("touch up; sleep 1000") }
            try await appears(mark)
            await slot.terminate(grace: .minutes(5))
            let firstEnd = try await first.value.result.ending
            #expect(firstEnd == .killed)
            unlink(mark)
            let second = Task { try await fixture.shell("trap '' TERM; touch up; sleep 1000; sleep 1000") }
            try await appears(mark)
            second.cancel()
            let result = try await second.value.result
            #expect(result.ending == .killed && result.signal == Int(SIGKILL))
        }
    }

    @Test("a launcher that dies takes its task along, and the slot makes another")
    func launcherDeath() async throws {
        try await Fixture.with { fixture in
            let mark = fixture.work("work-0") + "/up"
            let running = Task { try await fixture.shell("touch up; sleep 1000") }
            try await appears(mark)
            let mine = entries("/proc").compactMap { pid_t($0) }.filter { pid in
                Files.text("/proc/\(pid)/stat")?.contains(") S \(getpid()) ") ?? false
                    && Files.text("/proc/\(pid)/environ") == ""
                    && entries("/proc/\(pid)/task").count == 1
                    && (Files.text("/proc/\(pid)/cgroup")?.contains("default-") ?? false)
            }
            for pid in mine where isParent(pid, ofTaskWith: "touch up") { kill(pid, SIGKILL) }
            let runningEnd = try await running.value.result.ending
            #expect(runningEnd == .killed)
            let (next, _) = try await fixture.run(["true"])
            #expect(next.exitCode == 0)
        }
    }

    /// Whether a launcher's grandchild runs the command.
    private func isParent(_ pid: pid_t, ofTaskWith text: String) -> Bool {
        func children(_ pid: String) -> [String] {
            (Files.text("/proc/\(pid)/task/\(pid)/children") ?? "").split(separator: " ").map(String.init)
        }
        return children(String(pid)).flatMap(children).contains {
            Files.text("/proc/\($0)/cmdline")?.contains(text) ?? false
        }
    }

    @Test("profile none is refused unless the task allows it")
    func unsafe() async throws {
        try await Fixture.with { fixture in
            await #expect(throws: SandboxFailure.self) { try await fixture.run(["true"], profile: "none") }
            let (result, output) = try await fixture.run(["pwd"], profile: "none") { $0.allowUnsafe = true }
            #expect(output == fixture.work("work-0") + "\n")
            #expect(result.missing.count == 1)
            let (failed, _) = try await fixture.run(["/nowhere"], profile: "none") { $0.allowUnsafe = true }
            #expect(failed.ending == .notFound)
        }
    }

    @Test("three hundred launches leave nothing behind")
    func soak() async throws {
        try await Fixture.with { fixture in
            for slot in [0, 1] { _ = try await fixture.run(["true"], slot: slot) }
            let before = entries("/proc/self/fd").count
            try await withThrowingTaskGroup(of: Void.self) { group in
                for slot in [0, 1] {
                    group.addTask {
                        for _ in 0..<150 {
                            let (result, _) = try await fixture.run(["true"], slot: slot)
                            #expect(result.exitCode == 0)
                        }
                    }
                }
                try await group.waitForAll()
            }
            // Other tests of this process open descriptors too, and close them in the end; what leaked would stay.
            var open = entries("/proc/self/fd").count
            for _ in 0..<3000 where open >= before + 100 {
                try await Task.sleep(for: .milliseconds(100))
                open = entries("/proc/self/fd").count
            }
            #expect(open < before + 100)
        }
    }

    @Test("a host that was shut down leaves no control group and no process")
    func shutdown() async throws {
        let tree = CgroupTree()
        let slot = try tree.makeSlot("probe")
        let folders = slot.folders
        #expect(folders.allSatisfy(Files.exists))
        slot.remove()
        tree.remove()
        #expect(!folders.contains(where: Files.exists))
        let parents = folders.map { String($0.dropLast("/probe".count)) }
        #expect(!parents.contains(where: Files.exists))
    }
}
