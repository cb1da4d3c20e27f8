import FogCore
import FogJobs
import FogManifestFile
import Testing

/// A manifest with one mistake, and what must be said about it.
struct Mistake: Sendable, CustomTestStringConvertible {
    let yaml: String
    let code: String
    let path: String
    let line: Int
    let column: Int
    /// A part of the help; nil = none is asked for.
    let help: String?

    init(_ yaml: String, _ code: String, _ path: String, _ line: Int, _ column: Int, _ help: String? = nil) {
        self.yaml = yaml
        self.code = code
        self.path = path
        self.line = line
        self.column = column
        self.help = help
    }

    var testDescription: String { "\(code) \(path) in \(yaml.prefix(60))" }

    static let outerForm: [Mistake] = [
        Mistake("", "empty", "", 1, 1, "run: echo hello"),
        Mistake("# only a comment\n", "empty", "", 1, 1),
        Mistake("just text", "wrong_type", "", 1, 1, "run: echo hello"),
        Mistake("- run: a", "wrong_type", "", 1, 1),
        Mistake("run: a\nrun: b", "duplicate_key", "run", 2, 1, "line 1"),
        Mistake("run: a\nenv: {A: 1, B: 2, A: 3}", "duplicate_key", "env.A", 2, 19, "line 2"),
        Mistake("run: a\nenv:\n  \"A\": 1\n  A: 3", "duplicate_key", "env.A", 4, 3),
        Mistake("run: a\n---\nrun: b", "many_documents", "", 2, 1),
        Mistake("run: &x a\nname: b", "alias", "", 1, 6, "quotes"),
        Mistake("run: ls\nname: *x", "alias", "", 2, 7, "quotes"),
        Mistake("run: a\npriority: !!int 5", "tag", "", 2, 11),
        Mistake("run: a\n[a, b]: c", "bad_key", "", 2, 1, "quotes"),
        Mistake("command: [echo, {a}: b}", "syntax", "", 1, 23),
    ]

    static let syntax: [Mistake] = [
        Mistake("run: echo a: b", "syntax", "", 1, 12, "put it in quotes: run: 'echo a: b'"),
        Mistake("run: {index} > out", "syntax", "", 1, 14, "put it in quotes: run: '{index} > out'"),
        Mistake("run: *.txt", "syntax", "", 1, 6, "put it in quotes: run: '*.txt'"),
        Mistake("run: @foo", "syntax", "", 1, 6, "put it in quotes: run: '@foo'"),
        Mistake("run: `date`", "syntax", "", 1, 6, "put it in quotes"),
        Mistake("run: 'echo\nname: x", "syntax", "", 1, 6, "close the quote"),
        Mistake("command: [echo, a\nname: x", "syntax", "", 1, 10, "close the list"),
        Mistake("resources: {cpu: 1\nname: x", "syntax", "", 1, 12, "close the map"),
        Mistake("command: [cat, data/{x}.csv]", "syntax", "", 1, 21, "put it in quotes"),
        Mistake("run: a\n\tname: b", "syntax", "", 2, 1, "spaces, not tabs"),
        Mistake("steps:\n    a: {run: x}\n  b: {run: y}", "syntax", "", 3, 3, "indentation"),
        Mistake("run: echo\nname", "syntax", "", 2, 1, "key: value"),
        Mistake("run: [ -f x ] && y", "syntax", "", 1, 15, "put it in quotes"),
        Mistake("run: \"a\" b", "syntax", "", 1, 10, "quotes"),
        Mistake("command: [echo, {index}]", "wrong_type", "command[1]", 1, 17, "put it in quotes: \"{index}\""),
        Mistake("run: a\nenv: {A: {index}}", "wrong_type", "env.A", 2, 10, "put it in quotes: \"{index}\""),
        Mistake("run: {index}", "wrong_type", "run", 1, 6, "put it in quotes: \"{index}\""),
    ]

