internal import FogCore

/// Known answers of the packet suites: made from chosen random bytes, then taken through every node.
enum PacketVectors {
    static func check(_ document: JSON) -> VectorReport {
        var report = VectorReport("fog-packets")
        for (number, entry) in (document["cases"]?.array ?? []).enumerated() {
            report.run("case \(number)") { try check(entry, "case \(number)", &$0) }
        }
        return report
    }

    private static func check(_ entry: JSON, _ name: String, _ report: inout VectorReport) throws {
        let suite = try PacketSuite(name: "fog-\(entry.text("suite"))")
        guard let epoch = UInt64(exactly: try entry.whole("epoch")) else {
            throw MixnetFailure("bad_vectors", "epoch: a number from 0 is wanted")
        }
        let keys = try entry.hexes("node_secrets").map { try MixKey(secret: $0, epoch: epoch) }
        report.expect(keys.map(\.publicKey) == (try entry.hexes("node_publics")), "\(name): public keys")
        let indices = try entry.list("node_indices").compactMap { $0.integer.flatMap { UInt16(exactly: $0) } }
        guard indices.count == keys.count else { throw MixnetFailure("bad_vectors", "node_indices: one a node") }
        let route = try zip(indices, keys).map { try Hop(index: $0, publicKey: $1.publicKey) }
        let secrets = try HeaderSecrets(
            suite: suite, hops: route.count, ephemerals: entry.hexes("ephemeral_secrets"), pad: entry.hex("pad"))
        let body = try entry.hex("body")
        let maker = PacketMaker(suite: suite, epoch: epoch)
        let packet: [UInt8]
        let open: ([UInt8]) -> [UInt8]?
        if try entry.text("kind") == "surb" {
            let bytes = try entry.hex("surb")
            let made = try maker.surb(
                along: route, id: entry.hex("surb_id"), key: Array(bytes.suffix(32)), secrets: secrets)
            report.expect(made.surb.bytes == bytes, "\(name): the SURB")
            packet = try made.surb.packet(body)
            open = made.secrets.open
        } else {
            packet = try maker.forward(body, along: route, secrets: secrets).bytes
            open = { Payload.body(of: $0) }
        }
        try walk(packet, entry, name, suite, keys, route, &report)
        report.expect(open(try entry.hex("final_payload")) == body, "\(name): the body at the end")
    }

    private static func walk(
        _ packet: [UInt8], _ entry: JSON, _ name: String, _ suite: PacketSuite, _ keys: [MixKey], _ route: [Hop],
        _ report: inout VectorReport
    ) throws {
        let packets = try entry.hexes("packets")
        // A shortened file says which hops it has.
        let places = entry["packet_hops"]?.array?.compactMap { $0.integer.map(Int.init) } ?? Array(packets.indices)
        let wanted = Dictionary(zip(places, packets)) { first, _ in first }
        let (tags, seeds) = (try entry.hexes("replay_tags"), try entry.hexes("delay_seeds"))
        let processor = HopProcessor(suite: suite)
        var packet = packet
        for (hop, key) in keys.enumerated() {
            if let bytes = wanted[hop] { report.expect(packet == bytes, "\(name): the packet at hop \(hop)") }
            let result = packet.withUnsafeMutableBufferPointer { buffer in
                buffer.baseAddress.map { processor.process($0, with: key) }
            }
            let next = hop + 1 < route.count ? HopOutcome.forward(route[hop + 1].index) : .final
            report.expect(result == .success(next), "\(name): the outcome at hop \(hop)")
            report.expect(
                tags.indices.contains(hop) && processor.tag.bytes == tags[hop], "\(name): the replay tag of hop \(hop)")
            report.expect(
                seeds.indices.contains(hop) && processor.delaySeed == seeds[hop],
                "\(name): the delay seed of hop \(hop)")
        }
        report.expect(
            Array(packet.dropFirst(suite.headerBytes)) == (try entry.hex("final_payload")), "\(name): the last payload")
        let id = entry["surb_id"] == nil ? [UInt8](repeating: 0, count: 16) : try entry.hex("surb_id")
        report.expect(processor.surbID == id, "\(name): the SURB's id")
    }
}
