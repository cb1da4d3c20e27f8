import FogCore
import Glibc
import Testing

@testable import FogSandbox

@Suite("Profiles, judged and put into words")
struct ProfileWordsTests {
    static let mobys = String(Fixture.profiles.dropLast("sandbox-profiles".count)) + "Tests/Profiles/moby-default.json"

    private func load(_ text: String) throws -> SandboxProfile {
        let folder = try Fixture.temporaryFolder()
        defer { Fixture.remove(folder) }
        let file = open("\(folder)/p.json", O_WRONLY | O_CREAT, 0o600)
        write(file, text, text.utf8.count)
        close(file)
        return try SandboxProfile.load(file: "\(folder)/p.json", parents: [Fixture.profiles])
    }

    @Test("Docker's default profile loads as it is, without what takes capabilities")
    func moby() throws {
        let profile = try SandboxProfile.load(file: Self.mobys, parents: [])
        #expect(profile.name == "moby-default")
        let names = Set(profile.filter.rules.map(\.name))
        #expect(names.isSuperset(of: ["read", "ptrace", "clone", "socket"]))
        #expect(names.isDisjoint(with: ["bpf", "perf_event_open", "reboot", "syslog", "riscv_flush_icache"]))
        let clone3 = FilterProbe("clone3").action(in: profile.filter)
        #expect(clone3 == .refuse(errno: UInt16(ENOSYS)))
        _ = try FilterCompiler.compile(profile)
        let places = Set(ProfileLint(profile).findings.map(\.place))
        #expect(places.isSuperset(of: ["syscalls.ptrace", "syscalls.ioctl", "syscalls.openat2", "syscalls.io_setup"]))
        #expect(places.isDisjoint(with: ["syscalls.io_uring_setup", "syscalls.keyctl", "syscalls.bpf"]))
    }

    @Test("the profiles that come with Fog raise no warning", arguments: SandboxProfile.names(in: Fixture.profiles))
    func shipped(name: String) throws {
        let findings = ProfileLint(try Fixture.profile(name)).findings
        #expect(findings.map(\.place) == (name == "none" ? ["isolation"] : []))
    }

    @Test(
        "every danger is found when it is allowed",
        arguments: [
            "io_uring_setup", "userfaultfd", "bpf", "keyctl", "ptrace", "mount", "setns", "perf_event_open",
        ])
    func dangers(name: String) throws {
        let profile = try load(
            #"{"extends":"strict","name":"p","syscalls":[{"names":["\#(name)"],"action":"SCMP_ACT_ALLOW"}]}"#)
        let places = ProfileLint(profile).findings.map(\.place)
        #expect(places.contains("syscalls.\(name)"))
        #expect(ProfileLint(try Fixture.profile("strict")).findings.isEmpty)
    }

    @Test("dangers hide in arguments as well: families, requests, modes, high bits")
    func arguments() throws {
        let profile = try load(
            #"""
            {"name":"p","extends":"default","mounts":[{"source":"/etc"}],"syscalls":[
              {"names":["socket","ioctl","chmod","personality","no_such_call"],"action":"SCMP_ACT_ALLOW"}]}
            """#)
        let findings = ProfileLint(profile).findings
        let words = findings.map(\.words).joined(separator: "\n")
        for part in [
            "AF_ALG", "AF_VSOCK", "AF_NETLINK", "AF_PACKET", "TIOCSTI", "high bits", "TIOCLINUX", "set-user-ID",
        ] {
            #expect(words.contains(part), "\(part)")
        }
        let places = findings.map(\.place)
        #expect(places.contains("mounts[0].source") && places.contains("syscalls.no_such_call"))
        #expect(places.contains("syscalls.personality"))
    }

    @Test("words say what a task may and may not do")
    func words() throws {
        func section(_ title: String, _ profile: SandboxProfile) -> [String] {
            ProfileWords(profile).sections.first { $0.title == title }?.lines ?? []
        }
        let (normal, strict) = (try Fixture.profile(), try Fixture.profile("strict"))
        #expect(section("may", normal).contains("make sockets within the task (AF_UNIX)"))
        #expect(section("may not", strict).contains("make sockets within the task (AF_UNIX)"))
        for profile in [normal, strict] {
            #expect(section("may", profile).contains("start processes and threads"))
            let refused = section("may not", profile)
            for part in ["namespaces", "io_uring", "AF_ALG", "TIOCSTI", "set-user-ID", "clock", "bpf"] {
                #expect(refused.contains { $0.contains(part) }, "\(part)")
            }
        }
        #expect(section("system calls", normal).last == "refused with Operation not permitted: every other")
        #expect(section("limits", strict).first == "16 processes and threads, unless the task asks for a number")
    }

    @Test("a difference names the key and both values, and nothing else")
    func difference() throws {
        let (normal, python) = (try Fixture.profile(), try Fixture.profile("python"))
        #expect(ProfileDifference(normal, normal).changes.isEmpty)
        let changes = ProfileDifference(normal, python).changes
        #expect(changes == [.init(place: "limits.pids", first: "64", second: "256")])
        let places = ProfileDifference(normal, try Fixture.profile("strict")).changes.map(\.place)
        #expect(
            places.contains("syscalls.socket") && places.contains("require")
                && places.contains("landlock./proc") == false)
    }
}
