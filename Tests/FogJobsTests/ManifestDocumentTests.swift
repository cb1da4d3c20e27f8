import FogCore
import FogJobs
import Testing

@Suite("The resolved document")
struct ManifestDocumentTests {
    static let manifests = [
        #"{"run": "a"}"#,
        #"{"command": ["a", "{x}"], "sweep": {"z": [1, "two"], "a": "1-3"}}"#,
        #"{"command": ["a", "{x}"], "sweep": "t.csv"}"#,
        #"""
        {"labels": {"a": "b"}, "env": {"A": "1"}, "inputs": ["x", "./y/"], "timeout": {"queue": "90s", "total": "2d"},
         "steps": {"z": {"run": "x", "array": "0-7:7", "outputs": ["a", "b/", "*.c"], "max_parallel": 2,
         "max_failures": 1, "checkpoint": {"every": "90s", "max_size": "1MiB", "exit_code": 3}, "verify": "none"},
         "a": {"command": ["q"], "needs": ["z"], "resources": {"cpu": 0.25, "memory": "3MiB", "disk": "5KiB",
         "time": "90s", "pids": 7, "gpu": 2}, "requires": ["arch:x86_64", "python3>=3.11", "label:a", "node:b",
         "owner:c", "ffmpeg"], "profile": "media", "retry": {"max_attempts": 1, "max_evictions": 0, "delay": "0s",
         "max_delay": "250ms", "backoff": "constant", "jitter": "none", "on_exit_codes": [], "not_on_exit_codes": [4],
         "max_memory": "1GiB"}}},
         "sla": "A", "priority": 0, "deadline": "90m", "disconnect_grace": "0s", "exclusive": true, "budget": 0.000001,
         "placement": {"strategy": "random", "region": "r", "max_latency": "1ms", "max_price": 7, "min_trust": 0.000001,
         "exclude": ["n"]}}
        """#,
        #"{"run": "a", "deadline": "2026-11-22T10:17:19.123456+02:00"}"#,
    ]

    @Test("Reads back as the same job, and gives the same bytes again", arguments: manifests)
    func roundTrip(text: String) throws {
        let spec = try goodSpec(text, resolver: tableResolver("b,a\n1,\"x, y\"\n2,z\n"))
        let bundle = SubmissionBundle(spec: spec, files: try Self.files(of: spec))
        let json = try JSON(parsing: bundle.document.canonical, maxDepth: ManifestLimits.maxDepth)
        let blobs = bundle.blobs
        let outcome = try SubmissionBundle.spec(document: json, files: bundle.files) { blobs[$0] }
        #expect(outcome.problems.isEmpty, "\(outcome.problems.map(\.message))")
        let again = try #require(outcome.spec)
        #expect(again == spec)
        #expect(ManifestDocument(of: again).canonical == bundle.document.canonical)
    }

    private static func files(of spec: JobSpec) throws -> FileTable {
        let entry = FileTable.Entry(path: "", digest: .zero, size: ByteCount(1), isExecutable: false)
        return try FileTable(Dictionary(uniqueKeysWithValues: try LocalInputs(of: spec).paths.map { ($0, [entry]) }))
    }

    @Test("Two ways of writing the same give the same digest; another value gives another")
    func digest() throws {
        let first = try goodSpec(#"{"run": "a", "env": {"A": "1", "B": "2"}, "resources": {"cpu": 1}}"#)
        let second = try goodSpec(#"{"env": {"B": 2, "A": "1"}, "run": "a", "name": "job"}"#)
        let third = try goodSpec(#"{"env": {"B": 3, "A": "1"}, "run": "a"}"#)
        #expect(ManifestDocument(of: first).digest == ManifestDocument(of: second).digest)
        #expect(ManifestDocument(of: first).digest != ManifestDocument(of: third).digest)
        #expect(
            ManifestDocument(of: first).canonical == #"{"env":{"A":"1","B":"2"},"name":"job","run":"a"}"#)
    }

    @Test("The order of a sweep's parameters outlives the canonical form")
    func sweepOrder() throws {
        let spec = try goodSpec(#"{"run": "a", "sweep": {"z": [1, 2], "a": [3, 4]}}"#)
        let json = ManifestDocument(of: spec).json
        let again = try #require(try parsed(json.canonical).spec)
        #expect(try Substitution.element(1, of: again.steps[0]) == Substitution.element(1, of: spec.steps[0]))
        #expect(again.steps[0].elements.parameterNames == ["z", "a"])
    }

    @Test("What the inputs hold is part of the bundle's digest")
    func files() throws {
        let spec = try goodSpec(#"{"run": "a", "inputs": ["x"]}"#)
        func bundle(_ digest: Digest) throws -> SubmissionBundle {
            let entry = FileTable.Entry(path: "", digest: digest, size: ByteCount(3), isExecutable: false)
            return SubmissionBundle(spec: spec, files: try FileTable(["x": [entry]]))
        }
        let (first, second) = (try bundle(.zero), try bundle(.blake2b([1])))
        #expect(first.digest != second.digest)
        #expect(first.digest == (try bundle(.zero)).digest)
    }

    @Test("A local input that was not uploaded is a problem on the coordinator")
    func missing() throws {
        let spec = try goodSpec(#"{"run": "a", "inputs": ["x"]}"#)
        let outcome = try SubmissionBundle.spec(document: ManifestDocument(of: spec).json, files: nil) { _ in nil }
        #expect(outcome.problems.map(\.code) == ["not_found"])
        let table: JSON = .object(["name": "j", "run": "a", "sweep": "params.csv"])
        #expect(
            try SubmissionBundle.spec(document: table, files: nil) { _ in nil }.problems.map(\.code) == ["bad_path"])
    }

    @Test("A file table reads back; one that leaves its source does not")
    func fileTable() throws {
        let files = [
            FileTable.Entry(path: "b/c", digest: .blake2b([2]), size: ByteCount(5), isExecutable: true),
            FileTable.Entry(path: "a", digest: .zero, size: .zero, isExecutable: false),
        ]
        let table = try FileTable(["site": files, "empty": []])
        #expect(try FileTable(json: JSON(parsing: table.bytes)) == table)
        #expect(table["site"]?.map(\.path) == ["a", "b/c"])
        #expect(table.presence(of: "site") == .directory)
        #expect(table.presence(of: "sitte") == .missing(nearest: "site"))
        #expect(table.digests == [.zero, .blake2b([2])].sorted())
        for path in ["../x", "/x", "a//b", "a/", "", "."] {
            let bad = FileTable.Entry(path: path, digest: .zero, size: .zero, isExecutable: false)
            #expect(throws: JobsFailure.self) { try FileTable(["s": [bad, files[0]]]) }
        }
        #expect(throws: JobsFailure.self) { try FileTable(["s": [files[0], files[0]]]) }
    }

    @Test(
        "CSV by RFC 4180",
        arguments: [
            ("a,b\n1,2\n", [["1", "2"]]), ("a,b\r\n1,2\r\n", [["1", "2"]]), ("a,b\n1,2", [["1", "2"]]),
            ("\u{feff}a,b\n,\n", [["", ""]]), ("a,b\n\"x,\"\"y\"\"\",\"l\nm\"\n", [["x,\"y\"", "l\nm"]]),
            ("a,b\n\n1,2\n\n", [["1", "2"]]), ("a,b\n\"\",é\n", [["", "é"]]), ("a,b\n", []),
        ])
    func csv(text: String, rows: [[String]]) throws {
        let table = try SweepTable(csv: Array(text.utf8))
        #expect(table == SweepTable(columns: ["a", "b"], rows: rows))
        #expect(try SweepTable(csv: table.csv) == table)
    }

    @Test("A table of one column keeps its empty values")
    func emptyValues() throws {
        let table = SweepTable(columns: ["a"], rows: [[""], ["x"], [""]])
        #expect(try SweepTable(csv: table.csv) == table)
    }

    @Test(
        "A mistake in a table is told with its line",
        arguments: [
            ("a,b\n1,2\n3\n", "line 3 has 1 values, the header has 2 names"), ("a\n\"x\ny", "line 2 opens a quote"),
            ("a\nx\"y\n", "line 2 has a quote within a value"), ("a\n\"x\"y\n", "line 2 goes on after a closing quote"),
            ("a\nx\u{1}\n", "line 2 has a control character"), ("a\n\"l\nm\"\n\"q\n", "line 4 opens a quote"),
        ])
    func badTable(text: String, message: String) {
        let failure = #expect(throws: JobsFailure.self) { try SweepTable(csv: Array(text.utf8)) }
        #expect(failure?.message.hasPrefix(message) ?? false, "\(failure?.message ?? "")")
    }

    @Test("A table that is not UTF-8 is refused")
    func notText() {
        #expect(throws: JobsFailure.self) { try SweepTable(csv: [0x61, 0x0a, 0xff, 0x0a]) }
    }
}
