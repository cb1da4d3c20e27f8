import FogCommandLine
import FogCore
import FogJobs
import Testing

@Suite("fog run")
struct RunTests {
    @Test("A command becomes a job of one task that is tried once")
    func plain() throws {
        let spec = try RunRequest(command: ["echo", "hi"]).prepared(folder: ".", variables: [:]).spec
        #expect(spec.name == "echo")
        #expect(spec.steps.map(\.action) == [.command(["echo", "hi"])])
        #expect(spec.steps[0].retry.maxAttempts == 1)
        #expect(spec.taskCount == 1)
    }

    @Test("Braces of the command line stay as they are")
    func braces() throws {
        let spec = try RunRequest(command: ["awk", "{print $1}", "{index}"]).prepared(folder: ".", variables: [:]).spec
        #expect(try Substitution.expand(spec.steps[0], element: 0).arguments == ["awk", "{print $1}", "{index}"])
    }

    @Test("A program that is named by a path is sent along")
    func sendsProgram() throws {
        try withFolder { folder in
            try Disk.makeFolder("\(folder)/bin")
            try Disk.write(Array("#!/bin/sh\n".utf8), to: "\(folder)/bin/tool", mode: 0o755)
            let spec = try RunRequest(command: ["bin/tool", "x"]).prepared(folder: folder, variables: [:]).spec
            #expect(spec.steps[0].inputs == [InputSpec(name: "bin/tool", source: "bin/tool")])
            #expect(spec.steps[0].action == .command(["./bin/tool", "x"]))
            let absolute = try RunRequest(command: ["/bin/true"]).prepared(folder: folder, variables: [:]).spec
            #expect(absolute.steps[0].inputs.isEmpty)
        }
    }

    @Test("Inputs keep their names below here, others lie by their last one; a name can be chosen")
    func inputs() throws {
        try withFolder { folder in
            try Disk.makeFolder("\(folder)/here/data")
            try Disk.write([1], to: "\(folder)/here/data/a=b.csv")
            try Disk.write([1], to: "\(folder)/outside")
            var request = RunRequest(command: ["cat"])
            request.inputs = ["data/a=b.csv", "../outside", "in.csv=../outside", "\(folder)/outside"]
            let spec = try request.prepared(folder: "\(folder)/here", variables: [:]).spec
            #expect(Set(spec.steps[0].inputs.map(\.name)) == ["data/a=b.csv", "outside", "in.csv"])
            request.inputs = ["nothing"]
            #expect(throws: CommandLineFailure.self) { try request.prepared(folder: folder, variables: [:]) }
        }
    }

    @Test("What was piped in is fed to the command")
    func standardInput() throws {
        var request = RunRequest(command: ["wc", "-l"])
        request.standardInput = "/tmp/some"
        let prepared = try request.prepared(folder: ".", variables: [:])
        #expect(
            prepared.spec.steps[0].action == .command(["/bin/sh", "-c", "exec \"$@\" < .fog-stdin", "sh", "wc", "-l"]))
        #expect(prepared.places == [".fog-stdin": "/tmp/some"])
    }

    @Test("Variables are given, or taken from here")
    func variables() throws {
        var request = RunRequest(command: ["env"])
        request.environment = ["A=1=2", "HERE", "B={x}"]
        let spec = try request.prepared(folder: ".", variables: ["HERE": "yes"]).spec
        let expanded = try Substitution.expand(spec.steps[0], element: 0)
        #expect(expanded.environment.filter { !$0.key.hasPrefix("FOG_") } == ["A": "1=2", "HERE": "yes", "B": "{x}"])
        request.environment = ["MISSING"]
        #expect(throws: CommandLineFailure.self) { try request.prepared(folder: ".", variables: [:]) }
    }

    @Test("What the manifest's rules refuse is told by its key")
    func mistakes() {
        var request = RunRequest(command: ["x"])
        request.memory = "4G"
        let failure = #expect(throws: CommandLineFailure.self) { try request.prepared(folder: ".", variables: [:]) }
        #expect(failure?.message.contains("resources.memory") == true)
    }

    @Test(
        "The exit code is the command's own; Fog's own is 125",
        arguments: [
            (Outcome.success, Int?(0), Int?.none, Int32(0)), (.exitNonzero, 3, nil, 3), (.signaled, nil, 9, 137),
            (.timeout, nil, 15, 124), (.outOfMemory, nil, 9, 137), (.launchFailed, 127, nil, 127),
            (.workerLost, nil, nil, 125), (.cancelled, nil, 15, 125), (.outputMissing, 0, nil, 125),
            (.exitNonzero, nil, nil, 125),
        ])
    func exitCodes(outcome: Outcome, exitCode: Int?, signal: Int?, wanted: Int32) {
        #expect(RunRequest.shellCode(outcome: outcome, exitCode: exitCode, signal: signal) == wanted)
    }
}
