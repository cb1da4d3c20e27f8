import FogCore
import FogLedger
import Testing

@Suite("Ledger records")
struct RecordTests {
    static func record(_ body: LedgerRecord.Body, signed: Bool = false, following: UInt16 = 0) throws -> LedgerRecord {
        let key = try SigningKey(seed: [UInt8](1...32))
        let base = Array("\"@method\": POST".utf8)
        return LedgerRecord(
            sequence: 0x0102_0304_0506_0708, time: Timestamp(microseconds: 1_795_342_639_123_456),
            previous: Digest.sha256([1]), salt: RecordSalt(high: 0x1111_1111_1111_1111, low: 0x2222_2222_2222_2222),
            subject: SubjectID(high: 0x3333_3333_3333_3333, low: 0x4444_4444_4444_4444), evidence: Digest.sha256([2]),
            authorisation: signed
                ? try Authorisation(base: base, key: key.publicKey.id, signature: key.sign(base)) : .none,
            body: body, following: following)
    }

    static let transfer = Transfer(
        id: TransferID(high: 5, low: 6), kind: .pending, debit: AccountID(high: 7, low: 8),
        credit: AccountID(high: 9, low: 10), amount: micro(1_000_000), expires: Timestamp(microseconds: 77), ordinal: 3)
    static let after = Counters(debitsPending: 1, debitsPosted: 2, creditsPending: 3, creditsPosted: 4)

    static func samples() throws -> [LedgerRecord] {
        let key = try SigningKey(seed: [UInt8](1...32)).publicKey
        let post = Transfer(
            id: TransferID(high: 11, low: 12), kind: .post, debit: transfer.debit, credit: transfer.credit,
            amount: micro(Int64.max), pending: transfer.id)
        return [
            try record(.transfer(transfer, debitAfter: after, creditAfter: .zero), following: 1),
            try record(.transfer(post, debitAfter: after, creditAfter: after), signed: true),
            try record(
                .accountOpened(
                    AccountOpening(id: .fees, kind: .quota, unit: .quota, owner: SubjectID(high: 1, low: 2)))),
            try record(.accountClosed(.treasury, after: after)),
            try record(.keyEnrolled(KeyEnrolment(key: key, roles: [.client, .admin], owner: .fees))),
            try record(.rolesSet(key.id, [.witness])),
            try record(.keyRevoked(key.id), signed: true),
            try record(.unrecognised(type: 0x0405, bytes: [1, 0, 2, 3, 4])),
        ]
    }

    /// Frozen: a change here is a change of the format, and needs a new version.
    static let golden: [String] = [
        """
        0101100102030405060708000660dac8414c004bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c778545\
        9a1111111111111111222222222222222233333333333333334444444444444444dbc1b4c900ffe48d575b5da5c638040125\
        f65db0fe3e24494b76ea986457d9860000000000000000000000000100100000000000000005000000000000000602001000\
        0000000000000700000000000000080300100000000000000009000000000000000a04000800000000000f42400500010107\
        0008000000000000004d08000400000003090020000000000000000100000000000000020000000000000003000000000000\
        00040a00200000000000000000000000000000000000000000000000000000000000000000f000020001
        """,
        """
        ab5f3b480018fe691de415dcaa7d31d0674eeff3365e19c037c6d16ab48a884c
        """,
        """
        0101110102030405060708000660dac8414c004bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c778545\
        9a1111111111111111222222222222222233333333333333334444444444444444dbc1b4c900ffe48d575b5da5c638040125\
        f65db0fe3e24494b76ea986457d9860000000f22406d6574686f64223a20504f53540000001065b60673d6ed884bf01c2c22\
        2d82ada000000040404f1ba9ba83637a4188fd973713a0b521e559515c651fe7483dcccf7db6e693a4c6bcccb668e97c12fd\
        456a83916cd5bd1a79812922008670450eccde66ac08010010000000000000000b000000000000000c020010000000000000\
        000700000000000000080300100000000000000009000000000000000a0400087fffffffffffffff05000101060010000000\
        0000000005000000000000000609002000000000000000010000000000000002000000000000000300000000000000040a00\
        200000000000000001000000000000000200000000000000030000000000000004
        """,
        """
        7411ee9de7d92c9b44e9cd5486b5fcf1e66d33b97e4638b66427e4cc23a641df
        """,
        """
        0102010102030405060708000660dac8414c004bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c778545\
        9a1111111111111111222222222222222233333333333333334444444444444444dbc1b4c900ffe48d575b5da5c638040125\
        f65db0fe3e24494b76ea986457d9860000000000000000000000000500010210001000000000000000000000000000000003\
        1100010812001000000000000000010000000000000002
        """,
        """
        9891fc10c4319ec48a6bd0d62fa0fd90e6aeda30fcfeaf69bf968951bdad9e98
        """,
        """
        0102020102030405060708000660dac8414c004bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c778545\
        9a1111111111111111222222222222222233333333333333334444444444444444dbc1b4c900ffe48d575b5da5c638040125\
        f65db0fe3e24494b76ea986457d9860000000000000000000000001000100000000000000000000000000000000213002000\
        00000000000001000000000000000200000000000000030000000000000004
        """,
        """
        cd07efc3fc362db77e9ec12b9aa1d923e85c30844a9f27f412fbf2a665f54913
        """,
        """
        0103010102030405060708000660dac8414c004bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c778545\
        9a1111111111111111222222222222222233333333333333334444444444444444dbc1b4c900ffe48d575b5da5c638040125\
        f65db0fe3e24494b76ea986457d98600000000000000000000000020002079b5562e8fe654f94078b112e8a98ba7901f853a\
        e695bed7e0e3910bad0496642100040000008122001000000000000000000000000000000003
        """,
        """
        55b5b2817cc3a0eb984ddf8544317acad86093dd9462a616383e711f2b8b12dd
        """,
        """
        0103020102030405060708000660dac8414c004bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c778545\
        9a1111111111111111222222222222222233333333333333334444444444444444dbc1b4c900ffe48d575b5da5c638040125\
        f65db0fe3e24494b76ea986457d9860000000000000000000000002100040000001023001065b60673d6ed884bf01c2c222d\
        82ada0
        """,
        """
        483a00150ca8938a4d4cbe71b75b228dbec602ee83f051a25a0939b49b1e0999
        """,
        """
        0103030102030405060708000660dac8414c004bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c778545\
        9a1111111111111111222222222222222233333333333333334444444444444444dbc1b4c900ffe48d575b5da5c638040125\
        f65db0fe3e24494b76ea986457d9860000000f22406d6574686f64223a20504f53540000001065b60673d6ed884bf01c2c22\
        2d82ada000000040404f1ba9ba83637a4188fd973713a0b521e559515c651fe7483dcccf7db6e693a4c6bcccb668e97c12fd\
        456a83916cd5bd1a79812922008670450eccde66ac0823001065b60673d6ed884bf01c2c222d82ada0
        """,
        """
        837dc6dfec4b677ffbcab5c5527c7a0053772c5f9c6262397aa50182a0f4f83f
        """,
        """
        0104050102030405060708000660dac8414c004bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c778545\
        9a1111111111111111222222222222222233333333333333334444444444444444dbc1b4c900ffe48d575b5da5c638040125\
        f65db0fe3e24494b76ea986457d9860000000000000000000000000100020304
        """,
        """
        cbc72178fe542c26c4f99d4dc31c5367b7982876f54c09f222c4895dcb74d045
        """,
    ]

