import FogCore
import FogJobs
import FogManifestFile
import Glibc
import Testing

/// A folder that lives as long as the test's closure.
func withFolder<Result>(_ files: [String: String], _ body: (String) throws -> Result) throws -> Result {
    var template = Array("/tmp/fog-manifest-XXXXXX".utf8CString)
    let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
    var made: [String] = []
    defer {
        for path in made.reversed() { remove(path) }
        rmdir(folder)
    }
    for (path, content) in files.sorted(by: { $0.key < $1.key }) {
        let place = "\(folder)/\(path)"
        if let slash = path.firstIndex(of: "/") {
            let parent = "\(folder)/\(path[..<slash])"
            if mkdir(parent, 0o700) == 0 { made.append(parent) }
        }
        let file = try #require(fopen(place, "w"))
        fputs(content, file)
        fclose(file)
        made.append(place)
    }
    return try body(folder)
}

@Suite("The examples of the manual")
struct ManifestExampleTests {
    private func spec(_ yaml: String, files: [String: String] = [:]) throws -> JobSpec {
        var files = files
        files["job.yaml"] = yaml
        return try withFolder(files) { folder in
            let file = try ManifestFile(path: "\(folder)/job.yaml")
            #expect(file.outcome.problems.isEmpty, "\(file.report)")
            return try #require(file.outcome.spec)
        }
    }

    @Test("1: hello")
    func hello() throws {
        let spec = try spec("name: hello                                        # 1\nrun: echo \"hi from $FOG_NODE\"")
        #expect(spec == JobSpec(name: "hello", steps: [StepSpec(action: .run("echo \"hi from $FOG_NODE\""))]))
    }

    @Test("2: an array")
    func array() throws {
        let spec = try spec(
            "{name: pi, command: [python3, pi.py, \"{index}\"], inputs: [pi.py], array: 0-999, max_parallel: 100}",
            files: ["pi.py": ""])
        #expect(spec.taskCount == 1000)
        #expect(spec.steps[0].maxParallel == 100)
        #expect(try Substitution.expand(spec.steps[0], element: 7).arguments == ["python3", "pi.py", "7"])
    }

    @Test("3: a sweep by table, own packages, a file a task")
    func sweep() throws {
        let yaml = """
            name: fit                                          # 3 sweep by table, own packages, a file a task
            command: [python3, fit.py, --lr, "{lr}", --data, in.csv, --out, fit.json]
            sweep: params.csv                                  # header: lr,station
            inputs: {fit.py: fit.py, site: ./site, in.csv: "data/{station}.csv"}
            env: {PYTHONPATH: site}
            outputs: [fit.json]
            requires: ["python3>=3.11", "arch:x86_64"]
            profile: python
            resources: {cpu: 2, memory: 2GiB, time: 3h}
            """
        let spec = try spec(
            yaml,
            files: [
                "params.csv": "lr,station\n0.1,north\r\n0.01,\"south\"\n", "fit.py": "", "site/x": "",
                "data/north.csv": "", "data/south.csv": "",
            ])
        let step = spec.steps[0]
        let second = try Substitution.expand(step, element: 1)
        #expect(second.arguments[3] == "0.01")
        #expect(second.inputs.first { $0.name == "in.csv" }?.source == "data/south.csv")
        #expect(second.environment["FOG_PARAM_station"] == "south")
        #expect(try LocalInputs(of: spec).paths == ["data/north.csv", "data/south.csv", "fit.py", "site"])
        #expect(step.requires == [.program("python3", .atLeast, "3.11"), .architecture("x86_64")])
        #expect(step.resources == ResourceRequest(cpu: .cores(2), memory: .gibibytes(2), time: .hours(3)))
    }

