import CFog
import FogCore
import Glibc
import Testing

@testable import FogSandbox
@testable import FogSandboxPlan

@Suite("Plans on the wire")
struct PlanTests {
    static var template: TemplatePlan {
        var plan = TemplatePlan()
        plan.mounts = [.init(.readOnly, "usr", source: "/usr"), .init(.text, "etc/x", source: "ü\n")]
        plan.taskMounts = [.init(.processes, "proc")]
        plan.preparesAhead = false
        plan.rules = [.init(.everything, "/work")]
        plan.filter = [UInt8](repeating: 6, count: 16)
        plan.sharedFilter = [UInt8](repeating: 7, count: 24)
        return plan
    }

    static var launch: LaunchPlan {
        var plan = LaunchPlan()
        plan.sequence = 7
        plan.arguments = ["/bin/sh", "-c", "", "ä"]
        plan.environment = ["A=1"]
        plan.mounts = [.init(.writable, "work", descriptor: 3), .init(.temporary, "tmp", options: "size=1")]
        plan.limits = [.init(resource: 7, soft: 1, hard: .max)]
        plan.processors = [0, 5]
        plan.niceness = -1
        return plan
    }

    private func decode<Result>(_ bytes: [UInt8], _ body: (inout PlanReader) throws -> Result) throws -> Result {
        try bytes.withUnsafeBytes { buffer in
            var reader = try PlanReader(buffer)
            return try body(&reader)
        }
    }

    @Test("what is written is read")
    func roundTrip() throws {
        try decode(Self.template.encoded()) { reader in
            #expect(reader.kind == PlanKind.template.rawValue)
            let view = try TemplateView(&reader)
            #expect(view.isolated && view.loopback && view.landlock && view.insideID == 1000)
            #expect(!view.preparesAhead && view.taskMounts.map { String(cString: $0.target) } == ["proc"])
            #expect(view.mounts.map { String(cString: $0.source) } == ["/usr", "ü\n"])
            #expect(String(cString: view.rules[0].path) == "/work" && view.filter.count == 16)
            #expect(view.sharedFilter.count == 24 && view.sharedFilter.first == 7)
        }
        try decode(Self.launch.encoded()) { reader in
            let view = try LaunchView(&reader)
            #expect(view.sequence == 7 && view.niceness == -1 && view.processors == [0, 5])
            #expect(view.arguments.compactMap { $0.map { String(cString: $0) } } == ["/bin/sh", "-c", "", "ä"])
            #expect(view.arguments.count == 5 && view.environment.count == 2)
            #expect(view.mounts.map(\.descriptor) == [3, -1])
            #expect(view.limits[0].hard == .max)
        }
    }

    @Test("cut anywhere, or with a byte too many, a plan is refused")
    func truncated() throws {
        let (template, launch) = (try Self.template.encoded(), try Self.launch.encoded())
        for count in 0..<template.count {
            #expect(throws: PlanFailure.self) { try decode(Array(template[..<count])) { try TemplateView(&$0) } }
        }
        for count in 0..<launch.count {
            #expect(throws: PlanFailure.self) { try decode(Array(launch[..<count])) { try LaunchView(&$0) } }
        }
        #expect(throws: PlanFailure.self) { try decode(launch + [0]) { try LaunchView(&$0) } }
        #expect(throws: PlanFailure.self) { try decode(template + [0]) { try TemplateView(&$0) } }
    }

    @Test("garbage is refused or read, never followed out of the packet")
    func garbage() throws {
        var random = SeededGenerator(seed: 20_261_122)
        let launch = try Self.launch.encoded()
        for _ in 0..<20_000 {
            var bytes = launch
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 12..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try? decode(bytes) { reader in
                let view = try LaunchView(&reader)
                for case let text? in view.arguments { _ = String(cString: text) }
            }
            _ = try? decode(bytes) { try TemplateView(&$0) }
        }
    }

    @Test("a call and its answers are read as they were written, and nothing else is")
    func calls() throws {
        let call = RunCall(folder: "/home/ä", words: ["--work", "w", "--", "sh", "-c", ""])
        let bytes = try call.encoded()
        #expect(try bytes.withUnsafeBytes { try RunCall($0) } == call)
        for count in 0..<bytes.count {
            #expect(throws: PlanFailure.self) { try bytes.prefix(count).withUnsafeBytes { try RunCall($0) } }
        }
        #expect(throws: PlanFailure.self) { try (bytes + [0]).withUnsafeBytes { try RunCall($0) } }
        for answer in [RunAnswer.ended(shellCode: 0), .ended(shellCode: 143), .elsewhere] {
            #expect(try answer.encoded.withUnsafeBytes { try RunAnswer($0) } == answer)
            #expect(throws: PlanFailure.self) { try answer.encoded.withUnsafeBytes { try RunCall($0) } }
        }
        #expect(throws: PlanFailure.self) { try bytes.withUnsafeBytes { try RunAnswer($0) } }
        #expect(throws: PlanFailure.self) { try RunCall(folder: "/", words: ["a\0b"]).encoded() }
    }

