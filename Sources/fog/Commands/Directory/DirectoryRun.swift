internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogHTTP
internal import FogMixnet
import Glibc
internal import Logging
internal import ServiceLifecycle

/// `fog directory run`
struct DirectoryRun: SessionCommand {
    static let configuration = CommandConfiguration(
        "run", "Run a directory authority in the foreground.",
        examples: ["fog directory run network.json", "fog directory run network.json --listen 127.0.0.1:7101"],
        more: "What it says is signed; it serves plain HTTP on the address that the network's file has for it.")

    @Argument(help: "The network's file, which names all its authorities.")
    var network: String

    @Option(help: "HOST:PORT to listen on; default as in the network's file.")
    var listen: String?

    @Option(help: "The authority's folder; default in the state folder.")
    var state: String?

    @OptionGroup var lifeline: LifelineOptions

    @OptionGroup var log: LogOptions

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws {
        let file = try DirectoryPlaces.network(network)
        let folder = DirectoryPlaces.folder(state, session)
        let key = try KeyFile.read(DirectoryPlaces.keyFile(folder))
        guard let own = file.authorities.first(where: { $0.key == key.publicKey }) else {
            throw CommandLineFailure(
                "unknown_authority", "\(network) does not name this authority, \(key.publicKey)",
                help: "fog directory key prints what belongs there", status: .usage)
        }
        let address = try ServiceRun.address(listen ?? Self.place(own.url))
        let logger = ServiceRun.logger(
            "fog.directory", log, verbose: common.verbose, quietly: session.mode == .quiet)
        let kept = DirectoryFolder(folder)
        var configuration = Authority.Configuration(
            parameters: file.parameters, key: key, authorities: file.authorities.map(\.key))
        configuration.admitted = file.admitted.map { Set($0) }
        let authority = Authority(configuration, restoring: try kept.record(), published: try kept.consensus())
        let ways = try DirectoryPlaces.carriers(file, but: key.publicKey)
        let service = DirectoryService(
            authority, peers: ways.map { .init(key: $0.key, carrier: $0.carrier) }, keeping: kept.keeping
        ) { Self.tell($0, logger) }
        if file.parameters.kind == .test { session.console.note("NO ANONYMITY: this is a test network") }
        let mode = session.mode
        var limits = HTTPServer.Limits()
        limits.bodyBytes = DirectoryMessage.byteLimit
        let server = HTTPServer(
            endpoint: service, address: address, limits: limits, logger: logger,
            onBound: { [console = session.console] port in
                let url = "http://\(address.host):\(port)"
                console.print(
                    mode == .json
                        ? JSON.object(["state": .string("ready"), "server": .string(url)]).compact : "ready \(url)")
            })
        let result: Result<Void, any Error>
        do {
            let services: [any Service] = [server, DirectoryHost(service: service)] + lifeline.services
            result = .success(try await ServiceRun.group(services, logger: logger).run())
        } catch {
            result = .failure(error)
        }
        for way in ways { await way.carrier.shutDown() }
        try result.get()
    }

    /// `HOST:PORT` of a URL.
    private static func place(_ url: String) -> String {
        let parts = url.split(separator: "/", omittingEmptySubsequences: true)
        return String(parts.count > 1 ? parts[1] : parts.first ?? "")
    }

    private static func tell(_ event: DirectoryService.Event, _ logger: Logger) {
        switch event {
        case .published(let signed):
            logger.info(
                "a consensus was agreed on",
                metadata: [
                    "epoch": "\(signed.consensus.epoch)", "digest": "\(signed.consensus.digest)",
                    "nodes": "\(signed.consensus.nodes.count)", "voters": "\(signed.consensus.voters.count)",
                    "signatures": "\(signed.signatures.count)",
                ])
        case .failed(let epoch, let failure):
            logger.warning("nothing was agreed on", metadata: ["epoch": "\(epoch)", "reason": "\(failure)"])
        case .equivocation(let proof):
            logger.error(
                "an authority said two things in one epoch",
                metadata: [
                    "authority": "\(proof.authority)", "kind": "\(proof.first.kind)", "epoch": "\(proof.first.epoch)",
                ])
        case .refused(let failure): logger.debug("a message was refused", metadata: ["reason": "\(failure)"])
        case .unreachable(let peer, let failure):
            logger.debug("an authority does not answer", metadata: ["authority": "\(peer)", "reason": "\(failure)"])
        }
    }
}

/// An authority as a part of the process.
private struct DirectoryHost: Service {
    let service: DirectoryService

    func run() async throws { try await cancelWhenGracefulShutdown { try await service.run() } }
}

/// The files of an authority: its record, the last consensus, and proofs against others.
struct DirectoryFolder: Sendable {
    private let folder: String

    init(_ folder: String) { self.folder = folder }

    func record() throws -> DirectoryRecord? {
        try read("record.bin").map { try DirectoryRecord(bytes: $0) }
    }

    func consensus() throws -> SignedConsensus? {
        try read("consensus.bin").map { try SignedConsensus(bytes: $0) }
    }

    var keeping: DirectoryService.Keeping {
        DirectoryService.Keeping(
            record: { try Disk.write($0.bytes, to: "\(folder)/record.bin", mode: 0o600) },
            consensus: { try Disk.write($0.bytes, to: "\(folder)/consensus.bin") },
            equivocation: { proof in
                try Disk.makeFolder("\(folder)/equivocations")
                let name = "\(proof.first.epoch)-\(proof.first.kind)-\(proof.authority.id)"
                try Disk.write(proof.bytes, to: "\(folder)/equivocations/\(name)")
            })
    }

    private func read(_ name: String) throws -> [UInt8]? {
        let path = "\(folder)/\(name)"
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            guard errno != ENOENT else { return nil }
            throw CommandLineFailure("unreadable", "\(path) cannot be read: \(Disk.words())")
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        try Disk.readPieces(of: descriptor, name: path) { bytes += $0 }
        return bytes
    }
}
