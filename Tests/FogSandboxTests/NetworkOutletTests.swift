import FogCore
import Glibc
import Synchronization
import Testing

@testable import FogSandbox

/// A way out that takes connections and says what was done with it.
private final class Outlet: TaskNetwork {
    private let state = Mutex((words: [String](), socket: Int32(-1)))

    var words: [String] { state.withLock { $0.words } }
    var socket: Int32 { state.withLock { $0.socket } }

    func environment(port: Int) -> [String: String] { ["OUTLET": "127.0.0.1:\(port)", "HOME": "/nowhere"] }
    func open(_ socket: Int32) throws(SandboxFailure) { note("open") { $0 = socket } }
    func setFrozen(_ frozen: Bool) { note(frozen ? "frozen" : "thawed") { _ in } }

    func close() async {
        note("closed") { socket in
            if socket >= 0 { Glibc.close(socket) }
            socket = -1
        }
    }

    private func note(_ word: String, _ change: (inout Int32) -> Void) {
        state.withLock { state in
            state.words.append(word)
            change(&state.socket)
        }
    }
}

/// The one socket that leads out of a task's network, from the side of the sandbox.
@Suite("A task's way out", .timeLimit(.minutes(10)))
struct NetworkOutletTests {
    private static let hasPython = access("/usr/bin/python3", X_OK) == 0

    @Test("a profile with a network has none where nobody gives one, and no other profile has any")
    func profiles() async throws {
        try await Fixture.with { fixture in
            #expect(try await fixture.run(["true"], profile: "network-client").result.exitCode == 0)
            let failure = await #expect(throws: SandboxFailure.self) {
                try await fixture.run(["true"]) { $0.network = Outlet() }
            }
            #expect(failure?.code == "bad_task")
            let capabilities = await SandboxCapabilities.detect(host: fixture.host, profile: try Fixture.profile())
            #expect(capabilities.allows(try Fixture.profile("network-client")))
        }
    }

    @Test("a profile that isolates nothing cannot have a proxy")
    func unisolated() throws {
        let folder = try Fixture.temporaryFolder()
        defer { Fixture.remove(folder) }
        let file = open("\(folder)/x.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        let text = #"{"isolation": "none", "network": "proxy", "defaultAction": "SCMP_ACT_ALLOW"}"#
        write(file, text, text.utf8.count)
        close(file)
        let failure = #expect(throws: SandboxFailure.self) { try SandboxProfile.load(named: "x", from: folder) }
        #expect(failure?.code == "bad_profile" && failure?.message.contains("`network`") == true)
    }

    @Test(
        "the socket is the task's and the agent's alone, and goes with the task",
        .enabled(if: hasPython, "needs python3"))
    func connects() async throws {
        try await Fixture.with { fixture in
            let outlet = Outlet()
            let script = """
                import os,socket
                host,port=os.environ["OUTLET"].split(":")
                s=socket.create_connection((host,int(port)))
                print(port, os.environ["HOME"])
                """
            let (result, output) = try await fixture.run(["python3", "-c", script], profile: "network-client") {
                $0.network = outlet
                // The task's own value is stronger.
                $0.environment["HOME"] = "/work"
            }
            #expect(result.exitCode == 0 && output == "3128 /work\n", "\(output)")
            #expect(outlet.words.first == "open" && Set(outlet.words.dropFirst()) == ["closed"])
            // The next task of the slot has no such socket, and the one after it has the port again.
            let probe = "import socket\nprint(socket.socket().connect_ex((\"127.0.0.1\",3128)))"
            let (_, none) = try await fixture.run(["python3", "-c", probe], profile: "network-client")
            #expect(none == "\(ECONNREFUSED)\n")
            let (_, again) = try await fixture.run(["python3", "-c", probe], profile: "network-client") {
                $0.network = Outlet()
            }
            #expect(again == "0\n")
        }
    }

    @Test("a task that is frozen or fails to start takes its way out along")
    func frozen() async throws {
        try await Fixture.with { fixture in
            let slot = try await fixture.host.slot(profile: try Fixture.profile("network-client"), index: 0)
            let outlet = Outlet()
            var task = SandboxTask(
                arguments: ["sh", "-c", "touch up; sleep 1000"], workFolder: fixture.work(),
                killGrace: .milliseconds(100))
            chmod(task.workFolder, 0o777)
            task.network = outlet
            let running = Task { [task] in try await slot.run(task) }
            try await appears("\(task.workFolder)/up")
            slot.freeze()
            await slot.thaw()
            await slot.terminate(grace: .zero)
            _ = try await running.value
            #expect(outlet.words.prefix(3) == ["open", "frozen", "thawed"])
            #expect(outlet.words.last == "closed" && outlet.socket < 0)

            let other = Outlet()
            task.environment["A=B"] = "cannot be"
            task.network = other
            let broken = task
            await #expect(throws: SandboxFailure.self) { _ = try await slot.run(broken) }
            #expect(other.words == ["open", "closed"])
        }
    }

    @Test("what is refused stays refused beside it", .enabled(if: Hostile.hasCompiler, "needs gcc"))
    func hostile() async throws {
        try await Fixture.with { fixture in
            let hostile = try Hostile(in: fixture.folder)
            let inside = try await hostile.inside(fixture, profile: "network-client") { $0.network = Outlet() }
            #expect(inside.count >= 100)
            for attempt in inside { #expect(attempt.result != .reached, "\(attempt)") }
        }
    }

    @Test(
        "an ordinary user's task has it too, through fog's own proxy",
        .enabled(if: Hostile.hasCompiler && hasPython && LauncherTests.canChangeUser, "needs gcc, root and setpriv"))
    func ordinaryUser() async throws {
        try await Fixture.with { fixture in
            let hostile = try Hostile(in: fixture.folder)
            let script = """
                import os,socket
                def ask(target):
                  s=socket.create_connection(os.environ["HTTP_PROXY"][7:].split(":"))
                  s.sendall(("CONNECT "+target+" HTTP/1.1\\r\\n\\r\\n").encode())
                  return s.recv(100).split()[1].decode()
                print(ask("127.0.0.1:\(hostile.port)"), ask("127.0.0.2:\(hostile.port)"), ask("127.0.0.1:1"))
                """
            let allowed = "--allow-host 127.0.0.1:\(hostile.port) --allow-host 127.0.0.2:\(hostile.port)"
            let options = "--profile network-client \(allowed) --allow-address 127.0.0.1/32"
            guard let (status, output) = try hostile.runAsUser(4321, ["python3", "-c", script], options: options) else {
                try Test.cancel("user 4321 cannot execute fog where it was built")
            }
            #expect(status == 0 && output == "200 403 403\n", "\(output)")
        }
    }
}