    static let keys: [Mistake] = [
        Mistake("run: a\nresorces: {cpu: 4}", "unknown_key", "resorces", 2, 1, "did you mean `resources`?"),
        Mistake("run: a\nresources: {cpus: 4}", "unknown_key", "resources.cpus", 2, 13, "did you mean `cpu`?"),
        Mistake("run: a\nresources: {memry: 1GiB}", "unknown_key", "resources.memry", 2, 13, "`memory`"),
        Mistake("run: a\nmemory: 1GiB", "unknown_key", "memory", 2, 1, "resources: {memory: …}"),
        Mistake("run: a\nmem: 1GiB", "unknown_key", "mem", 2, 1, "resources: {memory: …}"),
        Mistake("run: a\nmax-parallel: 4", "unknown_key", "max-parallel", 2, 1, "did you mean `max_parallel`?"),
        Mistake("run: a\nNAME: b", "unknown_key", "NAME", 2, 1, "did you mean `name`?"),
        Mistake("run: a\nmatrix: {a: [1]}", "unknown_key", "matrix", 2, 1, "did you mean `sweep`?"),
        Mistake("run: a\nneeds: [b]", "unknown_key", "needs", 2, 1, "stands in a step"),
        Mistake("run: a\nzzzzzz: 1", "unknown_key", "zzzzzz", 2, 1, "known here: allow_hosts"),
        Mistake("steps: {a: {run: x, budget: 5}}", "unknown_key", "steps.a.budget", 1, 21, "at the job"),
        Mistake("steps: {a: {run: x, depends_on: [b]}}", "unknown_key", "steps.a.depends_on", 1, 21, "`needs`"),
        Mistake("run: a\nretry: {max_attempt: 2}", "unknown_key", "retry.max_attempt", 2, 9, "`max_attempts`"),
        Mistake("run: a\nplacement: {regoin: eu}", "unknown_key", "placement.regoin", 2, 13, "`region`"),
        Mistake("run: a\ninputs:", "wrong_type", "inputs", 2, 8, "remove the key"),
        Mistake("name: x", "missing_key", "", 1, 1, "run: echo hello"),
        Mistake("run: a\ncommand: [b]", "conflict", "command", 2, 1, "keep one"),
        Mistake("command: [b]\nrun: a", "conflict", "run", 2, 1, "keep one"),
        Mistake("run: a\nsteps: {a: {run: b}}", "conflict", "run", 1, 1, "into a step"),
        Mistake("array: 0-9\nsteps: {a: {run: b}}", "conflict", "array", 1, 1, "into a step"),
        Mistake("run: a\narray: 0-3\nsweep: {a: [1]}", "conflict", "sweep", 3, 1, "into the sweep"),
        Mistake("steps:\n  a: {needs: [b]}\n  b: {run: x}", "missing_key", "steps.a", 2, 3),
        Mistake("steps: {}", "bad_value", "steps", 1, 8),
        Mistake("steps: {a: echo}", "wrong_type", "steps.a", 1, 12, "a: {run: echo hello}"),
    ]

