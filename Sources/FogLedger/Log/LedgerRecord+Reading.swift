internal import FogCore

extension LedgerRecord {
    /// The longest record that is read, in bytes.
    package static let maxBytes = 65_536

    /// Reads the one record these bytes are.
    /// - Throws: `bad_record` for anything that neither form writes; `newer_software` for another version or a value
    ///   this one does not know.
    package init(decoding bytes: [UInt8]) throws(LedgerFailure) {
        guard bytes.count <= Self.maxBytes else {
            throw LedgerFailure("bad_record", "a record has at most \(Self.maxBytes) bytes, found \(bytes.count)")
        }
        var fields = FieldReader(bytes)
        form = try fields.number()
        guard (Self.unattributed...Self.version).contains(form) else {
            throw LedgerFailure(LedgerFailure.newerSoftware, "record version \(form), known is \(Self.version)")
        }
        let type = try fields.number(UInt16.self)
        sequence = try fields.number()
        time = Timestamp(microseconds: try fields.number())
        previous = try fields.digest()
        salt = RecordSalt(high: try fields.number(), low: try fields.number())
        subject = try fields.identifier()
        evidence = try fields.digest()
        authorisation = try fields.authorisation(mayBeSeal: form == Self.version)
        body = try fields.body(type)
        if case .unrecognised = body {
            following = 0
        } else {
            following = try fields.optional(.following) ?? 0
            try fields.end()
        }
        guard encoded == bytes else {
            throw LedgerFailure("bad_record", "the record is not in its canonical form")
        }
    }
}

/// Reads fields in the order of their tags.
private struct FieldReader {
    // Not `CanonicalReader`: its generic reads are not specialised across the module's border, which made them ten
    // times slower, and an audit reads every record there is.
    private let bytes: [UInt8]
    private var position = 0
    /// The tag read ahead.
    private var ahead: UInt8?

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private var remaining: Int { bytes.count - position }

    private static func failure(_ cause: CoreFailure) -> LedgerFailure { LedgerFailure("bad_record", cause.message) }

    private func require(_ count: Int) throws(LedgerFailure) {
        guard remaining >= count else { throw LedgerFailure("bad_record", "the record ends too early") }
    }

