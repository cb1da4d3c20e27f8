internal import FogAPI
internal import FogCommandLine
internal import FogCoordinator
internal import FogCore
internal import FogHTTP
internal import FogJobs
internal import FogLedger
internal import FogStore
internal import Logging
internal import ServiceLifecycle
internal import Synchronization

/// A coordinator with its store, its content and its HTTP door, ready to be run.
struct CoordinatorHost: Sendable {
    let coordinator: Coordinator
    let server: HTTPServer
    let folder: String
    let key: SigningKey
    let notifier: Notifier?
    /// Into a mixnet, when it has one.
    let mixDoor: MixDoor?
    /// To witnesses, when there are some.
    let witnesses: WitnessDoor?

    /// In the order in which they rest on each other.
    var services: [any Service] {
        (notifier.map { [$0] } ?? []) + [coordinator, server] + mixServices + (witnesses.map { [$0] } ?? [])
    }

    private var mixServices: [any Service] {
        guard let mixDoor else { return [] }
        let watch = MixWatch(
            member: mixDoor.member, coordinator: coordinator, clock: SystemClock(), logger: mixDoor.logger)
        return [mixDoor, watch]
    }

    struct Options: Sendable {
        var folder: String
        var name: String
        var address: HTTPServer.Address
        /// How others reach it; nil = by the address.
        var url: String?
        /// TLS under a certificate that the coordinator's own key signs.
        var servesTLS = false
        var rules = CoordinatorConfiguration()
        /// A folder of packages that newcomers may fetch; nil = none.
        var installFolder: String?
        /// The operator's hook.
        var notices: Notifier.Configuration?
        /// A second door, into a mixnet.
        var mixDoor: MixDoor.Options?
        /// Who cosigns its checkpoints.
        var witnesses: [WitnessDoor.Place] = []
    }

    /// Opens everything; nothing is served before ``server`` runs.
    /// - Parameter onBound: called with the URL when connections are accepted.
    static func open(
        _ options: Options, logger: Logger, onBound: @escaping @Sendable (String) async -> Void
    ) async throws -> CoordinatorHost {
        try Disk.makeFolder(options.folder, mode: 0o700)
        let (key, _) = try KeyFile.readOrCreate("\(options.folder)/coordinator.key")
        let store = try SQLiteStore(path: "\(options.folder)/fog.db")
        let content = ContentStore(
            store: store, blobs: try BlobFiles(folder: "\(options.folder)/content"),
            logs: try LogFiles(folder: "\(options.folder)/logs"),
            secrets: try SecretFiles(folder: "\(options.folder)/secrets"))
        let clock = SystemClock()
        let coordinator = try await Coordinator.open(
            store: store, content: content, key: key, rules: options.rules, clock: clock, logger: logger,
            space: { [folder = options.folder] in DiskSpace(of: folder) })
        let notifier = options.notices.map { Notifier($0, store: store, logger: logger) }
        if let notifier { await coordinator.attach(notifier) }
        let host = options.address.host
        let authentication = Authentication(
            key: key, window: try Self.window(in: options.folder, at: clock.now), clock: clock,
            openRequests: options.rules.openRequestsPerKey,
            find: { [directory = coordinator.directory] in directory.find($0) })
        let (fixed, bound) = (options.url, BoundAddress())
        let routes = Routes(
            coordinator: coordinator, authentication: authentication,
            joining: Joining(isPinned: options.servesTLS) { fixed ?? bound.url },
            name: options.name,
            version: FogVersion.current,
            installFiles: try options.installFolder.map { try InstallFiles(folder: $0) }, clock: clock, logger: logger)
        let server = HTTPServer(
            endpoint: routes, streams: routes, address: options.address,
            identity: try options.servesTLS ? Self.identity(of: key, options) : nil, logger: logger,
            onBound: { [servesTLS = options.servesTLS] port in
                let place = ReachableNames.isWildcard(host) ? ReachableNames.addresses().first ?? host : host
                bound.url = "\(servesTLS ? "https" : "http")://\(ReachableNames.inURL(place)):\(port)"
                await onBound(bound.url)
            })
        var mixDoor: MixDoor?
        if let door = options.mixDoor {
            mixDoor = try await MixDoor.open(door, folder: "\(options.folder)/mix", to: routes, logger: logger)
        }
        let witnesses = WitnessDoor(
            places: options.witnesses, coordinator: coordinator, file: "\(options.folder)/cosigned.checkpoint",
            logger: logger)
        return CoordinatorHost(
            coordinator: coordinator, server: server, folder: options.folder, key: key, notifier: notifier,
            mixDoor: mixDoor, witnesses: options.witnesses.isEmpty ? nil : witnesses)
    }

    /// Remembers requests. What was signed by a clock ahead of ours and admitted before a restart is known by a mark in a
    /// file; one that lies further ahead than any request may is a mark of a clock that was set back since.
    private static func window(in folder: String, at now: Timestamp) throws -> NonceWindow {
        let path = "\(folder)/admitted-through"
        let mark = try Disk.readSmall(path).flatMap { try? Timestamp(String(decoding: $0, as: UTF8.self)) } ?? .zero
        let furthest = now + RequestVerifier.Limits.direct.skewAhead
        return NonceWindow(start: now, admittedBefore: min(mark, furthest)) { mark in
            (try? Disk.write(Array(mark.description.utf8), to: path, mode: 0o600)) != nil
        }
    }

    /// The certificate for connections, and the file of the one that vouches for it.
    private static func identity(of key: SigningKey, _ options: Options) throws -> ServerIdentity {
        let root = CoordinatorCertificate.root(signedBy: key)
        try Disk.write(Array(CoordinatorCertificate.pem(root).utf8), to: "\(options.folder)/coordinator.crt")
        var names = ["localhost", "127.0.0.1"] + ReachableNames.addresses()
        if let name = ReachableNames.hostName { names.append(name) }
        if !ReachableNames.isWildcard(options.address.host) { names.append(options.address.host) }
        if let authority = options.url?.split(separator: "/").dropFirst().first {
            names.append(String(authority.prefix { $0 != ":" }))
        }
        return ServerIdentity(of: key, names: names)
    }

    /// Enrols the operator's own key as admin; gives it credits once, when it is new.
    func enrolOperator(_ key: SigningKey, name: String, credits: Credits) async throws -> Principal {
        // A key that was revoked or suspended stays so: a start of the coordinator does not bring it back.
        if let known = await coordinator.known(key.publicKey.id) { return known }
        let roles: Set<Role> = [.admin, .client, .auditor]
        let principal = try await coordinator.enrol(key, name: name, roles: roles, account: nil)
        if credits > .zero {
            _ = try await coordinator.grant(
                credits, to: principal.account, reason: "first start of the coordinator", by: principal,
                authorisation: try await coordinator.statement("first credits", by: key))
        }
        return principal
    }
}

/// Where the server listens, known when it does.
private final class BoundAddress: Sendable {
    private let text = Mutex("")
    var url: String {
        get { text.withLock { $0 } }
        set { text.withLock { $0 = newValue } }
    }
}

/// The version of this build.
enum FogVersion {
    static let current = "0.1.0"
}