    static let values: [Mistake] = [
        Mistake("run: a\nname: My_Job", "bad_name", "name", 2, 7, "write my-job"),
        Mistake("steps: {A_b: {run: x}}", "bad_name", "steps.A_b", 1, 9, "write a-b"),
        Mistake("run: [echo, hi]", "wrong_type", "run", 1, 6, "command: [program"),
        Mistake("run: '  '", "bad_value", "run", 1, 6),
        Mistake("command: echo hi", "wrong_type", "command", 1, 10, "run: echo hi"),
        Mistake("command: []", "bad_value", "command", 1, 10),
        Mistake("run: a\nresources: {cpu: four}", "wrong_type", "resources.cpu", 2, 18, "`cpu: 0.5`"),
        Mistake("run: a\nresources: {cpu: 0}", "out_of_range", "resources.cpu", 2, 18),
        Mistake("run: a\nresources: {cpu: 0.0001}", "wrong_type", "resources.cpu", 2, 18),
        Mistake("run: a\nresources: {memory: 4G}", "bad_value", "resources.memory", 2, 21, "write 4GiB"),
        Mistake("run: a\nresources: {memory: 512}", "bad_value", "resources.memory", 2, 21, "write 512MiB or 512GiB"),
        Mistake("run: a\nresources: {memory: 1.5GiB}", "bad_value", "resources.memory", 2, 21, "write 1536MiB"),
        Mistake("run: a\nresources: {disk: 10 gb}", "bad_value", "resources.disk", 2, 19, "write 10GiB"),
        Mistake("run: a\nresources: {time: 90}", "bad_value", "resources.time", 2, 19, "write 90s, 90m or 90h"),
        Mistake("run: a\nresources: {time: 1.5h}", "bad_value", "resources.time", 2, 19, "write 90m"),
        Mistake("run: a\nresources: {time: 01:30:00}", "bad_value", "resources.time", 2, 19, "write 90m"),
        Mistake("run: a\nresources: {time: 2 hours}", "bad_value", "resources.time", 2, 19, "write 2h"),
        Mistake("run: a\nresources: {time: 0s}", "out_of_range", "resources.time", 2, 19),
        Mistake("run: a\nresources: [cpu]", "wrong_type", "resources", 2, 12, "resources: {cpu: 2"),
        Mistake("run: a\npriority: 101", "out_of_range", "priority", 2, 11),
        Mistake("run: a\npriority: high", "wrong_type", "priority", 2, 11),
        Mistake("run: a\npriority: \"50\"", "wrong_type", "priority", 2, 11, "write 50 without quotes"),
        Mistake("run: a\nexclusive: yes", "wrong_type", "exclusive", 2, 12, "write true"),
        Mistake("run: a\nsla: b", "bad_value", "sla", 2, 6, "did you mean `B`?"),
        Mistake("run: a\nprivacy: privat", "bad_value", "privacy", 2, 10, "did you mean `private`?"),
        Mistake("run: a\ndeadline: 2026-11-22T10:17:19", "bad_value", "deadline", 2, 11, "10:17:19Z"),
        Mistake("run: a\ndeadline: tomorrow", "bad_value", "deadline", 2, 11),
        Mistake("run: a\ndisconnect_grace: 2d", "out_of_range", "disconnect_grace", 2, 19),
        Mistake("run: a\nbudget: 5 FOG", "bad_value", "budget", 2, 9),
        Mistake("run: a\ntimeout: 2h", "wrong_type", "timeout", 2, 10, "timeout: {total: 2h}"),
        Mistake("run: a\nretry: 3", "wrong_type", "retry", 2, 8, "retry: {max_attempts: 3}"),
        Mistake("run: a\nretry: {backoff: expo}", "bad_value", "retry.backoff", 2, 18),
        Mistake("run: a\nretry: {backoff: exponental}", "bad_value", "retry.backoff", 2, 18, "`exponential`"),
        Mistake("run: a\nretry: {on_exit_codes: [1, 256]}", "out_of_range", "retry.on_exit_codes[1]", 2, 28),
        Mistake("run: a\nretry: {max_memory: 256MiB}", "out_of_range", "retry.max_memory", 2, 8),
        Mistake("run: a\nplacement: {strategy: fastest}", "bad_value", "placement.strategy", 2, 23),
        Mistake(
            "run: a\nplacement: {strategy: round_robin}", "bad_value", "placement.strategy", 2, 23, "`round-robin`"),
        Mistake("run: a\nplacement: {min_trust: 2}", "out_of_range", "placement.min_trust", 2, 24),
        Mistake("run: a\nrequires: ffmpeg", "wrong_type", "requires", 2, 11, "write [ffmpeg]"),
        Mistake("run: a\nrequires: [arch:amd64]", "bad_value", "requires[0]", 2, 12, "write arch:x86_64"),
        Mistake("run: a\nrequires: [\"python3 >= 3.11\"]", "bad_value", "requires[0]", 2, 12, "python3>=3.11"),
        Mistake("run: a\nrequires: [lable:x]", "bad_value", "requires[0]", 2, 12, "did you mean `label:x`?"),
        Mistake("run: a\nrequires: [python3=3]", "bad_value", "requires[0]", 2, 12, "write python3==3"),
        Mistake("run: a\nenv: [A=1]", "wrong_type", "env", 2, 6, "env: {NAME: value}"),
        Mistake("run: a\nenv: {FOG_X: 1}", "reserved", "env.FOG_X", 2, 7, "without FOG_"),
        Mistake("run: a\nenv: {A-B: 1}", "bad_name", "env.A-B", 2, 7, "write A_B"),
        Mistake("run: a\nlabels: {a b: c}", "bad_name", "labels.a b", 2, 10),
    ]

