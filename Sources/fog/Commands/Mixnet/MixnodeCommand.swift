internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogManifestFile
internal import FogMixnet

/// `fog mixnode`: this machine as a mix.
struct MixnodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "mixnode", "Be a mix: take packets, delay each by its own time, send them on.",
        examples: [
            "fog mixnode key",
            "fog mixnode run --directory network.json --listen 0.0.0.0:7400 --announce mix.example:7400",
        ],
        subcommands: [MixnodeRun.self, MixnodeKey.self, MixnodeClaim.self, MixnodeDescribe.self])
}

/// Where a node's keys and documents lie.
enum MixnodePlaces {
    static func folder(_ chosen: String?, _ name: String, _ session: Session) throws -> String {
        let folder = chosen.map { Disk.absolute($0) } ?? "\(session.folders.state)/\(name)"
        try Disk.makeFolder(folder, mode: 0o700)
        return folder
    }

    static func staticDocument(_ path: String) throws -> JSON {
        try JSON(parsing: LocalFile.read(path, limit: 4 << 20))
    }
}

/// `fog mixnode key`
struct MixnodeKey: SessionCommand {
    static let configuration = CommandConfiguration(
        "key", "Print this node's public key, which is made when there is none.", examples: ["fog mixnode key"],
        more: "A live network's file names the keys of the nodes that may be in it, as `admitted`.")

    @Option(help: "The node's folder; default in the state folder.")
    var state: String?

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws {
        let store = try MixKeyStore(folder: try MixnodePlaces.folder(state, "mixnode", session))
        let key = store.identity.publicKey.description
        session.console.print(session.mode == .json ? JSON.object(["key": .string(key)]).compact : key)
    }
}

/// `fog mixnode describe`
struct MixnodeDescribe: SessionCommand {
    static let configuration = CommandConfiguration(
        "describe", "Print this node's entry for a network's file, with its keys of this epoch and the next two.",
        examples: ["fog mixnode describe --network lab.json --index 0 --layer 0 --address 127.0.0.1:7400"],
        more:
            "For a test network without authorities. Keys are made where they are not there yet. Of the file only epoch_seconds is read."
    )

    @Option(help: "The file of a test network (fog-mixnet-static-1).", completion: .file())
    var network: String

    @Option(help: "This node's index in the network, 0 to 65534.")
    var index: UInt16

    @Option(help: "The folder of its keys; default in the state folder.")
    var state: String?

    @Option(help: "The layer that it stands in, from 0.")
    var layer: Int

    @Option(help: "Where others reach it, HOST:PORT.")
    var address: String

    @OptionGroup var common: LocalOptions

    func validate() throws {
        guard index != PacketSuite.finalIndex else { throw ValidationError("--index must be 0 to 65534") }
    }

    func run(_ session: Session) async throws {
        guard let seconds = try MixnodePlaces.staticDocument(network)["epoch_seconds"]?.integer, seconds > 0 else {
            throw MixnetFailure("bad_network", "epoch_seconds: a whole number of seconds is wanted")
        }
        let store = try MixKeyStore(folder: try MixnodePlaces.folder(state, "mixnode-\(index)", session))
        let epoch = UInt64(max(0, SystemClock().now.seconds) / seconds)
        let entry = try StaticNetwork.entry(store, index: index, layer: layer, address: address, epoch: epoch)
        if session.mode == .table { session.console.print(entry.pretty) } else { session.console.printLine(entry) }
    }
}