    mutating func number<Number: FixedWidthInteger>(_: Number.Type = Number.self) throws(LedgerFailure) -> Number {
        let size = MemoryLayout<Number>.size
        try require(size)
        let value = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: Number.self) }
        position += size
        return Number(bigEndian: value)
    }

    mutating func raw(_ count: Int) throws(LedgerFailure) -> [UInt8] {
        try require(count)
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    mutating func digest() throws(LedgerFailure) -> Digest {
        let raw = try raw(32)
        do { return try Digest(bytes: raw) } catch { throw Self.failure(error) }
    }

    mutating func identifier<Subject>() throws(LedgerFailure) -> Identifier<Subject> {
        Identifier(high: try number(), low: try number())
    }

    private mutating func keyID() throws(LedgerFailure) -> KeyID {
        // `KeyID` has no initialiser from bytes; its text is their base32.
        let text = Base32.encode(try raw(16))
        do { return try KeyID(text) } catch { throw Self.failure(error) }
    }

    private mutating func counters() throws(LedgerFailure) -> Counters {
        let counters = Counters(
            debitsPending: try number(), debitsPosted: try number(), creditsPending: try number(),
            creditsPosted: try number())
        guard counters.debitsPending >= 0, counters.debitsPosted >= 0, counters.creditsPending >= 0,
            counters.creditsPosted >= 0
        else { throw LedgerFailure("bad_record", "a counter is negative: \(counters)") }
        return counters
    }

    mutating func authorisation(mayBeSeal: Bool) throws(LedgerFailure) -> Authorisation {
        let base = try raw(try length(Authorisation.maxBaseBytes))
        let keyLength = try length(16)
        guard keyLength == 16 || (keyLength == 0 && base.isEmpty), !base.isEmpty || keyLength == 0 || mayBeSeal else {
            throw LedgerFailure("bad_record", "an authorisation has a base, a key and a signature, or nothing")
        }
        let key = keyLength == 0 ? nil : try keyID()
        let signature = try raw(try length(64))
        guard let key, !base.isEmpty else {
            guard signature.isEmpty else { throw LedgerFailure("bad_record", "a signature stands without its base") }
            return key.map { .seal(of: $0) } ?? .none
        }
        do { return try Authorisation(base: base, key: key, signature: Signature(bytes: signature)) } catch {
            throw LedgerFailure("bad_record", "the authorisation's signature has \(signature.count) bytes, wanted 64")
        }
    }

    private mutating func length(_ limit: Int) throws(LedgerFailure) -> Int {
        let count = Int(try number(UInt32.self))
        guard count <= limit else { throw LedgerFailure("bad_record", "a field of \(count) bytes is over \(limit)") }
        return count
    }

    func end() throws(LedgerFailure) {
        guard ahead == nil, remaining == 0 else {
            throw LedgerFailure("bad_record", "bytes follow the last field of the record")
        }
    }

    // MARK: Tagged fields

    /// Whether the field of that tag stands next; then its length is checked and its value is what follows.
    private mutating func begins(_ tag: FieldTag, _ length: Int) throws(LedgerFailure) -> Bool {
        if ahead == nil, remaining > 0 { ahead = try number(UInt8.self) }
        guard ahead == tag.rawValue else { return false }
        ahead = nil
        let found = Int(try number(UInt16.self))
        guard found == length else {
            throw LedgerFailure("bad_record", "field \(tag) has \(found) bytes, wanted \(length)")
        }
        return true
    }

    private mutating func expect(_ tag: FieldTag, _ length: Int) throws(LedgerFailure) {
        guard try begins(tag, length) else {
            throw LedgerFailure("bad_record", "field \(tag) is missing or out of order")
        }
    }

    mutating func optional<Number: FixedWidthInteger>(_ tag: FieldTag) throws(LedgerFailure) -> Number? {
        try begins(tag, MemoryLayout<Number>.size) ? try number() : nil
    }

    private mutating func required<Number: FixedWidthInteger>(
        _ tag: FieldTag, _: Number.Type = Number.self
    ) throws(LedgerFailure) -> Number {
        try expect(tag, MemoryLayout<Number>.size)
        return try number()
    }

    private mutating func identifier<Subject>(_ tag: FieldTag) throws(LedgerFailure) -> Identifier<Subject> {
        try expect(tag, 16)
        return try identifier()
    }

    private mutating func counters(_ tag: FieldTag) throws(LedgerFailure) -> Counters {
        try expect(tag, 32)
        return try counters()
    }

    /// A field of any length up to a limit.
    private mutating func blob(_ tag: FieldTag, limit: Int) throws(LedgerFailure) -> [UInt8] {
        if ahead == nil, remaining > 0 { ahead = try number(UInt8.self) }
        guard ahead == tag.rawValue else {
            throw LedgerFailure("bad_record", "field \(tag) is missing or out of order")
        }
        ahead = nil
        let length = Int(try number(UInt16.self))
        guard length <= limit else {
            throw LedgerFailure("bad_record", "field \(tag) has \(length) bytes, at most \(limit)")
        }
        return try raw(length)
    }

    private mutating func keyID(_ tag: FieldTag) throws(LedgerFailure) -> KeyID {
        try expect(tag, 16)
        return try keyID()
    }

    private mutating func unit() throws(LedgerFailure) -> LedgerUnit {
        let raw = try required(.unit, UInt8.self)
        guard let unit = LedgerUnit(rawValue: raw) else {
            throw LedgerFailure(LedgerFailure.newerSoftware, "unit \(raw) is not known here")
        }
        return unit
    }

    // MARK: Bodies

    mutating func body(_ type: UInt16) throws(LedgerFailure) -> LedgerRecord.Body {
        if let kind = TransferKind(rawValue: type) { return try transfer(kind) }
        switch type {
        case RecordType.accountOpened: return .accountOpened(try opening())
        case RecordType.accountClosed: return .accountClosed(try identifier(.account), after: try counters(.after))
        case RecordType.keyEnrolled: return .keyEnrolled(try enrolment())
        case RecordType.rolesSet:
            let roles = LedgerRoles(rawValue: try required(.roles))
            return .rolesSet(try keyID(.keyID), roles)
        case RecordType.keyRevoked: return .keyRevoked(try keyID(.keyID))
        case RecordType.rewardRule, RecordType.economyRule, RecordType.jurisdictionRule:
            let bytes = try blob(.rule, limit: LedgerRule.maxBytes)
            guard let rule = try LedgerRule(type: type, bytes: bytes) else { fallthrough }
            return .ruleSet(rule)
        default: return .unrecognised(type: type, bytes: try raw(remaining))
        }
    }

    private mutating func opening() throws(LedgerFailure) -> AccountOpening {
        let unit = try unit()
        let id: AccountID = try identifier(.account)
        let raw = try required(.accountKind, UInt8.self)
        guard let kind = AccountKind(rawValue: raw) else {
            throw LedgerFailure(LedgerFailure.newerSoftware, "account kind \(raw) is not known here")
        }
        return AccountOpening(id: id, kind: kind, unit: unit, owner: try identifier(.owner))
    }

    private mutating func enrolment() throws(LedgerFailure) -> KeyEnrolment {
        try expect(.key, 32)
        let raw = try raw(32)
        let roles = LedgerRoles(rawValue: try required(.roles))
        let owner: AccountID = try identifier(.keyOwner)
        do { return KeyEnrolment(key: try PublicKey(bytes: raw), roles: roles, owner: owner) } catch {
            throw Self.failure(error)
        }
    }

    private mutating func transfer(_ kind: TransferKind) throws(LedgerFailure) -> LedgerRecord.Body {
        let id: TransferID = try identifier(.transfer)
        let debit: AccountID = try identifier(.debit)
        let credit: AccountID = try identifier(.credit)
        let amount = try required(.amount, Int64.self)
        let unit = try unit()
        let pending: TransferID? = try begins(.pending, 16) ? try identifier() : nil
        let expires: Int64? = try optional(.expires)
        let ordinal: UInt32? = try optional(.ordinal)
        guard amount >= 0, (pending != nil) == kind.isResolution, expires == nil || kind == .pending else {
            throw LedgerFailure("bad_record", "a \(kind) of \(amount) with fields that do not fit")
        }
        let transfer = Transfer(
            id: id, kind: kind, debit: debit, credit: credit, amount: Credits(micro: amount), unit: unit,
            pending: pending, expires: expires.map { Timestamp(microseconds: $0) }, ordinal: ordinal)
        return .transfer(transfer, debitAfter: try counters(.debitAfter), creditAfter: try counters(.creditAfter))
    }
}
