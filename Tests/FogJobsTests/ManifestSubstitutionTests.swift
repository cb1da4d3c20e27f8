import FogCore
import FogJobs
import Testing

@Suite("Filling the places of a step")
struct ManifestSubstitutionTests {
    private func command(_ words: [String], _ elements: Elements) -> StepSpec {
        StepSpec(action: .command(words), elements: elements)
    }

    private let product = Elements.product([
        .init(name: "lr", values: .list(["0.1", "0.01"])), .init(name: "seed", values: .range(first: 3, last: 5)),
    ])

    @Test(
        "Only this step's parameters are places",
        arguments: [
            ("{lr}", "0.1"), ("a{lr}b{seed}c", "a0.1b3c"), ("{index}", "0"), ("{other}", "{other}"), ("${lr}", "${lr}"),
            ("{{lr}", "{lr}"), ("{{{lr}", "{0.1"), ("{ lr }", "{ lr }"), ("{}", "{}"), ("{lr", "{lr"), ("lr}", "lr}"),
            ("$x{lr}", "$x0.1"), ("{lr}{lr}", "0.10.1"), ("{é}", "{é}"), ("${a:-{lr}}", "${a:-0.1}"),
            ("awk '{print $1}'", "awk '{print $1}'"), ("", ""),
        ])
    func places(text: String, filled: String) throws {
        #expect(try Substitution.expand(command([text], product), element: 0).arguments == [filled])
    }

    @Test("The last parameter runs fastest, and every combination comes once")
    func productOrder() throws {
        let step = command(["{lr}-{seed}"], product)
        let all = try (0..<6).map { try Substitution.expand(step, element: $0).arguments[0] }
        #expect(all == ["0.1-3", "0.1-4", "0.1-5", "0.01-3", "0.01-4", "0.01-5"])
        #expect(throws: JobsFailure.self) { try Substitution.element(6, of: step) }
        #expect(throws: JobsFailure.self) { try Substitution.element(-1, of: step) }
    }

    @Test("An array's index is its own number")
    func arrayIndex() throws {
        let step = command(["{index}"], .array(first: 5, last: 11, stride: 3))
        #expect(try (0..<3).map { try Substitution.expand(step, element: $0).arguments[0] } == ["5", "8", "11"])
        #expect(try Substitution.expand(step, element: 1).environment == ["FOG_TASK_INDEX": "8"])
        #expect(try Substitution.expand(command(["{index}"], .single), element: 0).arguments == ["{index}"])
    }

    @Test("Environment, inputs and outputs are filled, and the parameters are in the environment")
    func everywhere() throws {
        var step = command(["x"], .table(SweepTable(columns: ["name"], rows: [["a"], ["b c"]])))
        step.environment = ["FILE": "{name}.csv"]
        step.inputs = [InputSpec(name: "in/{name}", source: "./data/{name}.csv")]
        step.outputs = ["{name}.txt"]
        let expanded = try Substitution.expand(step, element: 1)
        #expect(expanded.environment == ["FILE": "b c.csv", "FOG_TASK_INDEX": "1", "FOG_PARAM_name": "b c"])
        #expect(expanded.inputs == [InputSpec(name: "in/b c", source: "data/b c.csv")])
        #expect(expanded.outputs == ["b c.txt"])
    }

    @Test("A value that the shell would read is refused in run, and taken in a command")
    func shell() throws {
        let table = Elements.table(SweepTable(columns: ["x"], rows: [["a-1.5_b+c:/@%=,"], ["; rm -rf /"]]))
        let run = StepSpec(action: .run("echo {x}"), elements: table)
        #expect(
            try Substitution.expand(run, element: 0).arguments == ["/bin/sh", "-eu", "-c", "echo a-1.5_b+c:/@%=,"])
        let failure = #expect(throws: JobsFailure.self) { try Substitution.expand(run, element: 1) }
        #expect(failure?.code == "unsafe_value")
        #expect(failure?.message.hasSuffix("use $FOG_PARAM_x") ?? false)
        #expect(try Substitution.expand(command(["{x}"], table), element: 1).arguments == ["; rm -rf /"])
        // A parameter that the text does not name may hold anything.
        let other = StepSpec(action: .run("echo $FOG_PARAM_x"), elements: table)
        #expect(try Substitution.expand(other, element: 1).environment["FOG_PARAM_x"] == "; rm -rf /")
    }

    @Test("A value never makes a name leave the work folder", arguments: ["..", "../x", "/etc", "a\nb", ""])
    func escape(value: String) throws {
        var step = command(["x"], .table(SweepTable(columns: ["x"], rows: [[value]])))
        step.outputs = ["{x}"]
        let failure = #expect(throws: JobsFailure.self) { try Substitution.expand(step, element: 0) }
        #expect(failure?.code == "bad_path")
    }

    @Test("Local inputs are walked over the parameters they name only, and are bounded")
    func localInputs() throws {
        var step = command(["x"], .array(first: 0, last: 999_999, stride: 1))
        step.inputs = [InputSpec(name: "f", source: "./f"), InputSpec(name: "b", source: "blob:\(Digest.zero)")]
        let inputs = try LocalInputs(of: JobSpec(name: "j", steps: [step]))
        #expect(inputs.paths == ["f"])
        #expect(inputs.blobs == [.zero])
        step.elements = product
        step.inputs = [InputSpec(name: "f", source: "data/{lr}.csv")]
        #expect(try LocalInputs(of: JobSpec(name: "j", steps: [step])).paths == ["data/0.01.csv", "data/0.1.csv"])
        step.elements = .array(first: 0, last: 999_999, stride: 1)
        step.inputs = [InputSpec(name: "f", source: "data/{index}.csv")]
        let failure = #expect(throws: JobsFailure.self) { try LocalInputs(of: JobSpec(name: "j", steps: [step])) }
        #expect(failure?.code == "too_many_inputs")
    }

    @Test(
        "A path has one spelling",
        arguments: [
            ("a", "a"), ("./a", "a"), ("a/", "a"), ("a//b", "a/b"), ("a/./b", "a/b"), ("../a", "../a"), (".", "."),
            ("./", "."), ("/a//b/", "/a/b"), (".a", ".a"), ("a/.b", "a/.b"), ("a/..", "a/.."), ("./.a/", ".a"),
        ])
    func spelling(text: String, wanted: String) throws {
        #expect(try InputSource(text) == .local(wanted))
    }

    @Test("What cannot be a path is refused", arguments: ["", "a\u{1}", "a\u{7f}", "a\u{85}b", "blob:12"])
    func noPath(text: String) {
        #expect(throws: JobsFailure.self) { try InputSource(text) }
    }

    @Test("Names and paths have a longest length")
    func longPaths() throws {
        let component = String(repeating: "x", count: ManifestLimits.maxComponentBytes)
        #expect(try InputSource("\(component)/y") == .local("\(component)/y"))
        #expect(throws: JobsFailure.self) { try InputSource(component + "x") }
        #expect(throws: JobsFailure.self) { try InputSource(String(repeating: "a/", count: 2049)) }
    }
}
