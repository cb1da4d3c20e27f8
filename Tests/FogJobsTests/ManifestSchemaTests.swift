import FogCore
import FogJobs
import Testing

@Suite("The manifest's schema")
struct ManifestSchemaTests {
    /// A value of each key that the parser takes; members of maps by path.
    private static let samples: [String: JSON] = [
        "name": "a", "labels": .object(["a": "b"]), "run": "x", "command": ["x"], "needs": ["other"],
        "inputs": ["x"], "outputs": ["x"], "env": .object(["A": "b"]), "secrets": [], "array": "0-9",
        "sweep": .object(["p": [1]]), "max_parallel": 1, "max_failures": 1, "requires": ["ffmpeg"], "image": "host",
        "profile": "p", "allow_hosts": ["a.example:443"], "verify": "none", "privacy": "secret", "sla": "A",
        "priority": 1, "deadline": "1h",
        "disconnect_grace": "1h", "exclusive": true, "budget": 1, "resources.cpu": 2, "resources.memory": "1GiB",
        "resources.disk": "2GiB", "resources.time": "2h", "resources.pids": 5, "resources.gpu": 1,
        "retry.max_attempts": 5, "retry.max_evictions": 5, "retry.delay": "1s", "retry.backoff": "constant",
        "retry.max_delay": "2s", "retry.jitter": "none", "retry.on_exit_codes": [1], "retry.not_on_exit_codes": [2],
        "retry.max_memory": "2GiB", "timeout.queue": "1h", "timeout.total": "1h", "checkpoint.every": "1h",
        "checkpoint.max_size": "2GiB", "checkpoint.exit_code": 2, "placement.strategy": "random",
        "placement.region": "eu", "placement.max_latency": "1s", "placement.max_price": 1,
        "placement.purchase": "reserved",
        "placement.min_trust": 0.5,
        "placement.exclude": ["n"], "placement.weights": .object(["price": 1]),
    ]

    /// A manifest in which the key stands, and the same without it.
    private static func outcomes(_ path: String, _ value: JSON, inStep: Bool) throws -> (
        with: ManifestOutcome, without: ManifestOutcome
    ) {
        let parts = path.split(separator: ".").map(String.init)
        let nested: JSON = parts.count == 2 ? .object([JSON.Member(parts[1], value)]) : value
        func manifest(_ member: [JSON.Member]) throws -> ManifestOutcome {
            let action = parts[0] == "command" || parts[0] == "run" ? [] : [JSON.Member("run", "x")]
            let fallback = member.isEmpty && action.isEmpty ? [JSON.Member("run", "y")] : []
            // Hosts need a profile that leads to them.
            let profile = parts[0] == "allow_hosts" ? [JSON.Member("profile", "p")] : []
            let keys = JSON.object(action + fallback + profile + member)
            let other: JSON = .object(["run": "o"])
            let job: JSON = inStep ? .object(["steps": .object(["s": keys, "other": other])]) : keys
            return ManifestParser.parse(try ManifestNode(job), defaultName: "default")
        }
        return (try manifest([JSON.Member(parts[0], nested)]), try manifest([]))
    }

    /// Every path of a schema object's fixed keys.
    private static func paths(of properties: JSON?) -> [String] {
        (properties?.members ?? []).flatMap { member -> [String] in
            let inner = member.value["properties"]?.members?.map { "\(member.name).\($0.name)" }
            return inner ?? [member.name]
        }
    }

    @Test("Every key of the schema is taken by the parser and changes the job", arguments: [false, true])
    func schemaToParser(inStep: Bool) throws {
        let root = ManifestSchema.json
        let properties = inStep ? root["$defs"]?["step"]?["properties"] : root["properties"]
        let paths = Self.paths(of: properties).filter { $0 != "steps" }
        #expect(paths.count > 30)
        // These have one value each that is supported yet, the default.
        let silent: Set<String> = ["secrets", "image"]
        for path in paths {
            let value = try #require(Self.samples[path], "no sample for \(path)")
            let (with, without) = try Self.outcomes(path, value, inStep: inStep)
            #expect(with.problems.isEmpty, "\(path): \(with.problems.map(\.message))")
            #expect(with.spec != without.spec || silent.contains(path), "\(path) is read and then forgotten")
        }
    }

    @Test("Every key of the parser is in the schema, and what is not is unknown to both")
    func parserToSchema() throws {
        let root = ManifestSchema.json
        let inJob = Set(root["properties"]?.members?.map(\.name) ?? [])
        let inStep = Set(root["$defs"]?["step"]?["properties"]?.members?.map(\.name) ?? [])
        for name in Set(Self.samples.keys.map { String($0.prefix { $0 != "." }) }).union(["steps", "zzz"]) {
            for (place, names) in [(false, inJob), (true, inStep)] {
                let outcome = try Self.outcomes(name, "1", inStep: place).with
                let isUnknown = outcome.problems.contains { $0.code == "unknown_key" }
                #expect(isUnknown == !names.contains(name), "\(name) \(place)")
            }
        }
    }

    @Test("The text is one JSON document that says its dialect")
    func text() throws {
        let json = try JSON(parsing: ManifestSchema.text)
        #expect(json["$schema"]?.string == "https://json-schema.org/draft/2020-12/schema")
        #expect(json["properties"]?["resources"]?["properties"]?["cpu"]?["description"]?.string != nil)
    }
}
