import FogCore
import FogJobs
import Testing

@Suite("Reading a manifest")
struct ManifestParserTests {
    @Test("Every key reaches its place in the job")
    func everyKey() throws {
        let spec = try goodSpec(
            """
            {"name": "full", "labels": {"team": "a"}, "command": ["x"], "inputs": {"b": "./b//c/", "a": "a"},
             "outputs": ["./o", "d/", "*.txt"], "env": {"A": 1}, "secrets": [], "array": "1-9:2", "max_parallel": 4,
             "max_failures": 2, "resources": {"cpu": "1500m", "memory": "1GiB", "disk": "2GiB", "time": "2h",
             "pids": 100, "gpu": 1}, "requires": ["ffmpeg", "label:lab", "node:n", "owner:o", "g++>=12.1"],
             "image": "host", "profile": "python", "retry": {"max_attempts": 5, "max_evictions": 7, "delay": "1s",
             "backoff": "fibonacci", "max_delay": "2m", "jitter": "none", "on_exit_codes": [2, 1],
             "not_on_exit_codes": [3], "max_memory": "4GiB"}, "timeout": {"queue": "1h", "total": "none"},
             "checkpoint": {"every": "10m", "max_size": "2GiB", "exit_code": 9}, "verify": "none",
             "privacy": "public", "sla": "S", "priority": 9, "deadline": "2026-11-22T10:17:19Z",
             "placement": {"strategy": "proximity", "region": "eu", "max_latency": "20ms", "max_price": 1.5,
             "min_trust": 0.25, "exclude": ["n1", "owner:o2"]}, "disconnect_grace": "1h", "exclusive": true,
             "budget": "12.5"}
            """)
        let step = StepSpec(
            action: .command(["x"]),
            inputs: [InputSpec(name: "a", source: "a"), InputSpec(name: "b", source: "b/c")],
            outputs: ["o", "d/", "*.txt"], environment: ["A": "1"],
            elements: .array(first: 1, last: 9, stride: 2), maxParallel: 4, maxFailures: 2,
            resources: ResourceRequest(
                cpu: Millicores(1500), memory: .gibibytes(1), disk: .gibibytes(2), time: .hours(2), pids: 100, gpu: 1),
            requires: [
                .program("ffmpeg", nil, ""), .label("lab"), .node("n"), .owner("o"), .program("g++", .atLeast, "12.1"),
            ], profile: "python",
            retry: RetryPolicy(
                maxAttempts: 5, maxEvictions: 7,
                backoff: Backoff(delay: .seconds(1), maxDelay: .minutes(2), growth: .fibonacci, jitter: .none),
                onExitCodes: [1, 2], notOnExitCodes: [3], maxMemory: .gibibytes(4)),
            checkpoint: CheckpointPolicy(every: .minutes(10), maxSize: .gibibytes(2), exitCode: 9), verify: .none)
        let expected = JobSpec(
            name: "full", labels: ["team": "a"], steps: [step], queueTimeout: .hours(1), sla: .s, priority: 9,
            deadline: .at(try Timestamp("2026-11-22T10:17:19Z")),
            placement: PlacementWishes(
                strategy: "proximity", region: "eu", maxLatency: .milliseconds(20), maxPrice: Credits(micro: 1_500_000),
                minTrust: 0.25, exclude: ["n1", "owner:o2"]),
            disconnectGrace: .hours(1), exclusive: true, budget: Credits(micro: 12_500_000))
        #expect(spec == expected)
    }

    @Test("A manifest of one line has the defaults")
    func defaults() throws {
        #expect(try goodSpec(#"{"run": "a"}"#) == JobSpec(name: "job", steps: [StepSpec(action: .run("a"))]))
    }

    @Test("A step's keys stand before the job's; env and inputs merge")
    func inheritance() throws {
        let spec = try goodSpec(
            """
            {"env": {"A": "job", "B": "job"}, "inputs": ["x"], "profile": "python", "resources": {"cpu": 4},
             "max_parallel": 3,
             "steps": {"a": {"run": "a"}, "b": {"run": "b", "env": {"B": "step"}, "inputs": {"x": "y", "z": "z"},
             "profile": "media", "resources": {"memory": "1GiB"}, "max_parallel": 1}}}
            """)
        let (first, second) = (spec.steps[0], spec.steps[1])
        #expect(first.environment == ["A": "job", "B": "job"])
        #expect(first.profile == "python")
        #expect(first.resources.cpu == .cores(4))
        #expect(first.maxParallel == 3)
        #expect(second.environment == ["A": "job", "B": "step"])
        #expect(second.inputs == [InputSpec(name: "x", source: "y"), InputSpec(name: "z", source: "z")])
        #expect(second.profile == "media")
        #expect(second.resources == ResourceRequest(memory: .gibibytes(1)))
        #expect(second.maxParallel == 1)
    }

