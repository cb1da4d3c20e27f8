import FogCore
import Glibc
import Testing

@testable import FogSandbox

@Suite("Sandboxes made ready ahead", .timeLimit(.minutes(5)))
struct PreparedTests {
    @Test("the next task runs in the sandbox that waited for it, and another one waits then")
    func waits() async throws {
        try await Fixture.with { fixture in
            let launcher = try await Self.launcher(fixture)
            let waiting = try await Self.child(of: launcher)
            // The init of the task is the process that waited.
            let space = try #require(Self.space(waiting))
            let (result, output) = try await fixture.run(["/bin/readlink", "/proc/self/ns/pid"])
            #expect(result.ending == .exited && output == space + "\n")
            let next = try await Self.child(of: launcher)
            #expect(next != waiting && Self.space(next) != space)
        }
    }

    @Test("one that was killed while it waited costs no task")
    func killed() async throws {
        try await Fixture.with { fixture in
            let launcher = try await Self.launcher(fixture)
            for _ in 0..<3 {
                kill(try await Self.child(of: launcher), SIGKILL)
                let (result, output) = try await fixture.run(["/bin/echo", "here"])
                #expect(result.ending == .exited && output == "here\n")
            }
            #expect(try await Self.launcher(fixture) == launcher)
        }
    }

    @Test("where none is wanted none waits")
    func unwanted() async throws {
        var options = SandboxHost.Options()
        options.preparesAhead = false
        try await Fixture.with(options) { fixture in
            let launcher = try await Self.launcher(fixture)
            for _ in 0..<1000 where !Self.children(launcher).isEmpty { try await Task.sleep(for: .milliseconds(10)) }
            try await Task.sleep(for: .milliseconds(100))
            #expect(Self.children(launcher).isEmpty)
            #expect(try await fixture.run(["/bin/echo", "here"]).output == "here\n")
        }
    }

    @Test("what waited is gone with its launcher")
    func gone() async throws {
        let waiting = try await Fixture.with { fixture in
            let launcher = try await Self.launcher(fixture)
            return try await Self.child(of: launcher)
        }
        for _ in 0..<1000 where kill(waiting, 0) == 0 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(kill(waiting, 0) == -1)
    }

    @Test("a launcher is held to its part of the filter, a task to both", arguments: ["default", "strict", "build"])
    func filters(profile: String) async throws {
        try await Fixture.with { fixture in
            let launcher = try await Self.launcher(fixture, profile)
            #expect(Self.filters("/proc/\(launcher)/status") == "1")
            let (_, output) = try await fixture.run(["/bin/cat", "/proc/self/status"], profile: profile)
            #expect(output.contains("Seccomp_filters:\t2\n"))
        }
    }

    // MARK: -

    /// Of slot 0, which has run a task and is free again.
    private static func launcher(_ fixture: Fixture, _ profile: String = "default") async throws -> pid_t {
        _ = try await fixture.run(["/bin/true"], profile: profile)
        return try #require(
            await fixture.host.slot(profile: try Fixture.profile(profile), index: 0).launcher)
    }

    private static func children(_ pid: pid_t) -> [pid_t] {
        (Files.text("/proc/\(pid)/task/\(pid)/children") ?? "").split(separator: " ").compactMap { pid_t($0) }
    }

    /// The one that waits, once it does.
    private static func child(of launcher: pid_t) async throws -> pid_t {
        for _ in 0..<1000 {
            // Asleep in recvmsg, and so past its preparation.
            let child = children(launcher).first { pid in
                (Files.text("/proc/\(pid)/stat") ?? "").contains(") S ")
                    && Files.text("/proc/\(pid)/task/\(pid)/children") == ""
            }
            if let child { return child }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw SandboxFailure("test_failed", "no sandbox waits below \(launcher)")
    }

    private static func space(_ pid: pid_t) -> String? {
        var buffer = [CChar](repeating: 0, count: 256)
        let length = readlink("/proc/\(pid)/ns/pid", &buffer, buffer.count - 1)
        return length > 0
            ? String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }

    private static func filters(_ path: String) -> String? {
        (Files.text(path) ?? "").split(separator: "\n").first { $0.hasPrefix("Seccomp_filters:") }
            .map { String($0.dropFirst("Seccomp_filters:".count).filter { !$0.isWhitespace }) }
    }
}
