/// Why bytes are not a plan, with the offset where that showed.
package enum PlanFailure: Error, Hashable {
    case truncated(at: Int)
    case foreign(at: Int)
    case badText(at: Int)
    case tooMany(at: Int)
    case trailing(at: Int)
    /// More than ``PlanLimits/bytes``, or a text beyond 65,535 bytes: arguments and environment are too large.
    case tooLarge(Int)
}

/// The bounds of a plan; both sides hold to them.
package enum PlanLimits {
    /// One packet on the socket.
    package static let bytes = 256 << 10
    package static let mounts = 1280
    package static let limits = 16
    package static let rules = 32
    package static let arguments = 4096
    package static let variables = 4096
    package static let processors = 1024
    /// Descriptors of one launch: three standard ones and the mounts.
    package static let descriptors = 1283
    package static let filterInstructions = 4096
}

/// What a packet from the agent asks.
package enum PlanKind: UInt8 {
    /// Enter the profile's root and namespaces; the first packet of a server, once.
    case template = 1
    /// Start a task; descriptors 0, 1, 2 and those of mounts come along, or came before.
    case launch = 2
    /// More descriptors for the launch that follows (a packet carries 240 at most).
    case descriptors = 3
    /// Pass an order on to the task.
    case order = 4
    /// Send a listening socket on the loopback interface of the slot's network namespace.
    case listen = 5
}

/// Orders to a running task. The numbers are the signals that the server sends to the task's init.
package enum PlanOrder: Int32 {
    /// SIGTERM to every process of the task.
    case terminate = 15
    /// SIGKILL to every process of the task; init stays to report (SIGQUIT to init).
    case kill = 3
    /// SIGSTOP to every process of the task (SIGUSR1 to init).
    case stop = 10
    /// SIGCONT to every process of the task (SIGUSR2 to init).
    case resume = 12
}

/// Little-endian; a text is a 16-bit length, its bytes and a NUL, so that the decoder hands out C strings that point
/// into the packet and copies nothing.
package struct PlanWriter {
    package private(set) var bytes: [UInt8] = []
    package private(set) var failure: PlanFailure?

    static let magic: UInt32 = 0x5047_4F46
    static let version: UInt16 = 2

    package init(kind: PlanKind, sequence: UInt32) { self.init(number: kind.rawValue, sequence: sequence) }

    /// - Parameter number: of the packet's kind.
    init(number: UInt8, sequence: UInt32) {
        bytes.reserveCapacity(2048)
        integer(Self.magic)
        integer(Self.version)
        integer(number)
        integer(UInt8(0))
        integer(sequence)
    }

    package mutating func integer(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    package mutating func text(_ value: String) {
        let count = value.utf8.count
        guard count <= Int(UInt16.max) else { return fail(.tooLarge(count)) }
        guard !value.utf8.contains(0) else { return fail(.badText(at: bytes.count)) }
        integer(UInt16(count))
        bytes.append(contentsOf: value.utf8)
        bytes.append(0)
    }

    package mutating func count(_ value: Int, max: Int) {
        guard value <= max else { return fail(.tooMany(at: bytes.count)) }
        integer(UInt16(value))
    }

    package mutating func raw(_ value: [UInt8]) {
        integer(UInt32(value.count))
        bytes.append(contentsOf: value)
    }

    private mutating func fail(_ found: PlanFailure) { failure = failure ?? found }

    package func finish() throws(PlanFailure) -> [UInt8] {
        if let failure { throw failure }
        guard bytes.count <= PlanLimits.bytes else { throw .tooLarge(bytes.count) }
        return bytes
    }
}

/// Reads what ``PlanWriter`` wrote out of memory that outlives it. Never reads outside, whatever the bytes.
package struct PlanReader {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    /// The header every packet starts with.
    package let kind: UInt8
    package let sequence: UInt32

    package init(_ bytes: UnsafeRawBufferPointer) throws(PlanFailure) {
        self.bytes = bytes
        guard bytes.count >= 12 else { throw .truncated(at: 0) }
        guard UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self)) == PlanWriter.magic,
            UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt16.self)) == PlanWriter.version
        else { throw .foreign(at: 0) }
        kind = bytes[6]
        sequence = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
        offset = 12
    }

    package mutating func integer<Value: FixedWidthInteger>(_: Value.Type = Value.self) throws(PlanFailure) -> Value {
        let size = MemoryLayout<Value>.size
        guard bytes.count - offset >= size else { throw .truncated(at: offset) }
        defer { offset += size }
        return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    package mutating func raw(_ count: Int) throws(PlanFailure) -> UnsafeRawBufferPointer {
        guard count >= 0, bytes.count - offset >= count else { throw .truncated(at: offset) }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    package mutating func text() throws(PlanFailure) -> UnsafePointer<CChar> {
        let count = Int(try integer(UInt16.self))
        let start = offset
        let content = try raw(count + 1)
        guard content.firstIndex(of: 0) == count, let base = content.baseAddress else { throw .badText(at: start) }
        return base.assumingMemoryBound(to: CChar.self)
    }

    package mutating func count(max: Int) throws(PlanFailure) -> Int {
        let start = offset
        let value = Int(try integer(UInt16.self))
        guard value <= max else { throw .tooMany(at: start) }
        return value
    }

    package func end() throws(PlanFailure) {
        guard offset == bytes.count else { throw .trailing(at: offset) }
    }
}
