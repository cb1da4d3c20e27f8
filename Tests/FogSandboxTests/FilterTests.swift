import FogCore
import Glibc
import Testing

@testable import FogSandbox

@Suite("System call filters")
struct FilterTests {
    @Test(
        "every shipped profile compiles, and the interpreter agrees with it", arguments: ["default", "python", "none"])
    func shipped(name: String) throws {
        let profile = try Fixture.profile(name)
        let filter = try FilterCompiler.compile(profile)
        #expect(filter.instructions < 512)
        #expect(profile.digest != Digest.zero)
    }

    @Test("a filter changed anywhere that matters is found out")
    func tampered() throws {
        let profile = try Fixture.profile()
        let filter = try FilterCompiler.compile(profile)
        let numbered = try FilterCompiler.number(profile.filter.rules, profile: "default")
        var found = 0
        // libseccomp leaves a return at the end that nothing jumps to.
        for instruction in reachable(filter.bytes) where filter.bytes[instruction * 8] == 0x06 {
            for action in [FilterProfile.Action.allow, .killProcess, .refuse(errno: 5)] {
                var bytes = filter.bytes
                for index in 0..<4 {
                    bytes[instruction * 8 + 4 + index] = UInt8(truncatingIfNeeded: action.value >> UInt32(8 * index))
                }
                guard bytes != filter.bytes else { continue }
                let changed = CompiledFilter(
                    bytes: bytes, architecture: filter.architecture, highestKnown: filter.highestKnown)
                let check = FilterCheck(filter: changed, rules: numbered, defaultAction: profile.filter.defaultAction)
                #expect(throws: SandboxFailure.self) { try check.run("changed") }
                found += 1
            }
        }
        #expect(found > 10)
    }

    private func reachable(_ bytes: [UInt8]) -> Set<Int> {
        var (seen, waiting): (Set<Int>, [Int]) = ([], [0])
        while let at = waiting.popLast() {
            guard at * 8 < bytes.count, seen.insert(at).inserted, bytes[at * 8] != 0x06 else { continue }
            let isJump = bytes[at * 8] & 7 == 5
            waiting += isJump ? [at + 1 + Int(bytes[at * 8 + 2]), at + 1 + Int(bytes[at * 8 + 3])] : [at + 1]
        }
        return seen
    }

    @Test("a filter that asks less of an argument is found out")
    func loosened() throws {
        let profile = try Fixture.profile()
        let filter = try FilterCompiler.compile(profile)
        var rules = try FilterCompiler.number(profile.filter.rules, profile: "default")
        let clone = try #require(rules.first { $0.value.contains { $0.name == "clone" } })
        rules[clone.key] = [
            .init(
                name: "clone", action: .allow,
                comparisons: [.init(index: 0, operation: .maskedEqual, value: 0x7c02_0000, valueTwo: 0)])
        ]
        let check = FilterCheck(filter: filter, rules: rules, defaultAction: profile.filter.defaultAction)
        #expect(throws: SandboxFailure.self) { try check.run("loosened") }
    }

    @Test("foreign architectures and x32 kill, unknown numbers are not there")
    func borders() throws {
        let filter = try FilterCompiler.compile(Fixture.profile())
        let machine = try #require(BPFMachine(filter.bytes))
        func answer(_ number: UInt32, _ architecture: UInt32? = nil) -> UInt32? {
            machine.run(.init(number: number, architecture: architecture ?? filter.architecture))
        }
        #expect(answer(0, 0x4000_0003) == FilterProfile.Action.killProcess.value)
        #expect(answer(1000) == FilterProfile.Action.refuse(errno: UInt16(ENOSYS)).value)
        #expect(answer(0x4000_0000) == FilterProfile.Action.killProcess.value)
        // -1 is what a tracer puts in to skip a call.
        #expect(answer(.max) == FilterProfile.Action.refuse(errno: UInt16(EPERM)).value)
        #expect(answer(0) == FilterProfile.Action.allow.value)
    }

