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

    struct Options: Sendable {
        var folder: String
        var name: String
        var address: HTTPServer.Address
        /// How others reach it; nil = by the address.
        var url: String?
        var rules = CoordinatorConfiguration()
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
            logs: try LogFiles(folder: "\(options.folder)/logs"))
        let clock = SystemClock()
        let coordinator = try await Coordinator.open(
            store: store, content: content, key: key, rules: options.rules, clock: clock, logger: logger)
        let host = options.address.host
        let authentication = Authentication(
            key: key, window: NonceWindow(start: clock.now), clock: clock,
            find: { [directory = coordinator.directory] in directory.find($0) })
        let (fixed, bound) = (options.url, BoundAddress())
        let routes = Routes(
            coordinator: coordinator, authentication: authentication, joining: Joining { fixed ?? bound.url },
            name: options.name,
            version: FogVersion.current, clock: clock, logger: logger)
        let server = HTTPServer(
            endpoint: routes, streams: routes, address: options.address, logger: logger,
            onBound: { port in
                bound.url = "http://\(host):\(port)"
                await onBound(bound.url)
            })
        return CoordinatorHost(coordinator: coordinator, server: server, folder: options.folder, key: key)
    }

    /// Enrols the operator's own key as admin; gives it credits once, when it is new.
    func enrolOperator(_ key: PublicKey, name: String, credits: Credits) async throws -> Principal {
        if let known = await coordinator.principal(key.id) { return known }
        let roles: Set<Role> = [.admin, .client, .auditor]
        let principal = try await coordinator.enrol(key: key, name: name, roles: roles, account: nil)
        if credits > .zero {
            _ = try await coordinator.grant(
                credits, to: principal.account, reason: "first start of the coordinator", by: principal)
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