    static let files: [Mistake] = [
        Mistake("run: a\ninputs: data.csv", "wrong_type", "inputs", 2, 9, "write [data.csv]"),
        Mistake("run: a\ninputs: [../x.csv]", "bad_path", "inputs[0]", 2, 10, "inputs: {x.csv: \"../x.csv\"}"),
        Mistake("run: a\ninputs: [/etc/hosts]", "bad_path", "inputs[0]", 2, 10, "inputs: {hosts:"),
        Mistake("run: a\ninputs: {../x: y}", "bad_path", "inputs.../x", 2, 10),
        Mistake("run: a\ninputs: {a: \"blob:12\"}", "bad_path", "inputs.a", 2, 13),
        Mistake("run: a\ninputs: {a: \"volume:V\"}", "bad_path", "inputs.a", 2, 13),
        Mistake("run: a\narray: 0-3\ninputs: {a: \"volume:{index}\"}", "bad_path", "inputs.a", 3, 13),
        Mistake("run: a\ninputs: {a: \"volume:v/../w\"}", "bad_path", "inputs.a", 2, 13),
        Mistake("run: a\ninputs: [\"volume:v\"]", "bad_path", "inputs[0]", 2, 10, "name"),
        Mistake("run: a\ninputs: [a, a]", "duplicate", "inputs[1]", 2, 13),
        Mistake("run: a\ninputs: {d: x, d/e: y}", "conflict", "inputs.d/e", 2, 16),
        Mistake("run: a\ninputs: [\"a\\nb\"]", "bad_path", "inputs[0]", 2, 10),
        Mistake("run: a\noutputs: [../x]", "bad_path", "outputs[0]", 2, 11),
        Mistake("run: a\noutputs: [/x]", "bad_path", "outputs[0]", 2, 11),
        Mistake("run: a\noutputs: [a//b]", "bad_path", "outputs[0]", 2, 11),
        Mistake("run: a\noutputs: x", "wrong_type", "outputs", 2, 10, "write [x]"),
        Mistake("run: a\noutputs: [x, y, x]", "duplicate", "outputs[2]", 2, 17),
    ]

    static let elements: [Mistake] = [
        Mistake("run: a\narray: 100", "bad_value", "array", 2, 8, "write 0-99"),
        Mistake("run: a\narray: 9-0", "out_of_range", "array", 2, 8, "write 0-9"),
        Mistake("run: a\narray: 1-9:0", "out_of_range", "array", 2, 8),
        Mistake("run: a\narray: 1-10%4", "bad_value", "array", 2, 8, "max_parallel: 4"),
        Mistake("run: a\narray: 1,3,5", "bad_value", "array", 2, 8, "sweep: {i: [1,3,5]}"),
        Mistake("run: a\narray: 0..9", "bad_value", "array", 2, 8, "write 0-9"),
        Mistake("run: a\narray: 0-1000000", "too_many", "array", 2, 8),
        Mistake("run: a\nsweep: {a: 1-1000, b: 1-1001}", "too_many", "sweep", 2, 8),
        Mistake("run: a\nsweep: {a: 5}", "bad_value", "sweep.a", 2, 12, "write [5]"),
        Mistake("run: a\nsweep: {a: []}", "bad_value", "sweep.a", 2, 12),
        Mistake("run: a\nsweep: {index: [1]}", "reserved", "sweep.index", 2, 9),
        Mistake("run: a\nsweep: {a-b: [1]}", "bad_name", "sweep.a-b", 2, 9, "write a_b"),
        Mistake("run: a\nsweep: none.csv", "not_found", "sweep", 2, 8),
        Mistake("run: echo {x}\nsweep: {x: [a, 'b c']}", "unsafe_value", "run", 1, 6, "$FOG_PARAM_x"),
        Mistake("run: a\nsweep: {x: [a, ..]}\noutputs: ['{x}.txt']", "bad_path", "outputs[0]", 3, 11),
        Mistake("steps:\n  a: {run: x}\n  b: {run: y, needs: [aa]}", "unknown_need", "steps.b.needs[0]", 3, 23, "`a`"),
        Mistake("steps:\n  a: {run: x, needs: [b]}\n  b: {run: y, needs: [a]}", "cycle", "steps.a.needs[0]", 2, 23),
        Mistake("steps:\n  a: {run: x, needs: [a]}", "cycle", "steps.a.needs[0]", 2, 23),
        Mistake("steps:\n  a: {run: x}\n  b: {run: y, needs: [a, a]}", "duplicate", "steps.b.needs[1]", 3, 26),
        Mistake(
            "steps:\n  a: {run: x}\n  b: {run: y, needs: [a], inputs: [a/z]}", "conflict", "steps.b.inputs", 3, 35,
            "rename"),
    ]

