internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogMixnet
import Foundation
internal import ServiceLifecycle

/// A test network of processes on loopback: its file, its keys, and how each of its parties is started.
struct DevNetwork {
    let folder: String
    /// What clients are given.
    let file: String
    let document: NetworkFile
    let mixes: Int
    private let loss: Double
    private let environment: [String: String]

    /// Makes the files of a new network in place of what was in the folder.
    init(
        folder: String, parameters: NetworkParameters, mixes: Int, authorities: Int, loss: Double,
        environment: [String: String]
    ) throws {
        self.folder = folder
        self.mixes = mixes
        self.loss = loss
        file = "\(folder)/network.json"
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name != "lock" {
            try FileManager.default.removeItem(atPath: "\(folder)/\(name)")
        }
        try Disk.makeFolder("\(folder)/logs")
        let keys = try (0..<authorities).map { number in
            let place = "\(folder)/authority-\(number)"
            try Disk.makeFolder(place, mode: 0o700)
            return try KeyFile.readOrCreate(DirectoryPlaces.keyFile(place)).key.publicKey
        }
        let members = zip(keys, try Self.freePorts(authorities)).map {
            NetworkFile.Member(key: $0, url: "http://127.0.0.1:\($1)")
        }
        document = try NetworkFile(parameters: parameters, authorities: members)
        try Disk.write(Array((document.json.pretty + "\n").utf8), to: file)
        // A manager is told of this process alone.
        self.environment = environment.filter { $0.key != "NOTIFY_SOCKET" && $0.key != "WATCHDOG_USEC" }
    }

    /// Ports that nobody listens on now. Authorities have to be named before they are there.
    private static func freePorts(_ count: Int) throws -> [UInt16] {
        var sockets: [Int32] = []
        defer { for descriptor in sockets { close(descriptor) } }
        return try (0..<count).map { _ in
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            sockets.append(descriptor)
            var place = sockaddr_in()
            place.sin_family = sa_family_t(AF_INET)
            place.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let isBound = withUnsafeMutablePointer(to: &place) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
                }
            }
            guard descriptor >= 0, isBound else {
                throw CommandLineFailure("no_port", "no free port on 127.0.0.1: \(Disk.words())")
            }
            return UInt16(bigEndian: place.sin_port)
        }
    }

    // MARK: - Its parties

    func startAuthority(_ number: Int) throws -> KeptProcess {
        try start("authority-\(number)", ["directory", "run", file, "--state", "\(folder)/authority-\(number)"])
    }

    func startMix(_ number: Int) throws -> KeptProcess {
        try start(
            "mix-\(number)",
            [
                "mixnode", "run", "--directory", file, "--listen", "127.0.0.1:0", "--threads", "1", "--state",
                "\(folder)/mix-\(number)", "--lose", "\(loss)",
            ])
    }

    private func start(_ name: String, _ arguments: [String]) throws -> KeptProcess {
        try KeptProcess(
            name, arguments + ["--end-with-input"], environment: environment, log: "\(folder)/logs/\(name).log")
    }
}

/// The processes of a test network, as long as this one lives.
struct DevNetworkHost: Service {
    let network: DevNetwork
    let console: Console
    let onReady: @Sendable () -> Void

    /// Of epochs, from the start until the network is there.
    private static let patienceEpochs: Int64 = 30
    private static let look = TimeSpan.milliseconds(250)

    func run() async throws {
        var processes: [KeptProcess] = []
        let result: Result<Void, any Error>
        do {
            for number in network.document.authorities.indices { processes.append(try network.startAuthority(number)) }
            for number in 0..<network.mixes { processes.append(try network.startMix(number)) }
            try await cancelWhenGracefulShutdown { [processes] in try await tend(processes) }
            result = .success(())
        } catch is CancellationError {
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await KeptProcess.stop(processes)
        try result.get()
    }

    private func tend(_ processes: [KeptProcess]) async throws {
        for process in processes { _ = try await process.line(beginning: "ready ") }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for process in processes {
                group.addTask {
                    if let end = await process.end(), !Task.isCancelled {
                        console.warn("\(process.name) has ended: \(end); the network goes on without it")
                    }
                }
            }
            try await waitForNetwork()
            onReady()
            try await group.waitForAll()
        }
    }

    /// Until a consensus that holds now names all mixes.
    private func waitForNetwork() async throws {
        let ways = try DirectoryPlaces.carriers(network.document).map(\.carrier)
        let result: Result<Void, any Error>
        do {
            result = .success(try await wait(for: DirectoryClient(ways)))
        } catch {
            result = .failure(error)
        }
        for way in ways { await way.shutDown() }
        try result.get()
    }

    private func wait(for client: DirectoryClient) async throws {
        let clock = SystemClock()
        let length = network.document.parameters.epochLength
        let deadline = clock.now + length * Self.patienceEpochs
        var trust = try DirectoryTrust(
            parameters: network.document.parameters, authorities: network.document.authorities.map(\.key))
        while clock.now < deadline {
            trust = (try? await client.refreshed(trust, at: clock.now)) ?? trust
            let named = try? trust.current(at: clock.now).nodes.count
            if let named, named >= network.mixes { return }
            try await Task.sleep(for: Self.look.duration)
        }
        throw CommandLineFailure(
            "not_started", "no consensus named all \(network.mixes) mixes within \(Self.patienceEpochs) epochs",
            help: "a longer --epoch, if this machine is busy; logs: \(network.folder)/logs")
    }
}
