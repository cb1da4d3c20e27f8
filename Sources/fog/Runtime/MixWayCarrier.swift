internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogMixnet
internal import FogNet
import Foundation

/// A command's way to its coordinator through a mixnet, with what is kept of the network between commands: the consensus,
/// so that none goes back, and the guards, so that no command draws others.
struct MixWayCarrier: Sendable {
    let carrier: MixCarrier
    let isTest: Bool
    private let ways: [HTTPCarrier]

    /// - Parameter state: the folder under which a folder of each network is.
    /// - Throws: `bad_network_file`, `bad_service`, `bad_level`, `bad_guards`, and what a kept consensus is refused for.
    init(_ way: FogContext.MixWay, state: String) throws {
        let file = try DirectoryPlaces.network(way.network)
        let service = try MixServiceAddress(way.service)
        guard let level = RouteLevel(way.level), level != .open else {
            throw CommandLineFailure(
                "bad_level", "a level is private, confidential or secret, found `\(way.level.prefix(40))`",
                status: .usage)
        }
        let folder = MixClientFolder("\(state)/mixnet/\(Hex.encode(file.parameters.networkID.bytes.prefix(8)))")
        let trust = try DirectoryTrust(
            parameters: file.parameters, authorities: file.authorities.map(\.key), before: try folder.consensus())
        ways = try DirectoryPlaces.carriers(file).map(\.carrier)
        let follower = DirectoryFollower(trust, DirectoryClient(ways)) { try folder.keep($0) }
        var options = MixCarrier.Options()
        options.level = level
        options.guards = try folder.guards()
        options.keepingGuards = { try folder.keep($0) }
        carrier = try MixCarrier(to: service, over: follower, options: options)
        isTest = file.parameters.kind == .test
    }

    func shutDown() async {
        await carrier.shutDown()
        for way in ways { await way.shutDown() }
    }
}

/// What a client keeps of one network. Several commands may run at once: files are replaced whole, and one that another
/// command has removed is none.
private struct MixClientFolder: Sendable {
    private let folder: String

    init(_ folder: String) { self.folder = folder }

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

    func guards() throws -> GuardSet {
        try Disk.readSmall("\(folder)/guards.json").map { try GuardSet(json: JSON(parsing: $0)) } ?? GuardSet()
    }

    func keep(_ guards: GuardSet) throws {
        try Disk.makeFolder(folder, mode: 0o700)
        try Disk.write(Array((guards.json.pretty + "\n").utf8), to: "\(folder)/guards.json", mode: 0o600)
    }
}
