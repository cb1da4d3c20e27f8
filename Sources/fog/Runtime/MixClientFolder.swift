internal import FogCommandLine
internal import FogCore
internal import FogMixnet
import Foundation

/// What a client keeps of one network: the consensus, the guards, the circuits, and what is known of the mixes.
///
/// Several commands may run at once: files are replaced whole, and one that another command has removed is none.
struct MixClientFolder: Sendable {
    private static let circuitsLimit = 64
    /// How long a circuit that is over is still told of.
    private static let circuitsMemory = TimeSpan.hours(1)

    private let folder: String

    /// - Parameter state: the folder under which a folder of each network is.
    init(of network: Digest, in state: String) {
        folder = "\(Self.all(in: state))/\(Hex.encode(network.bytes.prefix(8)))"
    }

    private init(_ folder: String) { self.folder = folder }

    private static func all(in state: String) -> String { "\(state)/mixnet" }

    /// The networks that this client has been in, by their folders' names.
    static func known(in state: String) -> [MixClientFolder] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: all(in: state))) ?? []
        return names.sorted().map { MixClientFolder("\(all(in: state))/\($0)") }
    }

    // MARK: - The consensus

    func consensus() throws -> [SignedConsensus] {
        try epochs().compactMap { epoch in
            let bytes = try? Data(contentsOf: URL(filePath: "\(folder)/consensus/\(epoch)"))
            return try bytes.map { try SignedConsensus(bytes: Array($0)) }
        }
    }

    func keep(_ documents: [UInt64: SignedConsensus]) throws {
        try Disk.makeFolder("\(folder)/consensus", mode: 0o700)
        let there = epochs()
        for (epoch, signed) in documents where !there.contains(epoch) {
            try Disk.write(signed.bytes, to: "\(folder)/consensus/\(epoch)")
        }
        // Never one that is newer than what this command knows.
        let oldest = documents.keys.min() ?? 0
        for epoch in there where epoch < oldest {
            try? FileManager.default.removeItem(atPath: "\(folder)/consensus/\(epoch)")
        }
    }

    private func epochs() -> [UInt64] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/consensus")) ?? []).compactMap { UInt64($0) }
            .sorted()
    }

    // MARK: - Guards, circuits, reputation

    func guards() throws -> GuardSet { try read("guards.json") { try GuardSet(json: $0) } ?? GuardSet() }

    func keep(_ guards: GuardSet) throws { try write(guards.json, "guards.json") }

    /// - Throws: `bad_circuits`.
    func circuits() throws -> [Circuit] {
        try read("circuits.json") { document in
            try (document["circuits"]?.array ?? []).map { try Circuit(json: $0) }
        } ?? []
    }

    /// Keeps circuits beside those that other commands have.
    func keep(_ circuits: [Circuit], at now: Timestamp) throws {
        var all = Dictionary(try self.circuits().map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for circuit in circuits where (all[circuit.id]?.packets ?? 0) <= circuit.packets { all[circuit.id] = circuit }
        let recent = all.values.filter { $0.closesAt + Self.circuitsMemory > now }
            .sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
        try write(.object(["circuits": .array(recent.suffix(Self.circuitsLimit).map(\.json))]), "circuits.json")
    }

    /// - Throws: `bad_reputation`.
    func reputation() throws -> MixReputation {
        try read("reputation.json") { try MixReputation(json: $0) } ?? MixReputation()
    }

    /// Keeps what is known of mixes beside what other commands found.
    func keep(_ reputation: MixReputation) throws {
        var all = try self.reputation()
        all.merge(reputation)
        try write(all.json, "reputation.json")
    }

    private func read<Value>(_ name: String, _ value: (JSON) throws -> Value) throws -> Value? {
        try Disk.readSmall("\(folder)/\(name)").map { try value(JSON(parsing: $0)) }
    }

    private func write(_ document: JSON, _ name: String) throws {
        try Disk.makeFolder(folder, mode: 0o700)
        try Disk.write(Array((document.pretty + "\n").utf8), to: "\(folder)/\(name)", mode: 0o600)
    }
}
