import FogCore
import Glibc
import Testing

@testable import FogSandbox

/// Attempts that reach their aim outside and must not inside.
@Suite("Hostile programs", .timeLimit(.minutes(10)))
struct HostileTests {
    @Test(
        "what is reached outside is refused inside", .enabled(if: Hostile.hasCompiler, "needs gcc"),
        arguments: ["default", "python", "strict", "build", "media"])
    func refused(profile: String) async throws {
        try await Fixture.with { fixture in
            let hostile = try Hostile(in: fixture.folder)
            let outside = try hostile.outside()
            let inside = try await hostile.inside(fixture, profile: profile)
            #expect(inside.map(\.name) == outside.map(\.name))
            for attempt in inside { #expect(attempt.result != .reached, "\(attempt)") }
            // A test that cannot fail proves nothing: each must be known to work, but for what this kernel does not
            // have, and what its root, in a container perhaps, may not do.
            for attempt in outside where attempt.needs == "u" || Fixture.isRoot {
                let isConfined = attempt.needs == "r" && Self.confined.contains(attempt.reason)
                #expect(attempt.result == .reached || attempt.result == .absent || isConfined, "\(attempt)")
            }
            if Fixture.isRoot { #expect(outside.count { $0.result == .reached } >= 60) }
        }
    }

    @Test(
        "an ordinary user's tasks reach no more",
        .enabled(if: Hostile.hasCompiler && LauncherTests.canChangeUser, "needs gcc, root and setpriv"))
    func ordinaryUser() async throws {
        try await Fixture.with { fixture in
            let hostile = try Hostile(in: fixture.folder)
            guard let inside = try hostile.insideAsUser(4321, profile: "default") else {
                try Test.cancel("user 4321 cannot execute fog where it was built")
            }
            #expect(inside.count >= 100)
            for attempt in inside { #expect(attempt.result != .reached, "\(attempt)") }
        }
    }

    /// An ordinary user's agent sees no more than its user may, and a task of the same user can close what it has.
    static let hidings: [(name: String, script: String, words: String)] = [
        (
            "folders closed to their owner",
            "import os,time\nfor i in range(9):\n os.mkdir(str(i)); open(str(i)+\"/f\",\"wb\").write(bytes(4<<20)); os.chmod(str(i),0)\ntime.sleep(1000)",
            "wrote more than its disk limit"
        ),
        (
            "the work folder itself",
            "import os,time\nk=[open(str(i),\"wb\") for i in range(9)]\nos.chmod(\"/work\",0)\n[f.write(bytes(4<<20)) for f in k]\ntime.sleep(1000)",
            "wrote more than its disk limit"
        ),
        (
            "descriptors of an undumpable process",
            "import ctypes,os,time\nctypes.CDLL(None).prctl(4,0,0,0,0)\nk=[os.memfd_create(str(i)) for i in range(40)]\n[os.write(f,bytes(16<<20)) for f in k]\ntime.sleep(1000)",
            "ran out of memory"
        ),
        (
            "memory of many processes",
            "import os,time\nfor i in range(20):\n if not os.fork(): x=bytearray(20<<20); time.sleep(1000)\ntime.sleep(1000)",
            "ran out of memory"
        ),
    ]

    @Test(
        "an ordinary user's task hides nothing",
        .enabled(if: Hostile.hasCompiler && LauncherTests.canChangeUser, "needs gcc, root and setpriv"),
        arguments: hidings.map(\.name))
    func hiding(name: String) async throws {
        let hiding = try #require(Self.hidings.first { $0.name == name })
        try await Fixture.with { fixture in
            let hostile = try Hostile(in: fixture.folder)
            let options = "--disk 20MiB --memory 128MiB --time 2m --kill-grace 1s"
            guard let end = try hostile.runAsUser(4321, ["python3", "-c", hiding.script], options: options) else {
                try Test.cancel("user 4321 cannot execute fog where it was built")
            }
            #expect(end.status == 137 && end.output.contains(hiding.words), "\(end)")
        }
    }

    @Test(
        "an ordinary user's task may leave children unwaited for, and its first thread may end first",
        .enabled(if: Hostile.hasCompiler && LauncherTests.canChangeUser, "needs gcc, root and setpriv"))
    func unwaited() async throws {
        try await Fixture.with { fixture in
            let hostile = try Hostile(in: fixture.folder)
            let script =
                "import ctypes,os,threading,time\nos.fork() or os._exit(0)\n"
                + "threading.Thread(target=lambda: (time.sleep(3), os._exit(7))).start()\n"
                + "ctypes.CDLL(None).syscall(60, 0)"
            guard let end = try hostile.runAsUser(4321, ["python3", "-c", script], options: "--time 2m") else {
                try Test.cancel("user 4321 cannot execute fog where it was built")
            }
            #expect(end.status == 7, "\(end)")
        }
    }

    private static let confined: Set<String> = [EPERM, EACCES, ENOENT].reduce(into: []) { $0.insert(Files.words($1)) }

    /// Floods: a program, what the task is given, and how it ends.
    struct Flood: CustomStringConvertible {
        let name: String
        let script: String
        let change: @Sendable (inout SandboxTask) -> Void
        let endings: Set<Ending>

        var description: String { name }
    }

    private static func python(_ script: String) -> String { "exec python3 -c '\(script)'" }

    static let floods: [Flood] = [
        Flood(
            name: "memory by many processes",
            script: python(
                "import os,time\nfor i in range(20):\n if not os.fork(): x=bytearray(40<<20); time.sleep(1000)\nos.wait()\nos._exit(3)"
            ),
            change: { $0.resources.memory = .mebibytes(128) }, endings: [.outOfMemory]),
        Flood(
            name: "memory in files without a name",
            script: python(
                "import os,time\nk=[os.memfd_create(str(i)) for i in range(40)]\n[os.write(f,bytes(16<<20)) for f in k]\ntime.sleep(1000)"
            ),
            change: { $0.resources.memory = .mebibytes(128) }, endings: [.outOfMemory]),
        Flood(
            name: "memory shared without a name",
            script: python(
                "import mmap,time\nm=mmap.mmap(-1,400<<20)\nfor i in range(0,400<<20,4096): m[i]=1\ntime.sleep(1000)"),
            change: { $0.resources.memory = .mebibytes(128) }, endings: [.outOfMemory]),
        Flood(
            name: "a file whose name is gone",
            script: python(
                "import os,time\nk=[]\nfor i in range(20):\n f=os.open(str(i),os.O_CREAT|os.O_RDWR); os.unlink(str(i)); k.append(f); os.write(f,bytes(4<<20))\ntime.sleep(1000)"
            ),
            change: { $0.resources.disk = .mebibytes(20) }, endings: [.diskExceeded]),
        Flood(
            name: "many small files",
            script: python("i=0\nwhile 1: open(str(i),\"w\").close(); i+=1"),
            change: { _ in }, endings: [.diskExceeded]),
        Flood(
            name: "folders without an end",
            script: python("import os\nwhile 1: os.mkdir(\"d\"); os.chdir(\"d\")"),
            change: { _ in }, endings: [.diskExceeded]),
        Flood(
            name: "one file, sparse and huge",
            script: python("import os\nf=os.open(\"x\",os.O_CREAT|os.O_RDWR)\nos.ftruncate(f,1<<40)"),
            change: { $0.resources.disk = .mebibytes(20) }, endings: [.exited, .diskExceeded]),
    ]

    @Test("floods end", arguments: floods, [true, false])
    func flooded(flood: Flood, cgroups: Bool) async throws {
        var options = SandboxHost.Options()
        options.useCgroups = cgroups
        try await Fixture.with(options) { fixture in
            let (result, output) = try await fixture.shell(flood.script) {
                $0.wallLimit = .minutes(2)
                flood.change(&$0)
            }
            #expect(flood.endings.contains(result.ending), "\(result.ending) \(output.suffix(300))")
            #expect(result.shellCode != 0)
            let (next, _) = try await fixture.run(["true"], slot: 1)
            #expect(next.exitCode == 0)
        }
    }
}
