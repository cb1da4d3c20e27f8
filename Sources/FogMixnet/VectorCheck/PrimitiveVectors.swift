internal import CSodium
internal import FogCore

/// Vectors of RFC 7748, 8439, 5869 and 4231, for what of them the packets and links are made of.
enum PrimitiveVectors {
    static func check(_ document: JSON) -> VectorReport {
        var report = VectorReport("primitives")
        for (name, entries) in (document.members ?? []).map({ ($0.name, $0.value.array ?? []) }) where !entries.isEmpty
        {
            guard let check = checks[name] else {
                report.skipped.append("\(entries.count) of \(name): not used here")
                continue
            }
            for (number, entry) in entries.enumerated() {
                report.run("\(name) \(number)") { report in
                    report.expect(try check(entry), "\(name) \(number)")
                }
            }
        }
        return report
    }

    private static let checks: [String: @Sendable (JSON) throws -> Bool] = [
        "x25519_rfc7748": { entry in
            try Curve25519.shared(entry.hex("INPUT_SCALAR"), entry.hex("INPUT_U")) == entry.hex("OUTPUT_U")
        },
        "hmac_sha256_rfc4231": { entry in
            let (key, wanted) = (try entry.hex("Key"), try entry.hex("MD"))
            // A key longer than a block is hashed first (RFC 2104 section 2); Noise has none.
            let short = key.count > 64 ? NoiseHash.sha256.hash(key) : key
            let found = NoiseHash.sha256.authenticate(try entry.hex("Msg"), key: short)
            return Array(found.prefix(wanted.count)) == wanted
        },
        "chacha20poly1305_openssl": { entry in
            let (key, nonce) = (try entry.hex("Key"), try entry.hex("IV"))
            let sealed = try entry.hex("Ciphertext") + entry.hex("Tag")
            let context = try entry["AAD"].map { _ in try entry.hex("AAD") } ?? []
            guard nonce.count == 12, sealed.count >= LinkCipher.tagBytes else { return false }
            var out = [UInt8](repeating: 0, count: sealed.count - LinkCipher.tagBytes)
            let verdict = crypto_aead_chacha20poly1305_ietf_decrypt(
                &out, nil, nil, sealed, UInt64(sealed.count), context, UInt64(context.count), nonce, key)
            if entry["Result"] != nil { return verdict != 0 }
            let plain = try entry.hex("Plaintext")
            return verdict == 0 && out == plain
        },
        "chacha20_rfc8439": { entry in
            let (nonce, plain) = (try entry.hex("NONCE"), try entry.hex("PLAINTEXT"))
            guard let counter = UInt32(try entry.text("INITIAL_BLOCK_COUNTER")) else { return false }
            var out = [UInt8](repeating: 0, count: plain.count)
            crypto_stream_chacha20_ietf_xor_ic(
                &out, plain, UInt64(plain.count), nonce, counter, try entry.hex("KEY"))
            return out == (try entry.hex("CIPHERTEXT"))
        },
    ]
}