    @Test("the bytes and the leaf hash are those frozen here")
    func frozen() throws {
        let found = try Self.samples().flatMap { [Hex.encode($0.sealed().bytes), $0.sealed().hash.description] }
        #expect(found == Self.golden)
        for row in try Self.samples().map({ $0.sealed() }) { #expect(LedgerRecord.leafHash(row.bytes) == row.hash) }
    }

    @Test("every record decodes to itself")
    func roundTrip() throws {
        for record in try Self.samples() { #expect(try LedgerRecord(decoding: record.encoded) == record) }
    }

    @Test("no byte can be cut, added or changed without a trace: it fails, or it is another record")
    func everyByte() throws {
        for record in try Self.samples() {
            let bytes = record.encoded
            for count in 0..<bytes.count {
                let cut = try? LedgerRecord(decoding: Array(bytes[..<count]))
                // Without its last field a record of a chain is the chain's last one.
                #expect(cut == nil || record.following > 0 || record.type == 0x0405)
                #expect(cut != record)
            }
            for index in bytes.indices {
                var changed = bytes
                changed[index] ^= 0x11
                guard let other = try? LedgerRecord(decoding: changed) else { continue }
                #expect(other != record)
                #expect(other.encoded == changed)
            }
            if case .unrecognised = record.body { continue }
            #expect(throws: LedgerFailure.self) { try LedgerRecord(decoding: bytes + [0]) }
        }
    }

    @Test("a seal reads back in the newer form alone, and stands for nobody's request")
    func sealed() throws {
        let sample = try Self.samples()[0]
        let seal = Authorisation.seal(of: try SigningKey(seed: [UInt8](repeating: 3, count: 32)).publicKey.id)
        func record(_ form: UInt8) -> LedgerRecord {
            LedgerRecord(
                sequence: sample.sequence, time: sample.time, previous: sample.previous, salt: sample.salt,
                subject: sample.subject, evidence: sample.evidence, authorisation: seal, body: sample.body, form: form)
        }
        let read = try LedgerRecord(decoding: record(LedgerRecord.version).encoded)
        #expect(read == record(LedgerRecord.version))
        #expect(read.authorisation.isSeal && !read.authorisation.isRequest)
        #expect(throws: LedgerFailure.self) {
            try LedgerRecord(decoding: record(LedgerRecord.unattributed).encoded)
        }
    }

    @Test("another version is newer software, and an unknown type keeps its bytes")
    func newer() throws {
        var bytes = try Self.samples()[0].encoded
        bytes[0] = LedgerRecord.version + 1
        #expect { try LedgerRecord(decoding: bytes) } throws: {
            ($0 as? LedgerFailure)?.code == LedgerFailure.newerSoftware
        }
        bytes[0] = LedgerRecord.unattributed
        bytes[1] = 4
        guard case .unrecognised(0x0410, let body) = try LedgerRecord(decoding: bytes).body else {
            Issue.record("type 0x0410 was recognised")
            return
        }
        #expect(bytes.suffix(body.count) == body[...])
    }

    @Test("a grant keeps its signature and refuses another amount")
    func grant() throws {
        let key = try SigningKey(seed: [UInt8](1...32))
        let grant = try GrantDocument(
            account: .treasury, amount: micro(5), time: .zero, reason: "first light", signedBy: key)
        let document = grant.document
        #expect(try GrantDocument(decoding: document.bytes) == grant)
        #expect(document.digest != EvidenceDocument(kind: .receipt, bytes: document.bytes).digest)
        for index in document.bytes.indices {
            var changed = document.bytes
            changed[index] ^= 1
            #expect(throws: LedgerFailure.self) { try GrantDocument(decoding: changed) }
        }
    }
}
