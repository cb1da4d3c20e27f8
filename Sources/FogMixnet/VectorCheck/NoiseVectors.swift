internal import FogCore

/// Noise handshakes of two other implementations; those of the pattern and the hashes that are used here.
enum NoiseVectors {
    static func check(_ document: JSON) -> VectorReport {
        var report = VectorReport("noise")
        var others: [String: Int] = [:]
        for (number, entry) in (document["vectors"]?.array ?? []).enumerated() {
            let protocolName = entry["protocol_name"]?.string ?? entry["handshake"]?.string ?? ""
            let prefix = "Noise_XX_25519_ChaChaPoly_"
            guard protocolName.hasPrefix(prefix),
                let hash = NoiseHash(rawValue: String(protocolName.dropFirst(prefix.count)))
            else {
                others[protocolName, default: 0] += 1
                continue
            }
            let name = "\(protocolName) \(number)"
            report.run(name) { try check(entry, hash, name, &$0) }
        }
        for (name, count) in others.sorted(by: { $0.key < $1.key }) {
            report.skipped.append("\(count) of \(name): the protocol is not used here")
        }
        return report
    }

    private static func check(_ entry: JSON, _ hash: NoiseHash, _ name: String, _ report: inout VectorReport) throws {
        func key(_ names: String...) throws -> NoiseKey {
            let found = names.first { entry[$0] != nil } ?? names[0]
            return try NoiseKey(secret: entry.hex(found))
        }
        let prologue = entry["init_prologue"] ?? entry["prologue"]
        let prologueBytes = prologue?.string.flatMap { Hex.decode($0) } ?? []
        var asking = NoiseHandshake(
            .initiator, key: try key("init_static"), prologue: prologueBytes, hash: hash,
            ephemeral: try key("init_ephemeral", "gen_init_ephemeral"))
        var answering = NoiseHandshake(
            .responder, key: try key("resp_static"), prologue: prologueBytes, hash: hash,
            ephemeral: try key("resp_ephemeral", "gen_resp_ephemeral"))
        let messages = try messages(entry)
        for (step, message) in messages.prefix(3).enumerated() {
            let written = step % 2 == 0 ? try asking.write(message.payload) : try answering.write(message.payload)
            report.expect(written == message.sealed, "\(name): message \(step)")
            let read = step % 2 == 0 ? try answering.read(written) : try asking.read(written)
            report.expect(read == message.payload, "\(name): payload \(step)")
        }
        guard asking.isDone else { throw MixnetFailure("bad_vectors", "messages: three or more are wanted") }
        let keys = [try key("resp_static").publicKey, try key("init_static").publicKey]
        report.expect([asking.theirKey, answering.theirKey] == keys, "\(name): the lasting keys")
        if entry["handshake_hash"] != nil {
            report.expect(asking.transcript == (try entry.hex("handshake_hash")), "\(name): the transcript")
        }
        report.expect(asking.transcript == answering.transcript, "\(name): both transcripts")
        var (near, far) = (asking.split(), answering.split())
        for (step, message) in messages.enumerated().dropFirst(3) {
            // One file goes on in turns after the handshake's third message; the other begins with the asker again.
            let fromAsker = entry["messages"]?.array == nil ? step % 2 == 1 : step % 2 == 0
            let sealed = fromAsker ? try near.send.seal(message.payload) : try far.send.seal(message.payload)
            report.expect(sealed == message.sealed, "\(name): message \(step)")
            let opened = fromAsker ? try far.receive.open(sealed) : try near.receive.open(sealed)
            report.expect(opened == message.payload, "\(name): payload \(step)")
        }
    }

    /// A list of pairs, or an object of `msg_0_payload`, `msg_0_ciphertext`, ….
    private static func messages(_ entry: JSON) throws -> [(payload: [UInt8], sealed: [UInt8])] {
        guard let messages = entry["messages"] else { throw MixnetFailure("bad_vectors", "messages: missing") }
        if let list = messages.array { return try list.map { (try $0.hex("payload"), try $0.hex("ciphertext")) } }
        var out: [(payload: [UInt8], sealed: [UInt8])] = []
        while messages["msg_\(out.count)_payload"] != nil {
            out.append(
                (try messages.hex("msg_\(out.count)_payload"), try messages.hex("msg_\(out.count)_ciphertext")))
        }
        return out
    }
}
