package import FogCore

/// The file that all parties of a network are given: what it is called, who its authorities are, and where.
///
///     {"name": "campus", "kind": "live", "epoch": "20m", "authorities": [{"key": "fogkey1…", "url": "http://…"}],
///      "admitted": ["fogkey1…"]}
package struct NetworkFile: Hashable, Sendable {
    package static let authoritiesLimit = 31

    package struct Member: Hashable, Sendable {
        package let key: PublicKey
        package let url: String

        package init(key: PublicKey, url: String) {
            self.key = key
            self.url = url
        }
    }

    package let parameters: NetworkParameters
    package let authorities: [Member]
    /// The nodes that may be in the network; nil = all that ask: a test network only.
    package let admitted: [PublicKey]?

    package init(
        parameters: NetworkParameters, authorities: [Member], admitted: [PublicKey]? = nil
    ) throws(MixnetFailure) {
        guard (1...Self.authoritiesLimit).contains(authorities.count),
            Set(authorities.map(\.key)).count == authorities.count
        else {
            throw Self.bad(
                "authorities: 1 to \(Self.authoritiesLimit) with keys of their own, found \(authorities.count)")
        }
        guard parameters.kind == .test || admitted != nil else {
            throw Self.bad("admitted: a live network names the nodes that may be in it")
        }
        self.parameters = parameters
        self.authorities = authorities
        self.admitted = admitted
    }

    private static func bad(_ message: String) -> MixnetFailure { MixnetFailure("bad_network_file", message) }

    // MARK: - JSON

    private static let keys: Set = [
        "name", "kind", "suite", "epoch", "layers", "mean_delay", "payload_interval", "loop_interval",
        "mix_loop_interval", "authorities", "admitted",
    ]

    /// - Throws: `bad_network_file`, naming the key and what it should be.
    package init(json: JSON) throws(MixnetFailure) {
        guard let members = json.members else { throw Self.bad("a network file is a JSON object") }
        for member in members where !Self.keys.contains(member.name) {
            throw Self.bad("`\(member.name.prefix(40))` is not known")
        }
        do {
            guard let name = json["name"]?.string else { throw Self.bad("name: a text is wanted") }
            let kind: NetworkParameters.Kind
            switch json["kind"]?.string {
            case "live": kind = .live
            case "test": kind = .test
            default: throw Self.bad("kind: live or test is wanted")
            }
            func span(_ key: String, _ usual: TimeSpan) throws -> TimeSpan {
                guard let value = json[key] else { return usual }
                guard let text = value.string, let span = try? TimeSpan(text) else {
                    throw Self.bad("\(key): a time as in 20m, 50ms is wanted")
                }
                return span
            }
            let suite = try json["suite"]?.string.map { try PacketSuite(name: $0) } ?? .k400
            let parameters = try NetworkParameters(
                name: name, kind: kind, suite: suite, epochLength: span("epoch", .minutes(20)),
                layers: Int(json["layers"]?.integer ?? 3), meanDelay: span("mean_delay", .milliseconds(50)),
                payloadInterval: span("payload_interval", .milliseconds(20)),
                loopInterval: span("loop_interval", .milliseconds(200)),
                mixLoopInterval: span("mix_loop_interval", .milliseconds(200)))
            let authorities = try (json["authorities"]?.array ?? []).enumerated().map { place, entry in
                guard let key = entry["key"]?.string, let url = entry["url"]?.string else {
                    throw Self.bad("authorities[\(place)]: key and url are wanted")
                }
                return Member(key: try PublicKey(key), url: url)
            }
            let admitted = try json["admitted"]?.array?.enumerated().map { place, entry in
                guard let key = entry.string else { throw Self.bad("admitted[\(place)]: a key is wanted") }
                return try PublicKey(key)
            }
            try self.init(parameters: parameters, authorities: authorities, admitted: admitted)
        } catch {
            throw MixnetFailure.wrapping(error)
        }
    }

    package var json: JSON {
        .object([
            "name": .string(parameters.name), "kind": .string(parameters.kind.description),
            "suite": .string(parameters.suite.description), "epoch": .string(parameters.epochLength.description),
            "layers": .integer(Int64(parameters.layers)), "mean_delay": .string(parameters.meanDelay.description),
            "payload_interval": .string(parameters.payloadInterval.description),
            "loop_interval": .string(parameters.loopInterval.description),
            "mix_loop_interval": .string(parameters.mixLoopInterval.description),
            "authorities": .array(
                authorities.map { .object(["key": .string($0.key.description), "url": .string($0.url)]) }),
            "admitted": admitted.map { .array($0.map { .string($0.description) }) },
        ])
    }
}

extension NetworkParameters.Kind: CustomStringConvertible {
    package var description: String { self == .live ? "live" : "test" }
}