    @Test("4: a graph, map and reduce")
    func graph() throws {
        let yaml = """
            name: nightly                                      # 4 DAG, map-reduce
            inputs: [tools/]
            steps:
              split: {run: tools/split.sh 8, outputs: [parts/]}
              count: {needs: [split], array: 0-7, run: "tools/count.sh split/parts/{index} > n.txt", outputs: [n.txt]}
              sum:   {needs: [count], run: cat count/*/n.txt | tools/sum.sh > total.txt, outputs: [total.txt]}
            """
        let spec = try spec(yaml, files: ["tools/split.sh": ""])
        #expect(spec.steps.map(\.name) == ["split", "count", "sum"])
        #expect(spec.steps.allSatisfy { $0.inputs == [InputSpec(name: "tools", source: "tools")] })
        #expect(spec.steps[1].needs == ["split"])
        #expect(spec.taskCount == 10)
        #expect(
            try Substitution.expand(spec.steps[1], element: 3).arguments == [
                "/bin/sh", "-eu", "-c", "tools/count.sh split/parts/3 > n.txt",
            ])
    }

    @Test("5: transcode")
    func transcode() throws {
        let spec = try spec(
            "{name: transcode, command: [ffmpeg, -i, in.mkv, out.mp4], inputs: {in.mkv: ./holiday.mkv}, "
                + "outputs: [out.mp4], requires: [ffmpeg], profile: media, "
                + "resources: {cpu: 4, memory: 2GiB, disk: 10GiB, time: 2h}, verify: none}",
            files: ["holiday.mkv": ""])
        #expect(spec.steps[0].inputs == [InputSpec(name: "in.mkv", source: "holiday.mkv")])
        #expect(spec.steps[0].verify == .none)
        #expect(spec.steps[0].profile == "media")
    }

    @Test("6: a long job with checkpoints")
    func long() throws {
        let spec = try spec(
            "{name: long, run: ./solve --state $FOG_CHECKPOINT_DIR, inputs: [solve], outputs: [x.bin], "
                + "checkpoint: {every: 10m}, resources: {time: 2d}}",
            files: ["solve": ""])
        #expect(spec.steps[0].checkpoint == CheckpointPolicy(every: .minutes(10)))
    }

    @Test("7: a private job")
    func privately() throws {
        let spec = try spec(
            "{name: risk, run: ./score accounts.csv > scores.csv, inputs: [score, accounts.csv], "
                + "outputs: [scores.csv], privacy: secret, profile: strict, budget: 5}",
            files: ["score": "", "accounts.csv": ""])
        #expect(spec.privacy == .secret)
    }

    @Test("A missing input is told with the name of the file beside it")
    func missing() throws {
        try withFolder(["job.yaml": "run: a\ninputs: [data/statoin.csv]", "data/station.csv": ""]) { folder in
            let problems = try ManifestFile(path: "\(folder)/job.yaml").outcome.problems
            #expect(problems.map(\.code) == ["not_found"])
            #expect(problems.first?.help == "did you mean `data/station.csv`?")
        }
    }

    @Test("A file that is not there is told with the name of the one that is")
    func missingFile() throws {
        try withFolder(["train.yaml": "run: a"]) { folder in
            let failure = #expect(throws: JobsFailure.self) { try ManifestFile(path: "\(folder)/trian.yaml") }
            #expect(failure?.code == "not_found")
            #expect(failure?.message.hasSuffix("did you mean `train.yaml`?") ?? false)
        }
    }

    @Test("A script's lines keep their places, and the script becomes its own input")
    func script() throws {
        let text = """
            #!/usr/bin/env python3
            # trains
            #FOG resources: {cpu: 4, time: 2h}
            #FOG array: 0-3
            #FOG inputs: [data.csv]
            print("{index}")
            """
        let file = ManifestFile(text: text, path: "dir/Train.py", folder: nil)
        let spec = try #require(file.outcome.spec, "\(file.report)")
        #expect(spec.name == "train")
        #expect(spec.steps[0].action == .command(["/usr/bin/env", "python3", "./Train.py"]))
        #expect(spec.steps[0].inputs.map(\.name) == ["Train.py", "data.csv"])
        #expect(spec.steps[0].resources.cpu == .cores(4))
        #expect(spec.taskCount == 4)
        let bad = ManifestFile(text: text + "\n#FOG name: late", path: "t.py", folder: nil)
        #expect(bad.outcome.problems.map(\.code) == ["late_directive"])
        let typo = ManifestFile(text: "#!/bin/sh\n\n#FOG resurces: {cpu: 4}\ntrue\n", path: "t.sh", folder: nil)
        #expect(typo.outcome.problems.map(\.mark) == [SourceMark(line: 3, column: 6)])
    }

    @Test("A script with Windows line ends is read by lines too, and runs by /bin/sh without a #! line")
    func plainScript() throws {
        let text = "#FOG name: x\r\n#FOG priority: 7\r\necho {a}\r\n"
        let spec = try #require(ManifestFile(text: text, path: "a{b}.sh", folder: nil).outcome.spec)
        #expect(spec.name == "x")
        #expect(spec.priority == 7)
        let expanded = try Substitution.expand(spec.steps[0], element: 0)
        #expect(expanded.arguments == ["/bin/sh", "./a{b}.sh"])
        #expect(expanded.inputs == [InputSpec(name: "a{b}.sh", source: "a{b}.sh")])
    }

    @Test("A script says nothing else to run, and its slips are told")
    func scriptConflicts() {
        let text = "#!/bin/sh\n#FOG run: x\n# FOG name: y\ntrue\n"
        let problems = ManifestFile(text: text, path: "t.sh", folder: nil).outcome.problems
        #expect(Set(problems.map(\.code)) == ["conflict", "bad_directive"])
    }

    @Test("#SBATCH lines are answered by Fog's words, each line once")
    func batch() {
        let text = """
            #!/bin/bash
            #SBATCH --job-name=My_Sim
            #SBATCH -t 1-12:00:00 --mem=4G
            #SBATCH --array 1-10%4
            #SBATCH -c 8 --nice
            ./sim
            """
        let problems = ManifestFile(text: text, path: "sim.sh", folder: nil).outcome.problems
        let merged = "#FOG resources: {time: 36h, memory: 4GiB, cpu: 8}"
        #expect(
            problems.map(\.help) == [
                "#FOG name: my-sim", merged, "#FOG array: 1-10\n#FOG max_parallel: 4",
                "the resources at line 3 have it\n#FOG priority: 40",
            ])
        #expect(problems.map { $0.mark?.line } == [2, 3, 4, 5])
    }
}
