package import FogCore

/// A coordinator as this user knows it: where it is, which key it must have, and who one is there.
package struct FogContext: Sendable, Hashable {
    package var name: String
    package var server: String
    package var coordinator: PublicKey
    package var identityFile: String
    /// The connection is good only under a certificate that the coordinator's own key signed.
    package var isPinned: Bool
    /// The way through a mixnet: then there is no other, and nothing goes to the server's address.
    package var mix: MixWay?

    /// A service of a mixnet, and how to reach it.
    package struct MixWay: Sendable, Hashable {
        /// The network's file.
        package var network: String
        /// NODE/KEY, as the coordinator printed it.
        package var service: String
        /// private, confidential or secret.
        package var level: String
        /// One route for all packets of a circuit, instead of one for each.
        package var isPinned: Bool

        package init(network: String, service: String, level: String, isPinned: Bool = false) {
            self.network = network
            self.service = service
            self.level = level
            self.isPinned = isPinned
        }

        var json: JSON {
            .object([
                "network": .string(network), "service": .string(service), "level": .string(level),
                "pinned": isPinned ? .bool(true) : nil,
            ])
        }
    }

    package init(
        name: String, server: String, coordinator: PublicKey, identityFile: String, isPinned: Bool = false,
        mix: MixWay? = nil
    ) {
        self.mix = mix
        self.isPinned = isPinned
        self.name = name
        self.server = server
        self.coordinator = coordinator
        self.identityFile = identityFile
    }

    package var json: JSON {
        .object([
            "name": .string(name), "server": .string(server), "coordinator": .string(coordinator.description),
            "identity_file": .string(identityFile), "tls": isPinned ? .string("pinned") : nil,
            "mix": mix?.json,
        ])
    }
}

/// The coordinators that were joined, and which of them is meant when none is named.
package struct ContextsFile: Sendable, Hashable {
    package static let maxContexts = 256

    package private(set) var contexts: [FogContext] = []
    package private(set) var current: String?

    package init() {}

    package subscript(_ name: String) -> FogContext? { contexts.first { $0.name == name } }
    package var currentContext: FogContext? { current.flatMap { self[$0] } }

    /// Adds a context or replaces the one of its name. The first one is also the current.
    package mutating func put(_ context: FogContext, makeCurrent: Bool) throws {
        guard Self.isName(context.name) else {
            throw CommandLineFailure(
                "bad_name", "a context's name has 1 to 63 of a-z, 0-9 and -, found `\(context.name.prefix(80))`",
                status: .usage)
        }
        if let place = contexts.firstIndex(where: { $0.name == context.name }) {
            contexts[place] = context
        } else {
            guard contexts.count < Self.maxContexts else {
                throw CommandLineFailure("too_many", "there are \(Self.maxContexts) contexts already")
            }
            contexts.append(context)
        }
        if makeCurrent || current == nil { current = context.name }
    }

    /// - Throws: `unknown_context` with the nearest name.
    package mutating func use(_ name: String) throws {
        current = try require(name).name
    }

    /// - Throws: `unknown_context` with the nearest name.
    package mutating func remove(_ name: String) throws {
        let gone = try require(name).name
        contexts.removeAll { $0.name == gone }
        if current == gone { current = nil }
    }

    package func require(_ name: String) throws -> FogContext {
        if let context = self[name] { return context }
        let near = nearest(to: name, among: contexts.map(\.name)).map { "did you mean `\($0)`?" }
        let known =
            contexts.isEmpty
            ? "there is none yet: fog join TOKEN" : "known: \(contexts.map(\.name).joined(separator: ", "))"
        throw CommandLineFailure(
            "unknown_context", "there is no context `\(name)`", help: near ?? known, status: .usage)
    }

    package static func isName(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d }
    }

    /// What a coordinator calls itself, as a context's name that no other coordinator has.
    package func freeName(for wanted: String, coordinator: PublicKey) -> String {
        let letters = wanted.lowercased().map { character -> Character in
            Self.isName(String(character)) ? character : "-"
        }
        let stem = String(String(letters).drop { $0 == "-" }.prefix(56))
        let base = stem.isEmpty ? "fog" : stem
        var name = base
        var number = 2
        while let taken = self[name], taken.coordinator != coordinator {
            name = "\(base)-\(number)"
            number += 1
        }
        return name
    }

    // MARK: The file

    /// What the file holds; nothing when there is none.
    /// - Throws: `bad_contexts` with what is wrong.
    package static func load(_ path: String) throws -> ContextsFile {
        guard let bytes = try Disk.readSmall(path) else { return ContextsFile() }
        do {
            return try ContextsFile(json: JSON(parsing: bytes))
        } catch let failure as CoreFailure {
            throw CommandLineFailure("bad_contexts", "\(path): \(failure.message)")
        }
    }

    package func save(_ path: String) throws {
        if let slash = path.lastIndex(of: "/") { try Disk.makeFolder(String(path[..<slash]), mode: 0o700) }
        try Disk.write(Array((json.pretty + "\n").utf8), to: path, mode: 0o600)
    }

    package var json: JSON {
        .object(["current": current.map(JSON.string), "contexts": .array(contexts.map(\.json))])
    }

    package init(json: JSON) throws {
        for (index, element) in (json["contexts"]?.array ?? []).enumerated() {
            func text(_ name: String) throws -> String {
                guard let text = element[name]?.string else {
                    throw CoreFailure("bad_contexts", "contexts[\(index)].\(name) must be text")
                }
                return text
            }
            // A way that does not read is no reason to take the open one.
            let mix = try element["mix"].map { way in
                guard let network = way["network"]?.string, let service = way["service"]?.string,
                    let level = way["level"]?.string
                else {
                    throw CoreFailure("bad_contexts", "contexts[\(index)].mix has network, service and level, as text")
                }
                return FogContext.MixWay(
                    network: network, service: service, level: level, isPinned: way["pinned"] == .bool(true))
            }
            let context = FogContext(
                name: try text("name"), server: try text("server"), coordinator: try PublicKey(text("coordinator")),
                identityFile: try text("identity_file"), isPinned: element["tls"]?.string == "pinned", mix: mix)
            try put(context, makeCurrent: false)
        }
        current = json["current"]?.string.flatMap { self[$0]?.name }
    }
}