    static let notYet: [Mistake] = [
        Mistake("run: a\nsecrets: [KEY=x]", "bad_name", "secrets[0]", 2, 11, "--secret"),
        Mistake("run: a\nsecrets: [K, K]", "duplicate", "secrets[1]", 2, 14),
        Mistake("run: a\nsecrets: {k: VAR}", "bad_value", "secrets.k", 2, 14, "env:VAR"),
        Mistake("run: a\nenv: {V: x}\nsecrets: {k: \"env:V\"}", "conflict", "secrets.k", 3, 10),
        Mistake("run: a\nimage: \"volume:v\"", "bad_value", "image", 2, 8, "sent along"),
        Mistake("run: a\narray: 0-1\nimage: \"{index}.tar\"", "bad_value", "image", 3, 8),
        Mistake("run: a\nimage: \"blob:12\"", "bad_path", "image", 2, 8),
        Mistake("run: a\nverify: 9", "out_of_range", "verify", 2, 9),
    ]

    static let network: [Mistake] = [
        Mistake("run: a\nallow_hosts: [a.example:443]", "conflict", "allow_hosts", 2, 14, "profile: network-client"),
        Mistake(
            "run: a\nprofile: python\nallow_hosts: [a.example:443]", "conflict", "allow_hosts", 3, 14, "network-client"),
        Mistake(
            "allow_hosts: [a.example:443]\nprofile: network-client\nsteps:\n  a: {run: x}\n  b: {run: y, profile: strict}",
            "conflict", "steps.b.profile", 5, 24),
        Mistake("run: a\nallow_hosts: a.example:443", "wrong_type", "allow_hosts", 2, 14, "[example.org:443"),
        Mistake(
            "run: a\nprofile: network-client\nallow_hosts: [a.example:443, a.example]", "bad_host", "allow_hosts[1]", 3,
            30
        ),
        Mistake(
            "run: a\nprofile: network-client\nallow_hosts: [\"https://a.example\"]", "bad_host", "allow_hosts[0]", 3, 15
        ),
        Mistake(
            "run: a\nprofile: network-client\nallow_hosts: [\"127.1:80\"]", "bad_host", "allow_hosts[0]", 3, 15),
        Mistake(
            "run: a\nprofile: network-client\nallow_hosts: [\"a.example:443\", \"A.example.:443\"]", "duplicate",
            "allow_hosts[1]", 3, 32),
        Mistake("run: a\nnetwork: [a.example:443]", "unknown_key", "network", 2, 1, "`allow_hosts`"),
    ]

    static let all = outerForm + syntax + keys + values + files + elements + notYet + network
}

@Suite("A manifest in YAML")
struct YAMLManifestTests {
    @Test("One mistake gives one problem at its place with its help", arguments: Mistake.all)
    func mistake(_ mistake: Mistake) throws {
        let file = ManifestFile(text: mistake.yaml, path: "bad.yaml", folder: nil)
        #expect(file.outcome.spec == nil)
        let problems = file.outcome.problems
        #expect(problems.count == 1, "\(file.report)")
        let problem = try #require(problems.first)
        #expect(problem.code == mistake.code, "\(file.report)")
        #expect(problem.path == mistake.path, "\(file.report)")
        #expect(problem.mark == SourceMark(line: mistake.line, column: mistake.column), "\(file.report)")
        if let help = mistake.help { #expect(problem.help?.contains(help) ?? false, "\(file.report)") }
    }

    @Test("All mistakes are told in one pass, in the order of their lines")
    func allAtOnce() {
        let text = """
            nme: x
            run: [a]
            resources: {cpu: four, memory: 2G}
            priority: 200
            sweep: {lr: 5}
            """
        let file = ManifestFile(text: text, path: "x.yaml", folder: nil)
        #expect(
            file.outcome.problems.map(\.path) == [
                "nme", "run", "resources.cpu", "resources.memory", "priority", "sweep.lr",
            ])
    }

