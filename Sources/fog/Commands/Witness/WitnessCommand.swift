internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogHTTP
internal import FogLedger
internal import Logging
internal import ServiceLifecycle

/// `fog witness`: say of others' logs that they only ever grew.
struct WitnessCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "witness", "Cosign others' ledgers: that each only goes on from what was seen before.",
        examples: ["fog witness key w1.example", "fog witness run w1.example --log fog.ledger/…+…+…"],
        subcommands: [WitnessKey.self, WitnessRun.self])
}

/// Where a witness keeps its key and what it saw.
struct WitnessFolder {
    let path: String

    init(_ chosen: String?, _ session: Session) {
        path = chosen.map { Disk.absolute($0) } ?? "\(session.folders.state)/witness"
    }

    func key() throws -> SigningKey {
        try Disk.makeFolder(path, mode: 0o700)
        return try KeyFile.readOrCreate("\(path)/witness.key").key
    }

    private func file(of origin: String) -> String { "\(path)/\(WitnessService.fileName(of: origin)).checkpoint" }

    /// The newest cosigned note of each log.
    func kept(_ logs: [NoteKey]) throws -> [[UInt8]] { try logs.compactMap { try Disk.readSmall(file(of: $0.name)) } }

    /// On the disk when this returns, name and all.
    func keep(_ note: [UInt8], of origin: String) throws {
        try Disk.write(note, to: file(of: origin), mode: 0o600)
        try Disk.sync(folder: path)
    }

    /// One file for each head that was cosigned, so that asking again does not fill the disk.
    func export(_ evidence: WitnessService.Evidence) throws -> String {
        let bytes = Array(evidence.json.compact.utf8) + [0x0a]
        let name = "\(file(of: evidence.origin)).evidence-\(evidence.keptSize).json"
        if !Disk.exists(name) { try Disk.write(bytes, to: name, mode: 0o600) }
        return name
    }
}

/// `fog witness key`
struct WitnessKey: SessionCommand {
    static let configuration = CommandConfiguration(
        "key", "Print the witness's verifier key, made on first use: what --witness of others takes.",
        examples: ["fog witness key w1.example"])

    @Argument(help: "The witness's name, in its signatures: a domain and a path of yours.")
    var name: String

    @Option(help: "The witness's folder; default in the state folder.")
    var state: String?

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws {
        let key = try WitnessFolder(state, session).key()
        let verifier = try NoteKey(name: name, kind: .cosignature, key: key.publicKey)
        session.console.print(
            session.mode == .json ? JSON.object(["key": .string(verifier.description)]).compact : verifier.description)
    }
}

/// `fog witness run`
struct WitnessRun: SessionCommand {
    static let configuration = CommandConfiguration(
        "run", "Run a witness in the foreground (C2SP tlog-witness).",
        examples: [
            "fog witness run w1.example --log fog.ledger/…+…+…",
            "fog witness run w1.example --log fog.ledger/…+…+… --listen 127.0.0.1:8367",
        ],
        more:
            "A coordinator asks it with: fog coordinator run --witness KEY@URL. The log's key is what fog ledger checkpoint shows. What it says is signed, so plain HTTP takes nothing away."
    )

    @Argument(help: "The witness's name, in its signatures: a domain and a path of yours.")
    var name: String

    @Option(help: "The verifier key of a log that it watches; repeat it for more.")
    var log: [String] = []

    @Option(help: "HOST:PORT to listen on; port 0 takes a free one.")
    var listen = "127.0.0.1:8367"

    @Option(help: "The witness's folder; default in the state folder.")
    var state: String?

    @OptionGroup var lifeline: LifelineOptions

    @OptionGroup var logs: LogOptions

    @OptionGroup var common: LocalOptions

    func validate() throws {
        guard !log.isEmpty else { throw ValidationError("--log names the key of a log to watch, found none") }
    }

    func run(_ session: Session) async throws {
        let folder = WitnessFolder(state, session)
        let keys = try log.map { try NoteKey($0) }
        let address = try ServiceRun.address(listen)
        let logger = ServiceRun.logger(
            "fog.witness", logs, verbose: common.verbose, quietly: session.mode == .quiet)
        let key = try folder.key()
        // Two processes on one folder could each cosign another history.
        let lock = try FolderLock(folder.path, for: "witness")
        defer { withExtendedLifetime(lock) {} }
        let witness = try WitnessService(
            name: name, key: key, logs: keys, kept: try folder.kept(keys),
            keep: { try folder.keep($1, of: $0) },
            report: { evidence in
                let file = (try? folder.export(evidence)) ?? "no file, which could not be written"
                logger.error(
                    "a log shows another history",
                    metadata: [
                        "log": "\(evidence.origin)", "found": "\(evidence.words)", "evidence": "\(file)",
                    ])
            })
        let verifier = try witness.verifierKey
        var limits = HTTPServer.Limits()
        limits.bodyBytes = WitnessRequest.maxBytes
        let server = HTTPServer(
            endpoint: witness, address: address, limits: limits, logger: logger,
            onBound: { [console = session.console, mode = session.mode] port in
                let url = "http://\(address.host):\(port)"
                console.print(
                    mode == .json
                        ? JSON.object([
                            "state": .string("ready"), "server": .string(url), "key": .string(verifier.description),
                        ]).compact : "ready \(verifier)@\(url)")
            })
        try await ServiceRun.group([server] + lifeline.services, logger: logger).run()
    }
}
