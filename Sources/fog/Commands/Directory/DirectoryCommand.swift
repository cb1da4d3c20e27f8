internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogMixnet
internal import FogNet

/// `fog directory`: who says which nodes a network has.
struct DirectoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "directory", "Say, and see, which nodes the network of private jobs has.",
        examples: ["fog directory key", "fog directory run network.json", "fog directory show network.json"],
        subcommands: [DirectoryKey.self, DirectoryRun.self, DirectoryShow.self])
}

/// What directory commands share.
enum DirectoryPlaces {
    static func keyFile(_ folder: String) -> String { "\(folder)/authority.key" }
    static func folder(_ chosen: String?, _ session: Session) -> String {
        chosen.map { Disk.absolute($0) } ?? "\(session.folders.state)/directory"
    }

    /// - Throws: `bad_network_file`.
    static func network(_ path: String) throws -> NetworkFile {
        guard let bytes = try Disk.readSmall(path) else {
            throw CommandLineFailure(
                "no_such_file", "there is no \(path)", help: "all parties of a network are given its file",
                status: .usage)
        }
        do {
            return try NetworkFile(json: JSON(parsing: bytes))
        } catch let failure as any CodedFailure {
            throw CommandLineFailure("bad_network_file", "\(path): \(failure.message)", status: .badData)
        }
    }

    /// Ways to the authorities. What they say is signed, so plain HTTP takes nothing away.
    /// - Parameter own: the authority that asks, to which there is none.
    static func carriers(
        _ network: NetworkFile, but own: PublicKey? = nil
    ) throws -> [(key: PublicKey, carrier: HTTPCarrier)] {
        var options = HTTPCarrier.Options()
        options.allowsPlaintext = true
        return try network.authorities.filter { $0.key != own }.map {
            ($0.key, try HTTPCarrier($0.url, options: options))
        }
    }

    /// The newest consensus that some authority has, checked.
    static func signed(_ network: NetworkFile, at now: Timestamp) async throws -> SignedConsensus {
        let ways = try carriers(network)
        let result: Result<DirectoryTrust, any Error>
        do {
            let trust = try DirectoryTrust(parameters: network.parameters, authorities: network.authorities.map(\.key))
            result = .success(try await DirectoryClient(ways.map(\.carrier)).refreshed(trust, at: now))
        } catch {
            result = .failure(error)
        }
        for way in ways { await way.carrier.shutDown() }
        let trust = try result.get()
        guard let signed = trust.accepted else { throw MixnetFailure("no_directory", "no authority has a consensus") }
        // One that is to come is what the network will be; one that is over is nothing.
        if signed.consensus.epoch <= trust.schedule.epoch(at: now) { _ = try trust.current(at: now) }
        return signed
    }

    static func consensus(_ network: NetworkFile, at now: Timestamp) async throws -> Consensus {
        try await signed(network, at: now).consensus
    }
}

/// `fog directory key`
struct DirectoryKey: SessionCommand {
    static let configuration = CommandConfiguration(
        "key", "Print this authority's public key, which is made when there is none.",
        examples: ["fog directory key"],
        more: "The key goes into the network's file, with those of the other authorities.")

    @Option(help: "The authority's folder; default in the state folder.")
    var state: String?

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws {
        let folder = DirectoryPlaces.folder(state, session)
        try Disk.makeFolder(folder, mode: 0o700)
        let (key, isNew) = try KeyFile.readOrCreate(DirectoryPlaces.keyFile(folder))
        if isNew { session.console.note("made a key: \(DirectoryPlaces.keyFile(folder))") }
        session.console.print(
            session.mode == .json
                ? JSON.object(["key": .string(key.publicKey.description)]).compact : key.publicKey.description)
    }
}

/// `fog directory show`
struct DirectoryShow: SessionCommand {
    static let configuration = CommandConfiguration(
        "show", "Fetch the consensus, check it, and show the network.",
        examples: ["fog directory show network.json", "fog directory show network.json -o json"])

    @Argument(help: "The network's file.")
    var network: String

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws {
        let file = try DirectoryPlaces.network(network)
        let signed = try await DirectoryPlaces.signed(file, at: session.now)
        let current = signed.consensus
        switch session.mode {
        case .json: session.console.print(Self.document(signed).compact)
        case .quiet: session.console.print(current.digest.description)
        case .table:
            if current.parameters.kind == .test { session.console.note("NO ANONYMITY: this is a test network") }
            session.console.note(
                "\(current.parameters.name), epoch \(current.epoch), \(signed.signatures.count) of "
                    + "\(file.authorities.count) authorities, \(current.digest)")
            session.console.print(Self.table(current))
        }
    }

    private static func table(_ consensus: Consensus) -> Table {
        var table = Table([
            .init("NODE"), .init("ROLE"), .init("LAYER", right: true), .init("FAMILY", yields: true),
            .init("PACKETS/S", right: true), .init("DELAYS"), .init("ADDRESS", yields: true),
        ])
        for node in consensus.nodes {
            table.add([
                Table.Cell(node.descriptor.identity.id.description), "\(node.descriptor.role)",
                Table.Cell(node.layer.map { "\($0)" } ?? ""), Table.Cell(node.descriptor.family),
                "\(node.bandwidth)", node.hasProvedDelays ? "proved" : "", Table.Cell(node.descriptor.addresses[0]),
            ])
        }
        return table
    }

    private static func document(_ signed: SignedConsensus) -> JSON {
        let consensus = signed.consensus
        return .object([
            "network": .string(consensus.parameters.name), "kind": .string(consensus.parameters.kind.description),
            "epoch": .integer(Int64(consensus.epoch)), "digest": .string(consensus.digest.description),
            "random": .string(consensus.random.description),
            "signatures": .array(signed.signatures.map { .string($0.authority.description) }),
            "nodes": .array(
                consensus.nodes.map { node in
                    .object([
                        "key": .string(node.descriptor.identity.description),
                        "role": .string("\(node.descriptor.role)"), "layer": node.layer.map { .integer(Int64($0)) },
                        "family": .string(node.descriptor.family),
                        "packets_per_second": .integer(Int64(node.bandwidth)),
                        "has_proved_delays": .bool(node.hasProvedDelays),
                        "addresses": .array(node.descriptor.addresses.map { .string($0) }),
                    ])
                }),
        ])
    }
}