    @Test("A problem shows its line with the word underlined")
    func rendering() {
        let text = "name: a\nrun: echo hello\nresorces: {cpu: 4}\n"
        #expect(
            ManifestFile(text: text, path: "bad.yaml", folder: nil).report == """
                error: unknown key `resorces`
                 --> bad.yaml:3:1
                3 | resorces: {cpu: 4}
                  | ^^^^^^^^
                  = help: did you mean `resources`?

                """)
    }

    @Test("Control characters of a file do not reach the terminal")
    func controls() {
        let report = ManifestFile(text: "run: a\n\"x\\e[31m\": \"\\e[0m\"", path: "x.yaml", folder: nil).report
        #expect(report.contains("unknown key `x?[31m`"))
        #expect(!report.unicodeScalars.contains("\u{1b}"))
    }

    @Test("Words that YAML 1.1 reads as other types stay text")
    func noSurprises() throws {
        let text = "run: a\nenv: {A: no, B: 10:00, C: 1e3, D: 0x1F, E: ~, F: 2001-01-01, G: \"\"}"
        let spec = try #require(ManifestFile(text: text, path: "x.yaml", folder: nil).outcome.spec)
        #expect(
            spec.steps[0].environment == [
                "A": "no", "B": "10:00", "C": "1e3", "D": "0x1F", "E": "~", "F": "2001-01-01", "G": "",
            ])
    }

    @Test("Too many levels are refused, however many", arguments: [33, 900, 5000])
    func depth(_ levels: Int) {
        let text = "run: a\nlabels: " + String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
        let problems = ManifestFile(text: text, path: "x.yaml", folder: nil).outcome.problems
        #expect(problems.map(\.code) == ["manifest_too_deep"])
    }

    @Test("Aliases that would multiply are refused without being followed")
    func billionLaughs() {
        var text = "run: a\nlabels:\n  a0: &a0 [x, x]\n"
        for level in 1...30 { text += "  a\(level): &a\(level) [*a\(level - 1), *a\(level - 1), *a\(level - 1)]\n" }
        let problems = ManifestFile(text: text, path: "x.yaml", folder: nil).outcome.problems
        #expect(Set(problems.map(\.code)) == ["alias"])
    }

    @Test("An anchor is told once, however many aliases lead to it; two anchors are two mistakes")
    func oneAnchor() {
        let text = "run: &r a\nenv: {A: *r, B: *r, C: &c x, D: *c}"
        let problems = ManifestFile(text: text, path: "x.yaml", folder: nil).outcome.problems
        #expect(problems.map(\.code) == ["alias", "alias"])
        #expect(problems.map(\.mark) == [SourceMark(line: 1, column: 6), SourceMark(line: 2, column: 24)])
    }

    @Test("A file beyond the limit is not parsed")
    func size() {
        let text = "run: a\n#" + String(repeating: "x", count: ManifestLimits.maxBytes)
        let problems = ManifestFile(text: text, path: "x.yaml", folder: nil).outcome.problems
        #expect(problems.map(\.code) == ["manifest_too_large"])
    }

    @Test("A key that stands three times is told twice")
    func threeTimes() {
        let problems = ManifestFile(text: "run: a\nrun: b\nrun: c", path: "x.yaml", folder: nil).outcome.problems
        #expect(problems.map(\.mark) == [SourceMark(line: 2, column: 1), SourceMark(line: 3, column: 1)])
        #expect(problems.allSatisfy { $0.message == "key `run` stands twice" })
    }

    @Test("Columns count characters, and the file's name is the job's")
    func columns() throws {
        let problems = ManifestFile(text: "run: a\nenv: {Ä: ö, FOG_A: x}", path: "x", folder: nil).outcome.problems
        #expect(problems.map { $0.mark?.column } == [7, 13])
        let spec = try #require(ManifestFile(text: "run: a", path: "dir/My Job.yaml", folder: nil).outcome.spec)
        #expect(spec.name == "my-job")
    }

    @Test("Lines end as YAML says", arguments: ["a\nb\n\nc", "a\r\nb\r\n\r\nc", "a\rb\r\rc"])
    func lines(text: String) {
        #expect(SourceText.lines(of: text) == ["a", "b", "", "c"])
        #expect(SourceText.lines(of: "") == [""])
    }
}
