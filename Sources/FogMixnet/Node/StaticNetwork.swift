package import FogCore

/// A network without authorities, from a file that somebody wrote: for tests and laboratories.
///
/// Whoever writes the file could be all of its nodes, so it is a test network always, and gives no anonymity.
package enum StaticNetwork {
    package static let format = "fog-mixnet-static-1"
    /// Nodes that a file has at most.
    private static let limit = 1024

    /// - Throws: `bad_network` with the member, what was found and what is wanted.
    package static func view(_ document: JSON) throws(MixnetFailure) -> MixNetworkView {
        guard document["format"]?.string == format else { throw wrong("format", "`\(format)`") }
        guard document["kind"]?.string == "test" else {
            throw wrong("kind", "`test` (a live network has authorities, and no file)")
        }
        guard let name = document["name"]?.string, !name.isEmpty, name.utf8.count <= 64 else {
            throw wrong("name", "1 to 64 bytes of text")
        }
        guard let suiteName = document["suite"]?.string else { throw wrong("suite", "fog-k400 or fog-s176") }
        let suite = try PacketSuite(name: suiteName)
        let entries = document["nodes"]?.array ?? []
        guard (1...limit).contains(entries.count) else { throw wrong("nodes", "1 to \(limit) nodes") }
        var nodes: [MixNetworkView.Node] = []
        for (number, entry) in entries.enumerated() { nodes.append(try node(entry, "nodes[\(number)]")) }
        let network = Digest.blake2b(Array("\(format)|\(name)|\(suite)".utf8))
        return try MixNetworkView(
            network: network, isTest: true, suite: suite, layers: Int(number("layers", document, 1...7)),
            epochLength: .seconds(number("epoch_seconds", document, 10...864_000)),
            meanDelay: number("mean_delay_ms", document, 0...60_000) * 1_000_000,
            mixLoopMean: number("mix_loop_ms", document, 0...3_600_000) * 1_000_000,
            clientRate: number("client_rate", document, 1...1_000_000), nodes: nodes
        ) { epoch in
            var writer = CanonicalWriter()
            writer.write(network)
            writer.write(epoch)
            return .blake2b(writer.bytes)
        }
    }

    /// A node's entry in such a file.
    package static func entry(
        _ store: MixKeyStore, index: UInt16, layer: Int, address: String, epoch: UInt64
    ) throws(MixnetFailure) -> JSON {
        let keys = try store.announced(from: epoch).sorted { $0.key < $1.key }
        return .object([
            "index": .integer(Int64(index)), "layer": .integer(Int64(layer)), "address": .string(address),
            "identity": .string(store.identity.publicKey.description),
            "link_key": .string(Hex.encode(store.link.publicKey)),
            "mix_keys": .object(keys.map { JSON.Member("\($0.key)", .string(Hex.encode($0.value))) }),
        ])
    }

    private static func node(_ entry: JSON, _ place: String) throws(MixnetFailure) -> MixNetworkView.Node {
        guard let index = entry["index"]?.integer.flatMap({ UInt16(exactly: $0) }) else {
            throw wrong("\(place).index", "0 to 65534")
        }
        guard let layer = entry["layer"]?.integer, (0..<7).contains(layer) else {
            throw wrong("\(place).layer", "0 to 6")
        }
        guard let text = entry["identity"]?.string, let identity = try? PublicKey(text) else {
            throw wrong("\(place).identity", "a public key, `fogkey1…`")
        }
        guard let link = entry["link_key"]?.string.flatMap({ Hex.decode($0) }), link.count == 32 else {
            throw wrong("\(place).link_key", "64 hexadecimal digits")
        }
        guard let address = entry["address"]?.string, let colon = address.lastIndex(of: ":"),
            let port = Int(address[address.index(after: colon)...]), (1...65535).contains(port),
            colon > address.startIndex
        else { throw wrong("\(place).address", "HOST:PORT") }
        var keys: [UInt64: [UInt8]] = [:]
        for member in entry["mix_keys"]?.members ?? [] {
            guard let epoch = UInt64(member.name), let key = member.value.string.flatMap({ Hex.decode($0) }),
                key.count == MixKey.byteCount
            else { throw wrong("\(place).mix_keys.\(member.name)", "an epoch, and 64 hexadecimal digits") }
            keys[epoch] = key
        }
        return MixNetworkView.Node(
            index: index, layer: Int(layer), identity: identity, linkKey: link, host: String(address[..<colon]),
            port: port, mixKeys: keys)
    }

    private static func number(
        _ name: String, _ document: JSON, _ range: ClosedRange<Int64>
    ) throws(MixnetFailure) -> Int64 {
        guard let value = document[name]?.integer, range.contains(value) else {
            throw wrong(name, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    private static func wrong(_ place: String, _ wanted: String) -> MixnetFailure {
        MixnetFailure("bad_network", "\(place): \(wanted) is wanted")
    }
}
