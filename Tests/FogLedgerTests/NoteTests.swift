import FogCore
import FogLedger
import Testing

@Suite("Signed notes and proofs")
struct NoteTests {
    @Test("the notes of C2SP and of Go's package: the good open, the bad do not")
    func published() throws {
        let file = try vectors("signed_note.json")
        for vector in try #require(file["notes"]?.array) {
            let name = vector["name"]?.string ?? ""
            let bytes = Array(try #require(vector["note"]?.string).utf8)
            let keys = try #require(vector["vkeys"]?.array).map { try NoteKey(#require($0.string)) }
            var opens = false
            if let note = try? SignedNote(bytes), note.bytes == bytes {
                opens = (try? keys.contains { try !note.signatures(by: $0).isEmpty }) ?? false
            }
            #expect(opens == vector["valid"]?.bool, "\(name)")
        }
        for vector in try #require(file["bad_vkeys"]?.array) {
            #expect(throws: LedgerFailure.self, "\(vector)") { try NoteKey(#require(vector.string)) }
        }
        for vector in try #require(file["checkpoint_parse"]?.array) {
            let checkpoint = try? Checkpoint(text: #require(vector["body"]?.string))
            #expect((checkpoint != nil) == vector["ok"]?.bool, "\(vector["why"]?.string ?? "")")
            #expect(checkpoint?.origin == vector["origin"]?.string)
            #expect(checkpoint.map { Int64($0.head.size) } == vector["size"]?.integer)
        }
    }

    @Test("a note is signed byte for byte as Go signs it")
    func signing() throws {
        let example = try #require(vectors("signed_note.json")["signing_key_example"])
        let parts = try #require(example["skey"]?.string).split(separator: "+", maxSplits: 4)
        let seed = try #require(Base64.decode(parts[4])).dropFirst()
        let text = try #require(example["text"]?.string)
        let line = try SigningKey(seed: seed).sign(note: text, as: String(parts[2])).line
        #expect(line == example["signature_line"]?.string)
    }

    @Test("a cosignature has C2SP's form, and counts only over its own checkpoint and time")
    func cosignature() throws {
        let shape = try #require(vectors("signed_note.json")["cosignature_example_shape"])
        let text = "fog.ledger/x\n5\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
        let line = try #require(shape["line"]?.string)
        let published = try SignedNote(Array("\(text)\n\(line)\n".utf8)).signatures[0]
        #expect(Hex.encode(published.hash) == shape["key_id_hex"]?.string)
        #expect(Cosignature(published).map { Int64($0.seconds) } == shape["timestamp"]?.integer)
        let witness = try SigningKey(seed: [UInt8](repeating: 4, count: 32))
        let key = try NoteKey(name: "w.example/1", kind: .cosignature, key: witness.publicKey)
        let made = try witness.cosign(text, as: "w.example/1", at: Timestamp(seconds: 1_800_000_000))
        #expect(made.bytes.count == 72 && made.hash == key.hash)
        #expect(try NoteKey(key.description) == key)
        #expect(try SignedNote(text: text, signatures: [made]).signatures(by: key).count == 1)
        var later = made.bytes
        later[7] ^= 1
        for (text, bytes) in [(text, later), ("fog.ledger/y\n", made.bytes)] {
            let forged = NoteSignature(name: made.name, hash: made.hash, bytes: bytes)
            #expect(throws: LedgerFailure.self) {
                try SignedNote(text: text, signatures: [forged]).signatures(by: key)
            }
        }
    }

    // MARK: - Proof files

    @Test("a proof file reads back, and no byte of it can be changed")
    func proofFile() throws {
        let log = try HonestLog(seed: 8)
        let hashes = log.rows.map(\.hash)
        var range = CompactRange()
        for hash in hashes { _ = range.append(hash) }
        let key = try NoteKey(coordinator: log.fixture.key.publicKey)
        let note = try Checkpoint(origin: key.name, head: range.head).signed(by: log.fixture.key)
        let path = try #require(TreeProof.inclusion(of: 17, in: range.size))
            .hashes([
                TileID(level: 0, number: 0): Array(hashes.prefix(256)),
                TileID(level: 0, number: 1): Array(hashes.dropFirst(256)),
                TileID(level: 1, number: 0): [TreeTests.defined(hashes[..<256])],
            ])
        let proof = InclusionProof(record: log.rows[17].bytes, index: 17, path: path, checkpoint: note.bytes)
        let read = try InclusionProof(decoding: proof.encoded)
        #expect(read == proof)
        #expect(try read.verify(key: key).record == log.records[17])
        #expect(throws: LedgerFailure.self) { try read.verify(key: key, quorum: 1) }
        let stranger = try NoteKey(coordinator: SigningKey.generate().publicKey)
        #expect(throws: LedgerFailure.self) { try read.verify(key: stranger) }
        let bytes = proof.encoded
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1
            #expect(throws: LedgerFailure.self, "byte \(index)") {
                try InclusionProof(decoding: changed).verify(key: key)
            }
        }
    }

    @Test("cosignatures make a quorum, each witness once")
    func quorum() throws {
        let log = try HonestLog(seed: 8)
        let key = try NoteKey(coordinator: log.fixture.key.publicKey)
        var range = CompactRange()
        _ = range.append(log.rows[0].hash)
        var note = try Checkpoint(origin: key.name, head: range.head).signed(by: log.fixture.key)
        let witnesses = try (1...3).map { try SigningKey(seed: [UInt8](repeating: $0, count: 32)) }
        let keys = try witnesses.enumerated().map { index, witness in
            try NoteKey(name: "w\(index)", kind: .cosignature, key: witness.publicKey)
        }
        for (index, time) in [(0, 5), (1, 6), (0, 7)] {
            note.add(try witnesses[index].cosign(note.text, as: "w\(index)", at: Timestamp(seconds: Int64(time))))
        }
        let proof = InclusionProof(record: log.rows[0].bytes, index: 0, path: [], checkpoint: note.bytes)
        #expect(try Set(proof.verify(key: key, witnesses: keys, quorum: 2).witnesses) == Set(keys[..<2]))
        #expect(throws: LedgerFailure.self) { try proof.verify(key: key, witnesses: keys, quorum: 3) }
        #expect(throws: LedgerFailure.self) { try proof.verify(key: key, witnesses: [keys[0], keys[0]], quorum: 2) }
    }
}