    @Test("programs that leave their end, divide by nothing or read beyond are answered, not followed")
    func hostilePrograms() {
        func run(_ words: [(UInt16, UInt8, UInt8, UInt32)]) -> UInt32? {
            let bytes = words.flatMap { code, yes, no, operand in
                [UInt8(code & 0xff), UInt8(code >> 8), yes, no]
                    + (0..<4).map { UInt8(truncatingIfNeeded: operand >> UInt32(8 * $0)) }
            }
            return BPFMachine(bytes)?.run(.init(number: 7, architecture: 1))
        }
        #expect(run([(0x05, 0, 0, .max)]) == nil)
        #expect(run([(0x15, 255, 255, 0)]) == nil)
        #expect(run([(0x20, 0, 0, 64)]) == nil)
        #expect(run([(0x20, 0, 0, 1)]) == nil)
        #expect(run([(0x02, 0, 0, 16)]) == nil)
        #expect(run([(0x20, 0, 0, 0), (0x34, 0, 0, 0), (0x16, 0, 0, 0)]) == 0)
        #expect(run([(0x20, 0, 0, 0), (0x04, 0, 0, 3), (0x16, 0, 0, 0)]) == 10)
        #expect(BPFMachine([1, 2, 3]) == nil)
    }
}

@Suite("Profiles")
struct ProfileTests {
    private func load(_ files: [String: String], _ name: String) throws -> SandboxProfile {
        let folder = try Fixture.temporaryFolder()
        defer { Fixture.remove(folder) }
        for (name, content) in files {
            let descriptor = open("\(folder)/\(name).json", O_WRONLY | O_CREAT, 0o600)
            write(descriptor, content, content.utf8.count)
            close(descriptor)
        }
        return try SandboxProfile.load(named: name, from: folder)
    }

    @Test("a child inherits, joins lists and replaces values")
    func inherits() throws {
        let profile = try load(
            [
                "parent":
                    #"{"name":"parent","description":"p","limits":{"pids":9,"nofile":99},"env":{"A":"1","B":"2"},"groups":{"g":["read"]},"require":["seccomp"],"syscalls":[{"names":["@g"],"action":"SCMP_ACT_ALLOW"}]}"#,
                "child":
                    #"{"name":"child","extends":"parent","limits":{"pids":10},"env":{"B":"3"},"require":["memory"],"syscalls":[{"names":["write"],"action":"SCMP_ACT_ALLOW"}]}"#,
            ], "child")
        #expect(profile.name == "child" && profile.description == "")
        #expect(profile.limits.pids == 10 && profile.limits.descriptors == 99)
        #expect(profile.environment == ["A": "1", "B": "3"])
        #expect(profile.require == [.seccomp, .memory])
        #expect(profile.filter.rules.map(\.name) == ["read", "write"])
        #expect(try Fixture.profile("python").filter == Fixture.profile().filter)
        #expect(try Fixture.profile("python").digest != Fixture.profile().digest)
    }

    @Test(
        "what is not understood is refused with its place",
        arguments: [
            (#"{"name":"p","colour":1}"#, "colour"),
            (#"{"name":"other"}"#, "name"),
            (#"{"name":"p","limits":{"pids":0}}"#, "limits.pids"),
            (#"{"name":"p","limits":{"threads":1}}"#, "limits.threads"),
            (#"{"name":"p","network":"host"}"#, "network"),
            (#"{"name":"p","require":["magic"]}"#, "require[0]"),
            (#"{"name":"p","mounts":[{"source":"../x"}]}"#, "mounts[0].source"),
            (#"{"name":"p","syscalls":[{"names":["@nothing"],"action":"SCMP_ACT_ALLOW"}]}"#, "syscalls[0].names"),
            (#"{"name":"p","syscalls":[{"names":["read"],"action":"SCMP_ACT_LOG"}]}"#, "syscalls[0].action"),
            (
                #"{"name":"p","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}]}]}"#,
                "syscalls[0].args[0].index"
            ),
            (#"{"name":"p","env":{"A=B":"c"}}"#, "env.A=B"),
            (#"{"name":"p""#, "1:"),
            (#"{"name":"p","extends":"p"}"#, "generations"),
        ])
    func refused(text: String, place: String) throws {
        let failure = #expect(throws: SandboxFailure.self) { try load(["p": text], "p") }
        #expect(failure?.message.contains(place) == true, "\(failure?.message ?? "")")
    }

    @Test("unknown calls and two actions for one call are refused")
    func compileRefuses() throws {
        var profile = try Fixture.profile()
        profile.filter.rules.append(.init(name: "no_such_call", action: .allow, comparisons: []))
        #expect(throws: SandboxFailure.self) { try FilterCompiler.compile(profile) }
        profile = try Fixture.profile()
        profile.filter.rules.append(.init(name: "read", action: .refuse(errno: 2), comparisons: []))
        #expect(throws: SandboxFailure.self) { try FilterCompiler.compile(profile) }
    }

    @Test("names do not lead out of the folder", arguments: ["../default", "", "a/b", "Default", "nothing"])
    func names(name: String) {
        #expect(throws: SandboxFailure.self) { try Fixture.profile(name) }
    }
}