    @Test("Steps come out after what they need, whatever the order of writing")
    func order() throws {
        let spec = try goodSpec(
            """
            {"steps": {"d": {"run": "x", "needs": ["b", "c"]}, "c": {"run": "x", "needs": ["a"]},
             "b": {"run": "x", "needs": ["a"]}, "a": {"run": "x"}, "e": {"run": "x"}}}
            """)
        #expect(spec.steps.map(\.name) == ["a", "b", "c", "d", "e"])
        #expect(spec.steps[3].needs == ["b", "c"])
    }

    @Test("A cycle is printed whole, from its least name")
    func cycle() throws {
        let problems = try parsed(
            """
            {"steps": {"x": {"run": "x", "needs": ["c"]}, "c": {"run": "x", "needs": ["b"]},
             "b": {"run": "x", "needs": ["a"]}, "a": {"run": "x", "needs": ["c"]}}}
            """
        ).problems
        #expect(problems.map(\.message) == ["the steps need each other: a -> c -> b -> a"])
    }

    @Test("A place that is nearly a parameter is a warning; other braces are nobody's business")
    func nearMiss() throws {
        let outcome = try parsed(
            #"""
            {"command": ["{rates}", "{other}", "${rates}", "{{rates}", "{ rate }", "{i}", "{y}"],
             "sweep": {"rate": [1], "x": [1]},
             "env": {"A": "{indx}"}}
            """#)
        #expect(outcome.spec != nil)
        #expect(outcome.problems.map(\.severity) == [.warning, .warning])
        #expect(outcome.problems.map(\.path) == ["command[0]", "env.A"])
        #expect(outcome.problems.map(\.help) == ["did you mean `{rate}`?", "did you mean `{index}`?"])
        #expect(try parsed(#"{"run": "awk '{index}'"}"#).problems.map(\.code) == ["no_elements"])
    }

    @Test("An array of a million is a million tasks, one more is refused before anything is made")
    func bounds() throws {
        #expect(try goodSpec(#"{"run": "a", "array": "0-999999"}"#).taskCount == 1_000_000)
        #expect(try parsed(#"{"run": "a", "array": "0-1000000"}"#).problems.map(\.code) == ["too_many"])
        let ranges = (0..<30).map { "\"p\($0)\": \"1-999999\"" }.joined(separator: ", ")
        let problem = try parsed("{\"run\": \"a\", \"sweep\": {\(ranges)}}").problems.first
        #expect(problem?.message == "`sweep` makes more than 2^63 tasks, wanted at most 1000000")
        let two = try parsed(
            #"{"steps": {"a": {"run": "a", "array": "1-600000"}, "b": {"run": "a", "array": "1-600000"}}}"#)
        #expect(two.problems.map(\.code) == ["too_many"])
    }

    @Test("More problems than anybody reads are cut off")
    func manyProblems() throws {
        let keys = (0..<500).map { "\"wrong\($0)\": 1" }.joined(separator: ", ")
        #expect(try parsed("{\"run\": \"a\", \(keys)}").problems.count == ManifestLimits.maxProblems)
    }

    @Test("What a client sends deeper than the limit is refused")
    func depth() throws {
        let text = String(repeating: "[", count: 40) + String(repeating: "]", count: 40)
        let json = try JSON(parsing: text)
        #expect(throws: JobsFailure.self) { try ManifestNode(json) }
    }

    @Test(
        "CSV values that must not be used are found at submit",
        arguments: [
            (#"{"run": "echo {x}", "sweep": "t.csv"}"#, "x\nok\n$(reboot)\n", "unsafe_value"),
            (#"{"run": "a", "outputs": ["{x}.txt"], "sweep": "t.csv"}"#, "x\nok\na/b\n", "bad_path"),
            (#"{"run": "a", "outputs": ["{x}"], "sweep": "t.csv"}"#, "x\nok/a\n../b\n", "bad_path"),
            (#"{"run": "a", "inputs": {"{x}": "f"}, "sweep": "t.csv"}"#, "x\n..\n", "bad_path"),
            (#"{"run": "a", "sweep": "t.csv"}"#, "x,x\n1,2\n", "duplicate"),
            (#"{"run": "a", "sweep": "t.csv"}"#, "x\n", "bad_value"),
            (#"{"run": "a", "sweep": "t.csv"}"#, "", "bad_table"),
            (#"{"run": "a", "sweep": "t.csv"}"#, "a b\n1\n", "bad_name"),
        ])
    func tableValues(manifest: String, csv: String, code: String) throws {
        let outcome = try parsed(manifest, resolver: tableResolver(csv))
        #expect(outcome.spec == nil)
        #expect(outcome.problems.map(\.code) == [code])
    }

    @Test("A path may be the whole name of an input or output")
    func wholeName() throws {
        let spec = try goodSpec(
            #"{"run": "a", "inputs": ["{x}"], "outputs": ["{x}"], "sweep": {"x": ["a/b", "c"]}}"#)
        #expect(try LocalInputs(of: spec).paths == ["a/b", "c"])
    }
}
