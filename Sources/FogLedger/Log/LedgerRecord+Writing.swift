package import FogCore

/// The tags of a record's body. Each field is tag u8, length u16, value; tags rise strictly, so a body has one form.
enum FieldTag: UInt8 {
    case transfer = 1
    case debit = 2
    case credit = 3
    case amount = 4
    case unit = 5
    case pending = 6
    case expires = 7
    case ordinal = 8
    case debitAfter = 9
    case creditAfter = 10
    case account = 16
    case accountKind = 17
    case owner = 18
    case after = 19
    case key = 32
    case roles = 33
    case keyOwner = 34
    case keyID = 35
    case rule = 48
    /// Absent at the last record of a chain.
    case following = 0xf0
}

extension LedgerRecord {
    /// The form of every record from the first one in it on: it says who answers for it. A later form is "newer software".
    package static let version: UInt8 = 2
    /// The form before, which left open who answers for what nobody signed for.
    package static let unattributed: UInt8 = 1

    /// version u8 | type u16 | sequence u64 | time i64 | previous 32 | salt 16 | subject 16 | evidence 32 |
    /// authorisation: base, key id, signature, each length u32 and bytes | body fields. Integers big-endian.
    package var encoded: [UInt8] { withLeaf { Array(UnsafeRawBufferPointer(rebasing: $0.dropFirst())) } }

    /// The record as the log keeps it: its bytes and SHA-256(0x00 || bytes), the leaf hash of RFC 6962 section 2.1.
    /// - Parameter earlier: stands beside them in the log.
    package func sealed(after earlier: EarlierRecords = EarlierRecords()) -> LedgerRow {
        let (bytes, hash) = withLeaf { leaf in
            (Array(UnsafeRawBufferPointer(rebasing: leaf.dropFirst())), Digest.sha256(leaf))
        }
        return LedgerRow(record: self, bytes: bytes, hash: hash, earlier: earlier)
    }

    /// The leaf hash of a record's bytes.
    package static func leafHash(_ bytes: [UInt8]) -> Digest {
        var leaf: [UInt8] = []
        leaf.reserveCapacity(bytes.count + 1)
        leaf.append(0)
        leaf.append(contentsOf: bytes)
        return Digest.sha256(leaf)
    }

    /// Lends 0x00 and the bytes.
    private func withLeaf<Value>(_ body: (UnsafeRawBufferPointer) -> Value) -> Value {
        withUnsafeTemporaryAllocation(byteCount: capacity, alignment: 8) { buffer in
            var out = FieldWriter(buffer)
            write(into: &out)
            return body(UnsafeRawBufferPointer(rebasing: buffer[..<out.count]))
        }
    }

    /// Enough for any record: the fields of fixed length take less than 400 bytes.
    private var capacity: Int {
        let open =
            switch body {
            case .unrecognised(_, let bytes): bytes.count
            case .ruleSet(let rule): rule.bytes.count
            default: 0
            }
        return 400 + authorisation.base.count + open
    }

    private func write(into out: inout FieldWriter) {
        out.write(0 as UInt8)
        out.write(form)
        out.write(type)
        out.write(sequence)
        out.write(time.microseconds)
        out.write(previous)
        out.write(salt.high)
        out.write(salt.low)
        out.write(subject.high)
        out.write(subject.low)
        out.write(evidence)
        out.write(UInt32(authorisation.base.count))
        out.write(authorisation.base)
        let key = authorisation.key?.bytes ?? []
        out.write(UInt32(key.count))
        out.write(key)
        let signature = authorisation.signature?.bytes ?? []
        out.write(UInt32(signature.count))
        out.write(signature)
        write(body: &out)
    }

    private func write(body out: inout FieldWriter) {
        switch body {
        case .transfer(let transfer, let debitAfter, let creditAfter):
            out.field(.transfer, transfer.id)
            out.field(.debit, transfer.debit)
            out.field(.credit, transfer.credit)
            out.field(.amount, transfer.amount.micro)
            out.field(.unit, transfer.unit.rawValue)
            if let pending = transfer.pending { out.field(.pending, pending) }
            if let expires = transfer.expires { out.field(.expires, expires.microseconds) }
            if let ordinal = transfer.ordinal { out.field(.ordinal, ordinal) }
            out.field(.debitAfter, debitAfter)
            out.field(.creditAfter, creditAfter)
        case .accountOpened(let opening):
            out.field(.unit, opening.unit.rawValue)
            out.field(.account, opening.id)
            out.field(.accountKind, opening.kind.rawValue)
            out.field(.owner, opening.owner)
        case .accountClosed(let account, let after):
            out.field(.account, account)
            out.field(.after, after)
        case .keyEnrolled(let enrolment):
            out.field(.key, enrolment.key.bytes)
            out.field(.roles, enrolment.roles.rawValue)
            out.field(.keyOwner, enrolment.owner)
        case .rolesSet(let key, let roles):
            out.field(.roles, roles.rawValue)
            out.field(.keyID, key.bytes)
        case .keyRevoked(let key):
            out.field(.keyID, key.bytes)
        case .ruleSet(let rule):
            out.field(.rule, rule.bytes)
        case .unrecognised(_, let bytes):
            // Kept as it was found, chain mark and all.
            return out.write(bytes)
        }
        if following > 0 { out.field(.following, following) }
    }
}

/// Big-endian fields into one buffer, which is large enough or the process stops.
private struct FieldWriter {
    private let buffer: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(_ buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }

    mutating func write<Number: FixedWidthInteger>(_ value: Number) {
        let size = MemoryLayout<Number>.size
        precondition(count + size <= buffer.count, "a record fits its buffer")
        buffer.storeBytes(of: value.bigEndian, toByteOffset: count, as: Number.self)
        count += size
    }

    mutating func write(_ value: [UInt8]) { value.withUnsafeBytes { write($0) } }

    mutating func write(_ value: Digest) { value.withUnsafeBytes { write($0) } }

    private mutating func write(_ source: UnsafeRawBufferPointer) {
        precondition(count + source.count <= buffer.count, "a record fits its buffer")
        UnsafeMutableRawBufferPointer(rebasing: buffer[count..<count + source.count]).copyMemory(from: source)
        count += source.count
    }

    private mutating func open(_ tag: FieldTag, _ length: Int) {
        write(tag.rawValue)
        write(UInt16(length))
    }

    mutating func field<Number: FixedWidthInteger>(_ tag: FieldTag, _ value: Number) {
        open(tag, MemoryLayout<Number>.size)
        write(value)
    }

    mutating func field<Subject>(_ tag: FieldTag, _ value: Identifier<Subject>) {
        open(tag, 16)
        write(value.high)
        write(value.low)
    }

    mutating func field(_ tag: FieldTag, _ value: [UInt8]) {
        open(tag, value.count)
        write(value)
    }

    mutating func field(_ tag: FieldTag, _ value: Counters) {
        open(tag, 32)
        write(value.debitsPending)
        write(value.debitsPosted)
        write(value.creditsPending)
        write(value.creditsPosted)
    }
}
