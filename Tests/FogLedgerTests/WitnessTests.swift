import FogCore
import FogLedger
import Testing

/// What a witness answers to which request, and which cosignatures are enough.
@Suite("Witnesses")
struct WitnessTests {
    private static let key = seeded(1)
    private static let other = seeded(2)

    private static func seeded(_ number: UInt8) -> SigningKey {
        guard let key = try? SigningKey(seed: [UInt8](repeating: number, count: 32)) else {
            preconditionFailure("32 bytes are a seed")
        }
        return key
    }

    /// A log of numbered leaves.
    private struct Log {
        var leaves: [Digest] = []
        var name = "log.example"

        init(_ count: Int, from first: UInt8 = 0) {
            leaves = (0..<count).map { Digest.sha256([first, UInt8(truncatingIfNeeded: $0)]) }
        }

        var range: CompactRange {
            var range = CompactRange()
            for leaf in leaves { _ = range.append(leaf) }
            return range
        }

        func note(signedBy key: SigningKey = WitnessTests.key) throws -> [UInt8] {
            let checkpoint = Checkpoint(origin: name, head: range.head)
            return SignedNote(text: checkpoint.text, signatures: [try key.sign(note: checkpoint.text, as: name)]).bytes
        }

        func proof(from old: UInt64) throws -> [Digest] {
            guard let plan = TreeProof.consistency(from: old, to: UInt64(leaves.count)) else { return [] }
            return try plan.hashes([TileID(level: 0, number: 0): leaves])
        }
    }

    private static var logs: [NoteKey] { get throws { [try NoteKey(name: "log.example", key: key.publicKey)] } }

    private static func judge(_ request: WitnessRequest, after kept: Log? = nil) throws -> WitnessVerdict {
        Witness.judge(request.bytes, logs: try logs) { $0 == "log.example" ? kept?.range.head : nil }
    }

    @Test("a log that goes on is cosigned from its beginning and from everywhere")
    func grows() throws {
        for (old, new) in [(0, 1), (0, 7), (1, 2), (3, 8), (7, 8), (8, 8), (5, 200)] {
            let proof = old == 0 || old == new ? [] : try Log(new).proof(from: UInt64(old))
            let request = WitnessRequest(oldSize: UInt64(old), proof: proof, note: try Log(new).note())
            #expect(try WitnessRequest(request.bytes) == request)
            let verdict = try Self.judge(request, after: old == 0 ? nil : Log(old))
            guard case .consistent(let shown) = verdict else {
                Issue.record("\(old) to \(new): \(verdict)")
                continue
            }
            #expect(shown.head == Log(new).range.head)
        }
    }

    @Test("each status of tlog-witness for what it stands for")
    func statuses() throws {
        let (five, eight) = (Log(5), Log(8))
        let proof = try eight.proof(from: 5)
        let fork = Log(8, from: 9)
        var stranger = eight
        stranger.name = "other.example"
        let cases: [(Int, String, WitnessRequest)] = [
            (200, "as it is", WitnessRequest(oldSize: 5, proof: proof, note: try eight.note())),
            (404, "another log", WitnessRequest(oldSize: 0, proof: [], note: try stranger.note())),
            (403, "another key", WitnessRequest(oldSize: 5, proof: proof, note: try eight.note(signedBy: Self.other))),
            (400, "an old size above the new", WitnessRequest(oldSize: 9, proof: [], note: try eight.note())),
            (
                409, "an old size below",
                WitnessRequest(oldSize: 4, proof: try eight.proof(from: 4), note: try eight.note())
            ),
            (409, "a rollback", WitnessRequest(oldSize: 3, proof: [], note: try Log(3).note())),
            (409, "nothing is known there", WitnessRequest(oldSize: 0, proof: [], note: try eight.note())),
            (422, "a fork", WitnessRequest(oldSize: 5, proof: try fork.proof(from: 5), note: try fork.note())),
            (422, "no proof", WitnessRequest(oldSize: 5, proof: [], note: try eight.note())),
            (422, "half a proof", WitnessRequest(oldSize: 5, proof: Array(proof.dropLast()), note: try eight.note())),
            (422, "another root", WitnessRequest(oldSize: 5, proof: [], note: try Log(5, from: 9).note())),
            (422, "a proof of what is equal", WitnessRequest(oldSize: 5, proof: proof, note: try five.note())),
        ]
        for (status, words, request) in cases {
            #expect(try Self.judge(request, after: five).status == status, "\(words)")
        }
        // Before anything was cosigned: no proof is wanted, and none may be there.
        #expect(try Self.judge(WitnessRequest(oldSize: 0, proof: proof, note: eight.note())).status == 422)
        #expect(try Self.judge(WitnessRequest(oldSize: 3, proof: [], note: eight.note())).status == 409)
        let empty = Checkpoint(origin: "log.example", head: TreeHead(size: 0, root: .zero))
        let note = SignedNote(text: empty.text, signatures: [try Self.key.sign(note: empty.text, as: "log.example")])
        #expect(try Self.judge(WitnessRequest(oldSize: 0, proof: [], note: note.bytes)).status == 422)
    }

