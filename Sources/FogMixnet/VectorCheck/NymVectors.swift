internal import FogCore

/// Packets of Nym's `sphinx-packet` 0.1.0, another form of Sphinx: compared is what it has in common with these suites,
/// the payload's LIONESS and the blinding of elements with scalars that are not clamped.
enum NymVectors {
    private static let headerBytes = 348

    static func check(_ document: JSON) -> VectorReport {
        var report = VectorReport("nym-sphinx")
        for (number, entry) in (document["cases"]?.array ?? []).enumerated() {
            let name = "case \(number)"
            report.run(name) { try check(entry, name, &$0) }
        }
        report.skipped.append("headers: AES-128-CTR and HKDF-SHA256 are not used here")
        return report
    }

    private static func check(_ entry: JSON, _ name: String, _ report: inout VectorReport) throws {
        let packets = try entry.hexes("packets")
        let keys = try entry.list("hop_keys")
        guard packets.count == keys.count, packets.allSatisfy({ $0.count > headerBytes + 32 }) else {
            throw MixnetFailure("bad_vectors", "packets: one a hop is wanted")
        }
        for (hop, packet) in packets.enumerated() {
            let key = try keys[hop].hex("payload")
            guard key.count == Lioness.keyBytes else {
                throw MixnetFailure("bad_vectors", "payload: a key of 192 bytes is wanted")
            }
            var payload = Array(packet.dropFirst(headerBytes))
            Payload.decrypt(&payload, key)
            let next = hop + 1 < packets.count ? Array(packets[hop + 1].dropFirst(headerBytes)) : nil
            let last = try entry["final"]?.hex("payload")
            report.expect(payload == next ?? last, "\(name): the payload after hop \(hop)")
            guard hop + 1 < packets.count else { continue }
            let scalar = Curve25519.representative(try keys[hop].hex("blinding"))
            let clamped = try keys[hop].hex("blinding_clamped_for_libsodium")
            report.expect(scalar == clamped, "\(name): the clamped scalar of hop \(hop)")
            let element = try Curve25519.shared(scalar, Array(packet.prefix(32)))
            report.expect(element == Array(packets[hop + 1].prefix(32)), "\(name): the element after hop \(hop)")
        }
    }
}
