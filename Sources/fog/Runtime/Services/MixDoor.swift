internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogHTTP
internal import FogMixnet
internal import FogNet
internal import Logging
internal import ServiceLifecycle

/// The coordinator's door into a mixnet: a node of the role `service`, and behind it the program that answers, to the same
/// router as every other door.
struct MixDoor: Service {
    struct Options: Sendable {
        /// The network's file.
        var network: String
        var host = "127.0.0.1"
        var port = 0
        /// Where the network's nodes reach it, HOST:PORT; nil = as it listens.
        var announce: String?
    }

    /// What clients are told: the node, and the key that requests are sealed to.
    var address: MixServiceAddress { service.address }
    let isTest: Bool

    let member: MixMember
    private let lock: FolderLock
    private let service: MixService
    private let ways: [HTTPCarrier]
    let logger: Logger
    private static let secretLimit = 256

    /// Opens its keys and listens; nothing is answered before ``run()``.
    /// - Throws: `locked`, `bad_network_file`, `bad_key`, and what the system says of the address.
    static func open(
        _ options: Options, folder: String, to endpoint: any CarrierEndpoint, logger: Logger
    ) async throws -> MixDoor {
        let lock = try FolderLock(folder, for: "mix service")
        let file = try DirectoryPlaces.network(options.network)
        let kept = MixnodeFolder(folder)
        let trust = try DirectoryTrust(
            parameters: file.parameters, authorities: file.authorities.map(\.key), before: try kept.consensus())
        let store = try MixKeyStore(folder: folder)
        let linkKey = NoiseKey.generate()
        var nodeOptions = MixNode.Options()
        (nodeOptions.host, nodeOptions.port) = (options.host, options.port)
        nodeOptions.threads = 1
        nodeOptions.serviceKey = linkKey.publicKey
        var profile = MixMembership.Profile(address: options.announce ?? "\(options.host):0")
        profile.role = .service
        let ways = try DirectoryPlaces.carriers(file).map(\.carrier)
        let member = try await MixMember.start(
            nodeOptions, profile: profile, store: store,
            membership: MixMembership(parameters: file.parameters, trust: trust, descriptor: try kept.descriptor()),
            client: DirectoryClient(ways), keeping: kept.keeping
        ) { DirectoryNode.tell($0, logger) }
        let service = try MixService(
            node: store.identity.publicKey, secret: try secret("\(folder)/service.key"), linkKey: linkKey,
            over: MemberNetwork(member: member), to: endpoint)
        return MixDoor(
            isTest: file.parameters.kind == .test, lock: lock, member: member, service: service, ways: ways,
            logger: logger)
    }

    private init(
        isTest: Bool, lock: FolderLock, member: MixMember, service: MixService, ways: [HTTPCarrier], logger: Logger
    ) {
        self.isTest = isTest
        self.lock = lock
        self.member = member
        self.service = service
        self.ways = ways
        self.logger = logger
    }

    /// The lasting key, made when there is none: 64 hexadecimal digits in a file of mode 0600.
    private static func secret(_ path: String) throws -> [UInt8] {
        if let bytes = try Disk.readSmall(path) {
            let text = String(decoding: bytes.prefix(secretLimit), as: UTF8.self).filter { $0 != "\n" }
            guard let secret = Hex.decode(text), secret.count == MixKey.byteCount else {
                throw CommandLineFailure("bad_key", "\(path) must hold 64 hexadecimal digits", status: .badData)
            }
            return secret
        }
        let secret = SecureRandom.bytes(MixKey.byteCount)
        try Disk.write(Array((Hex.encode(secret) + "\n").utf8), to: path, mode: 0o600)
        return secret
    }

    func run() async throws {
        await service.start()
        let ended = await cancelWhenGracefulShutdown { () -> Result<Void, any Error> in
            do {
                try await member.run()
                return .success(())
            } catch is CancellationError {
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        logger.debug("The mix service ends.")
        await service.shutDown()
        try? await member.drain(limit: .seconds(1))
        for way in ways { await way.shutDown() }
        withExtendedLifetime(lock) {}
        try ended.get()
    }

    /// Says where clients find it.
    func announce(_ session: Session) {
        if isTest { session.console.warn("NO ANONYMITY: this is a test network") }
        session.console.print(
            session.mode == .json
                ? JSON.object(["state": .string("mix"), "service": .string(address.description)]).compact
                : "mix \(address)")
    }
}

/// The network that a service goes by is its node's.
private struct MemberNetwork: MixNetworkSource {
    let member: MixMember

    func consensus(at now: Timestamp) async throws(MixnetFailure) -> Consensus {
        try await member.membership.trust.current(at: now)
    }
}

/// What a coordinator is told of its door into a mixnet.
struct MixDoorOptions: ParsableArguments {
    @Option(help: "Answer through the mixnet of this network file as well.", completion: .file())
    var mix: String?

    @Option(help: "With --mix: where its node listens, HOST:PORT; port 0 for any that is free.")
    var mixListen = "127.0.0.1:0"

    @Option(help: "With --mix: where the network's nodes reach it, HOST:PORT; default as it listens.")
    var mixAnnounce: String?

    var door: MixDoor.Options? {
        get throws {
            guard let mix else { return nil }
            let address = try ServiceRun.address(mixListen)
            if let mixAnnounce { _ = try ServiceRun.address(mixAnnounce) }
            return MixDoor.Options(
                network: Disk.absolute(mix), host: address.host, port: address.port, announce: mixAnnounce)
        }
    }
}