    @Test("what is no request is 400, whatever it is cut from", arguments: 0..<40)
    func malformed(_ cut: Int) throws {
        let whole = WitnessRequest(oldSize: 5, proof: try Log(8).proof(from: 5), note: try Log(8).note()).bytes
        let bytes = Array(whole.prefix(whole.count * cut / 40))
        #expect(Witness.judge(bytes, logs: try Self.logs) { _ in nil }.status == 400)
        for text in ["", "old 05\n\n", "old -1\n\n", "old 1 \n\n", "new 1\n\n", "old 1\nAA==\n\n", "\n\n"] {
            let body = Array(text.utf8) + (try Log(8).note())
            #expect(Witness.judge(body, logs: try Self.logs) { _ in nil }.status == 400, "\(text)")
        }
        let many = WitnessRequest(oldSize: 1, proof: .init(repeating: .zero, count: 64), note: try Log(8).note())
        #expect(try Self.judge(many).status == 400)
    }

    // MARK: - Policies

    private static func witness(_ number: UInt8) throws -> NoteKey {
        try NoteKey(name: "w\(number)", kind: .cosignature, key: seeded(number).publicKey)
    }

    private static func note(cosignedBy numbers: [UInt8]) throws -> SignedNote {
        var note = try SignedNote(Log(8).note())
        for number in numbers {
            note.add(try seeded(number).cosign(note.text, as: "w\(number)", at: Timestamp(seconds: 1_800_000_000)))
        }
        return note
    }

    @Test("a policy of two levels holds for just those that it names")
    func policy() throws {
        let keys = try (11...16).map { try Self.witness($0) }
        let text = """
            # two organisations
            log \(try Self.logs[0]) https://log.example
            witness X1 \(keys[0])
            witness X2 \(keys[1]) https://x2.example
            witness X3\t\(keys[2])
            group X 2 X1 X2 X3

            witness Y1 \(keys[3])
            witness Y2 \(keys[4])
            group Y any Y1 Y2
            group both all X Y
            quorum both
            """
        let policy = try WitnessPolicy(text)
        #expect(policy.logs == (try Self.logs))
        for (numbers, holds) in [
            ([11, 12, 14], true), ([11, 13, 15], true), ([11, 12, 13], false), ([11, 14, 15], false), ([], false),
            ([11, 12, 16], false), ([11, 11, 14], false), ([11, 12, 13, 14, 15, 16], true),
        ] as [([UInt8], Bool)] {
            let note = try Self.note(cosignedBy: numbers)
            if holds {
                #expect(try policy.check(note).count == Set(numbers).subtracting([16]).count)
            } else {
                #expect(throws: LedgerFailure.self, "\(numbers)") { try policy.check(note) }
            }
        }
        #expect(try WitnessPolicy("quorum none\n").check(Self.note(cosignedBy: [])).isEmpty)
        #expect(throws: LedgerFailure.self) {
            try WitnessPolicy([keys[0], keys[0]], quorum: 2).check(Self.note(cosignedBy: [11, 11]))
        }
        // A line in a witness's name that does not fit spoils the note.
        var forged = try Self.note(cosignedBy: [11, 12])
        let wrong = try Self.seeded(14).cosign("another text\n", as: "w14", at: Timestamp(seconds: 1_800_000_000))
        forged.add(wrong)
        #expect(throws: LedgerFailure.self) { try policy.check(forged) }
    }

    @Test("a policy that does not read is refused with its line")
    func badPolicies() throws {
        let key = try Self.witness(11), log = try Self.logs[0]
        for (text, words) in [
            ("", "no line `quorum`"), ("witness A \(key)\n", "no line `quorum`"), ("quorum A\n", "line 1"),
            ("witness A \(key)\nwitness A \(key)\nquorum A\n", "line 2"),
            ("witness A \(key)\nwitness B \(key)\nquorum A\n", "line 2"),
            ("witness A \(log)\nquorum A\n", "line 1"), ("log \(key)\nquorum none\n", "line 1"),
            ("witness A \(key)\ngroup G 2 A\nquorum G\n", "line 2"),
            ("witness A \(key)\ngroup G 0 A\nquorum G\n", "line 2"),
            ("witness A \(key)\ngroup G all A A\nquorum G\n", "line 2"),
            ("witness A \(key)\ngroup G all A\ngroup H all A\nquorum G\n", "line 3"),
            ("group none all A\nquorum none\n", "line 1"), ("quorum none\nquorum none\n", "line 2"),
            ("witness A key\nquorum A\n", "line 1"), ("nothing at all\nquorum none\n", "line 1"),
            ("quorum none\u{7}\n", "control characters"),
        ] {
            #expect {
                _ = try WitnessPolicy(text)
            } throws: { error in
                (error as? LedgerFailure)?.message.contains(words) == true
            }
        }
    }
}