    @Test("a NUL in a text, and a plan too large, are refused by the writer")
    func writer() {
        var plan = Self.launch
        plan.arguments = ["a\0b"]
        #expect(throws: PlanFailure.self) { try plan.encoded() }
        plan.arguments = ["a", String(repeating: "x", count: 70_000)]
        #expect(throws: PlanFailure.self) { try plan.encoded() }
        plan.arguments = [String](repeating: String(repeating: "x", count: 60_000), count: 6)
        #expect(throws: PlanFailure.self) { try plan.encoded() }
    }

    @Test("both sides speak of the same structure")
    func layout() {
        #expect(MemoryLayout<fog_report>.size == 56)
        #expect(FOG_PLAN_MAGIC == PlanWriter.magic && FOG_PLAN_VERSION == Int32(PlanWriter.version))
        #expect(SandboxStep.processors.rawValue == Int32(FOG_STEP_PROCESSORS.rawValue))
        #expect(SandboxStep.execute.rawValue == Int32(FOG_STEP_EXECUTE.rawValue))
        #expect(PlanMount.Kind.writable.rawValue == UInt8(FOG_MOUNT_WRITABLE.rawValue))
        #expect(PlanOrder.kill.rawValue == SIGQUIT && PlanOrder.terminate.rawValue == SIGTERM)
        #expect(PlanOrder.stop.rawValue == SIGUSR1 && PlanOrder.resume.rawValue == SIGUSR2)
    }
}

@Suite("The launcher by itself", .timeLimit(.minutes(10)))
struct LauncherTests {
    /// Runs `fog-sandbox exec` with a script; under another user where one is named.
    private func execute(_ script: String, as user: Int? = nil, filter: Bool = true) throws -> (
        code: Int32, output: String
    ) {
        let folder = try Fixture.temporaryFolder()
        defer { Fixture.remove(folder) }
        chmod(folder, 0o777)
        let profile = try Fixture.profile()
        var template = TemplatePlan()
        template.hostID = 61_999
        template.mounts = try RootTree.mounts(profile)
        template.rules = RootTree.rules(try Fixture.profile())
        if filter { template.filter = try FilterCompiler.compile(profile).bytes }
        var launch = LaunchPlan()
        launch.arguments = ["/bin/sh", "-c", script]
        launch.environment = ["PATH=/usr/bin:/bin"]
        template.taskMounts = RootTree.perTask(profile.limits)
        if user != nil { launch.mounts.append(.init(.writable, "work", source: folder)) }
        var bytes: [UInt8] = []
        for plan in [try template.encoded(), try launch.encoded()] {
            withUnsafeBytes(of: UInt32(plan.count).littleEndian) { bytes += $0 }
            bytes += plan
        }
        let plan = open(folder + "/plan", O_WRONLY | O_CREAT, 0o644)
        write(plan, bytes, bytes.count)
        close(plan)
        let prefix = user.map { "setpriv --reuid \($0) --regid \($0) --clear-groups " } ?? ""
        let launcher = try Launcher.locate()
        let command = "\(prefix)'\(launcher)' exec 3<\(folder)/plan >\(folder)/out 2>&1"
        let status = system(command)
        return ((status >> 8) & 0xff, Files.text(folder + "/out") ?? "")
    }

    @Test("exec runs a plan and passes its exit code on")
    func once() throws {
        let result = try execute("echo $PATH; exit 5")
        #expect(result.code == 5)
        #expect(result.output == "/usr/bin:/bin\n")
        #expect(try execute("kill -9 $$").code == 137)
        #expect(try execute("exec /nowhere").code == 127)
    }

    static let canChangeUser = Fixture.isRoot && access("/usr/bin/setpriv", X_OK) == 0

    @Test("an ordinary user gets the same isolation", .enabled(if: canChangeUser, "needs root and setpriv"))
    func ordinaryUser() throws {
        let script = """
            id -u; echo x > /work/made && cat /work/made; ls /proc | grep -c '^[0-9]'; grep CapEff /proc/self/status
            ! touch /usr/x 2>/dev/null && ! cat /etc/shadow 2>/dev/null && [ ! -e /tmp/fog-sandbox ] && exit 9
            """
        let result = try execute(script, as: 4321)
        #expect(result.code == 9, "\(result.output)")
        #expect(result.output.hasPrefix("1000\nx\n"))
        #expect(result.output.contains("CapEff:\t0000000000000000"))
    }

    @Test(
        "garbage instead of a plan is answered with 125",
        arguments: ["", "x", "\u{4}\0\0\0abcd", "\u{ff}\u{ff}\u{ff}\u{7f}"])
    func garbage(text: String) throws {
        let folder = try Fixture.temporaryFolder()
        defer { Fixture.remove(folder) }
        let plan = open(folder + "/plan", O_WRONLY | O_CREAT, 0o600)
        write(plan, text, text.utf8.count)
        close(plan)
        let status = system("'\(try Launcher.locate())' exec 3<\(folder)/plan 2>/dev/null")
        #expect((status >> 8) & 0xff == 125)
    }
}
