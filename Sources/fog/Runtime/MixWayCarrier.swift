internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogMixnet
internal import FogNet

/// A command's way to its coordinator through a mixnet, with what is kept of the network between commands: the consensus,
/// so that none goes back, and the guards, so that no command draws others.
struct MixWayCarrier: Sendable {
    let carrier: MixCarrier
    let isTest: Bool
    private let ways: [HTTPCarrier]

    /// - Parameters:
    ///   - owner: whose requests they are; those of two share no circuit.
    ///   - state: the folder under which a folder of each network is.
    /// - Throws: `bad_network_file`, `bad_service`, `bad_level`, `bad_guards`, `bad_circuits`, `bad_reputation`, and what a
    ///   kept consensus is refused for.
    init(_ way: FogContext.MixWay, owner: KeyID, state: String) throws {
        let file = try DirectoryPlaces.network(way.network)
        let service = try MixServiceAddress(way.service)
        guard let level = RouteLevel(way.level), level != .open else {
            throw CommandLineFailure(
                "bad_level", "a level is private, confidential or secret, found `\(way.level.prefix(40))`",
                status: .usage)
        }
        let folder = MixClientFolder(of: file.parameters.networkID, in: state)
        let trust = try DirectoryTrust(
            parameters: file.parameters, authorities: file.authorities.map(\.key), before: try folder.consensus())
        ways = try DirectoryPlaces.carriers(file).map(\.carrier)
        let follower = DirectoryFollower(trust, DirectoryClient(ways)) { try folder.keep($0) }
        var options = MixCarrier.Options()
        options.level = level
        options.mode = way.isPinned ? .pinned : .perPacket
        options.owner = owner.description
        options.guards = try folder.guards()
        options.keepingGuards = { try folder.keep($0) }
        options.circuits = try folder.circuits()
        options.keepingCircuits = { try folder.keep($0, at: SystemClock().now) }
        options.reputation = try folder.reputation()
        options.keepingReputation = { try folder.keep($0) }
        carrier = try MixCarrier(to: service, over: follower, options: options)
        isTest = file.parameters.kind == .test
    }

    func shutDown() async {
        await carrier.shutDown()
        for way in ways { await way.shutDown() }
    }
}
