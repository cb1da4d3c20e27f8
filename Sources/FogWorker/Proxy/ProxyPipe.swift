import Glibc

/// One direction of a connection: what was read from one socket and not yet written to the other.
struct ProxyPipe {
    static let capacity = 64 << 10

    enum Moved { case bytes(Int), nothing, ended }

    private var buffer: [UInt8]
    private var start = 0
    private var end: Int
    /// The source has said its last.
    private(set) var isFinished = false
    /// And the other end has been told.
    private(set) var isShut = false
    /// By the boot clock: the rate allows what is in the buffer from then on.
    var heldUntil: Int64 = 0

    /// - Parameter first: what goes out before anything is read; nothing is read behind what is last.
    init(_ first: [UInt8] = [], isLast: Bool = false) {
        isFinished = isLast
        buffer = first.isEmpty ? [] : first + [UInt8](repeating: 0, count: max(0, Self.capacity - first.count))
        end = first.count
    }

    var isEmpty: Bool { start == end }
    var wantsRead: Bool { isEmpty && !isFinished }

    /// Reads what the source has.
    /// - Throws: the errno of a connection that broke.
    mutating func fill(from source: Int32) throws(BrokenPipe) -> Moved {
        if buffer.isEmpty { buffer = [UInt8](repeating: 0, count: Self.capacity) }
        let count = buffer.withUnsafeMutableBytes { read(source, $0.baseAddress, $0.count) }
        if count > 0 {
            (start, end) = (0, count)
            return .bytes(count)
        }
        if count == 0 {
            isFinished = true
            return .ended
        }
        guard errno == EAGAIN || errno == EINTR else { throw BrokenPipe(number: errno) }
        return .nothing
    }

    /// Writes what is left, and hands on the end when nothing is.
    mutating func drain(to destination: Int32) throws(BrokenPipe) -> Moved {
        if isEmpty {
            guard isFinished, !isShut else { return .nothing }
            isShut = true
            // A peer that is gone needs no word.
            shutdown(destination, Int32(SHUT_WR))
            return .ended
        }
        let count = buffer.withUnsafeBytes {
            send(destination, $0.baseAddress.map { $0 + start }, end - start, Int32(MSG_NOSIGNAL))
        }
        if count >= 0 {
            start += count
            return .bytes(count)
        }
        guard errno == EAGAIN || errno == EINTR else { throw BrokenPipe(number: errno) }
        return .nothing
    }
}

/// A connection that is no more.
struct BrokenPipe: Error { let number: Int32 }
