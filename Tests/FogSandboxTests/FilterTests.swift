import FogCore
import Glibc
import Testing

@testable import FogSandbox

@Suite("System call filters")
struct FilterTests {
    @Test(
        "every shipped profile compiles, and the interpreter agrees with it",
        arguments: SandboxProfile.names(in: Fixture.profiles))
    func shipped(name: String) throws {
        let profile = try Fixture.profile(name)
        let filter = try FilterCompiler.compile(profile)
        #expect(filter.instructions < 1024)
        #expect(profile.digest != Digest.zero)
        #expect(FilterCompiler.unknownNames(profile.filter) == [])
        #expect(!profile.description.isEmpty)
    }

    @Test("a filter changed anywhere that matters is found out")
    func tampered() throws {
        let profile = try Fixture.profile()
        let filter = try FilterCompiler.compile(profile)
        let numbered = try FilterCompiler.number(profile.filter, profile: "default")
        #expect(filter.shared.count / 8 > 100 && filter.own.count < filter.bytes.count)
        for (part, program) in [filter.bytes, filter.shared, filter.own].enumerated() {
            var found = 0
            // libseccomp leaves a return at the end that nothing jumps to.
            for instruction in reachable(program) where program[instruction * 8] == 0x06 {
                for action in [FilterProfile.Action.allow, .killProcess, .refuse(errno: 5)] {
                    var bytes = program
                    for index in 0..<4 {
                        bytes[instruction * 8 + 4 + index] = UInt8(
                            truncatingIfNeeded: action.value >> UInt32(8 * index))
                    }
                    // Both parts say that a call is not there, and that an architecture is foreign: either does.
                    guard bytes != program, part == 0 || !isSaidTwice(program, instruction) else { continue }
                    let check = FilterCheck(
                        filter: Self.changing(filter, part, to: bytes), rules: numbered,
                        defaultAction: profile.filter.defaultAction)
                    #expect(throws: SandboxFailure.self, "part \(part), instruction \(instruction), \(action)") {
                        try check.run("changed")
                    }
                    found += 1
                }
            }
            #expect(found > 3)
        }
    }

    private func isSaidTwice(_ program: [UInt8], _ instruction: Int) -> Bool {
        let value = (0..<4).reduce(UInt32(0)) { $0 | UInt32(program[instruction * 8 + 4 + $1]) << UInt32(8 * $1) }
        return [.killProcess, .refuse(errno: UInt16(ENOSYS))].map(\FilterProfile.Action.value).contains(value)
    }

    /// - Parameter part: 0 the whole, 1 the launcher's, 2 the task's.
    private static func changing(_ filter: CompiledFilter, _ part: Int, to bytes: [UInt8]) -> CompiledFilter {
        CompiledFilter(
            bytes: part == 0 ? bytes : filter.bytes, shared: part == 1 ? bytes : filter.shared,
            own: part == 2 ? bytes : filter.own, architecture: filter.architecture, highestKnown: filter.highestKnown)
    }

    @Test("of several filters the strictest speaks, and of equals the newest")
    func joined() throws {
        func machine(_ action: UInt32) throws -> BPFMachine {
            try #require(
                BPFMachine([6, 0, 0, 0] + (0..<4).map { UInt8(truncatingIfNeeded: action >> UInt32(8 * $0)) }))
        }
        let call = BPFMachine.Call(number: 0, architecture: 0)
        let (allow, kill) = (try machine(0x7fff_0000), try machine(0x8000_0000))
        let (one, two) = (try machine(0x0005_0001), try machine(0x0005_0002))
        #expect(BPFMachine.run([allow, one], call) == 0x0005_0001)
        #expect(BPFMachine.run([one, allow], call) == 0x0005_0001)
        #expect(BPFMachine.run([one, two], call) == 0x0005_0001)
        #expect(BPFMachine.run([two, kill, allow], call) == 0x8000_0000)
        #expect(BPFMachine.run([], call) == nil)
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

    @Test("a bit turned anywhere in a filter is found out, unless nothing follows from it")
    func mutated() throws {
        let profile = try Fixture.profile("strict")
        let filter = try FilterCompiler.compile(profile)
        let rules = try FilterCompiler.number(profile.filter, profile: "strict")
        let original = try #require(BPFMachine(filter.bytes))
        var found = 0
        let places = reachable(filter.bytes).sorted()
        // 5929791125219532030 once turned a jump of munmap into the conditions of mmap, unseen.
        for (seed, count) in [(5_929_791_125_219_532_030, 60), (UInt64.random(in: 0...UInt64.max), 30)] {
            var random = SplitMix(state: seed)
            for _ in 0..<count {
                let place = places[Int(random.next() % UInt64(places.count))] * 8 + Int(random.next() % 8)
                var bytes = filter.bytes
                bytes[place] ^= 1 << UInt8(random.next() % 8)
                let changed = CompiledFilter(
                    bytes: bytes, architecture: filter.architecture, highestKnown: filter.highestKnown)
                let check = FilterCheck(filter: changed, rules: rules, defaultAction: profile.filter.defaultAction)
                if (try? check.run("changed")) == nil {
                    found += 1
                    continue
                }
                // It passed: then it must do the same with calls that the check did not make up.
                let mutant = try #require(BPFMachine(bytes))
                for _ in 0..<2000 {
                    let call = BPFMachine.Call(
                        number: UInt32(random.next() % 600), architecture: filter.architecture,
                        arguments: (0..<6).map { _ in random.next() >> (random.next() % 64) })
                    #expect(mutant.run(call) == original.run(call), "seed \(seed): byte \(place), \(call)")
                }
            }
        }
        #expect(found >= 30)
    }

    /// SplitMix64 (Steele, Lea and Flood 2014).
    private struct SplitMix {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var value = state
            value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
            value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
            return value ^ value >> 31
        }
    }

    @Test("a filter is kept for the next process, and believed only when nobody else could have written it")
    func kept() throws {
        let folder = try Fixture.temporaryFolder()
        defer { Fixture.remove(folder) }
        let profile = try Fixture.profile()
        let filter = try FilterCompiler.compile(profile)
        let file = FilterFile(folder: folder, profile: profile.digest)
        #expect(file.read() == nil)
        file.write(filter)
        #expect(file.read() == filter)
        #expect(FilterFile(folder: folder, profile: try Fixture.profile("strict").digest).read() == nil)
        // Its owner's carelessness: others may write the file, or its folder.
        chmod(file.path, 0o666)
        #expect(file.read() == nil)
        chmod(file.path, 0o600)
        chmod(folder, 0o777)
        #expect(file.read() == nil)
        chmod(folder, 0o700)
        #expect(file.read() == filter)
        // One bit of one instruction.
        let bytes = try #require(Files.read(file.path, max: 1 << 20))
        for place in [0, 150, bytes.count / 2, bytes.count - 1] {
            var changed = bytes
            changed[place] ^= 1
            let descriptor = open(file.path, O_WRONLY)
            write(descriptor, changed, changed.count)
            close(descriptor)
            #expect(file.read() == nil)
        }
    }

    @Test("the interpreter and the kernel agree on calls really made", .enabled(if: isX86, "numbers of x86-64"))
    func kernelAgrees() async throws {
        let profile = try Fixture.profile()
        let filter = try FilterCompiler.compile(profile)
        let machine = try #require(BPFMachine(filter.bytes))
        // Calls that do nothing with such arguments, or fail for another reason than a filter would give.
        let samples: [(Int, [UInt64])] = [
            (39, []), (102, []), (1000, []), (250, [99]), (272, [0]), (308, [999, 0]), (101, [99]),
            (41, [1, 99]), (41, [16, 3]), (41, [38, 5]), (41, [0x1_0000_0010, 3]), (41, [2, 3, 1]), (41, [2, 2, 136]),
            (53, [30, 1]), (16, [999, 0x5412]), (16, [999, 0x1_0000_5412]), (16, [999, 0x5401]), (135, [0xffff_ffff]),
            (135, [0x40_0000]), (90, [0, 0o755]), (90, [0, 0o4755]), (257, [999, 0, 0, 0]),
            (257, [999, 0, 0x40, 0o4755]),
            (302, [0, 4, 1]), (302, [0, 4, 0]), (302, [0, 7, 0]), (435, [0, 0]), (437, [0, 0]), (206, [0, 0]),
            (425, [0, 0]), (9, [0, 0, 0, 0x40022]), (319, [0, 4]), (165, []), (321, [99]), (323, [99]), (162, []),
        ]
        let lines = samples.map { "(\($0), \($1.map(String.init)))".replacing("\"", with: "") }
        let script = """
            import ctypes
            c = ctypes.CDLL(None, use_errno=True)
            c.syscall.restype = ctypes.c_long
            for number, arguments in [\(lines.joined(separator: ", "))]:
                ctypes.set_errno(0)
                result = c.syscall(ctypes.c_long(number), *[ctypes.c_ulong(a) for a in arguments + [0] * (6 - len(arguments))])
                print(result, ctypes.get_errno())
            """
        try await Fixture.with { fixture in
            let (result, output) = try await fixture.run(["/usr/bin/python3", "-c", script])
            #expect(result.exitCode == 0)
            let answers = output.split(separator: "\n").map { $0.split(separator: " ").compactMap { Int32($0) } }
            try #require(answers.count == samples.count, "\(output)")
            for ((number, arguments), answer) in zip(samples, answers) {
                let padded = arguments + [UInt64](repeating: 0, count: 6 - arguments.count)
                let said = machine.run(
                    .init(number: UInt32(number), architecture: filter.architecture, arguments: padded))
                let name = "call \(number) \(arguments) gave \(answer)"
                switch said {
                case FilterProfile.Action.allow.value: #expect(answer != [-1, EPERM], "\(name)")
                case FilterProfile.Action.refuse(errno: 0).value: #expect(answer == [0, 0], "\(name)")
                case .some(let word): #expect(answer == [-1, Int32(word & 0xffff)], "\(name)")
                case nil: Issue.record("\(name): no answer")
                }
            }
        }
    }

    private static var isX86: Bool {
        #if arch(x86_64)
            true
        #else
            false
        #endif
    }

    @Test("a filter that asks less of an argument is found out")
    func loosened() throws {
        let profile = try Fixture.profile()
        let filter = try FilterCompiler.compile(profile)
        var rules = try FilterCompiler.number(profile.filter, profile: "default")
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
            (#"{"name":"p","landlock":[]}"#, "landlock"),
            (#"{"name":"p","landlock":[{"path":"/x","access":"some"}]}"#, "landlock[0].access"),
            (#"{"name":"p","limits":{"files":0}}"#, "limits.files"),
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
        profile.filter.rules.append(.init(name: "no_such_call", action: .killProcess, comparisons: []))
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
