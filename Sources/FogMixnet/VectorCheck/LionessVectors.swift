internal import FogCore

/// Vectors of the wide block cipher.
enum LionessVectors {
    static func check(_ document: JSON) -> VectorReport {
        var report = VectorReport("lioness")
        for (number, entry) in (document.array ?? []).enumerated() {
            let name = "case \(number)"
            guard entry["cipher"]?.string?.hasPrefix("LIONESS ChaCha20(8-byte zero nonce)+BLAKE2b-256") == true else {
                report.skipped.append("\(name): another cipher")
                continue
            }
            report.run(name) { report in
                let (key, plain) = (try entry.hex("key"), try entry.hex("plaintext"))
                guard key.count == Lioness.keyBytes, plain.count > 32 else {
                    throw MixnetFailure("bad_vectors", "a key of 192 bytes and a block of more than 32 are wanted")
                }
                var block = plain
                Payload.encrypt(&block, key)
                report.expect(block == (try entry.hex("ciphertext")), "\(name): encryption")
                Payload.decrypt(&block, key)
                report.expect(block == plain, "\(name): decryption")
            }
        }
        return report
    }
}
