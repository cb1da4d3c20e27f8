internal import FogCore
internal import Glibc

/// The tags of one key on disk, so that a node that was killed knows them again.
///
/// A batch's tags are written before its packets leave. What was written outlives the process; a machine that stops
/// may lose what was not yet synced (once a second), so a log that another boot left without its end says nothing for
/// sure, and the key it belongs to is not to be used any more.
///
/// The file: "fogreplay1" | epoch 8 | hash of the public key 32 | boot 16, then 16 bytes a tag; a clean end is a tag of zeros.
// Unchecked: one thread at a time writes to a log; who opened it hands it to that thread and keeps only its place.
package final class ReplayLog: @unchecked Sendable {
    private static let magic = Array("fogreplay1".utf8)
    private static let headBytes = magic.count + 8 + 32 + 16
    private static let tagBytes = 16

    package let path: String
    private let descriptor: Int32
    /// The most tags it holds.
    private let limit: Int
    private var written = 0
    private var buffer: [UInt8] = []
    private var unsynced = false

    /// What an earlier process left.
    package enum Earlier: Sendable, Equatable {
        case none
        case tags(Int)
        /// Tags are missing, or may be: whoever took packets under this key cannot know them all again.
        case incomplete(String)
    }

    /// Opens the log of a key, or begins it, and puts what it has into the set.
    /// - Parameters:
    ///   - boot: what names this run of the machine; 16 bytes.
    ///   - limit: tags.
    /// - Throws: `disk` when the file cannot be opened, read or written.
    package static func open(
        _ path: String, epoch: UInt64, key: [UInt8], boot: [UInt8], into set: ReplaySet, limit: Int = 16_000_000
    ) throws(MixnetFailure) -> (log: ReplayLog, earlier: Earlier) {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.failure(path, "opened") }
        let log = ReplayLog(path: path, descriptor: descriptor, limit: limit)
        var writer = CanonicalWriter()
        writer.write(raw: Self.magic)
        writer.write(epoch)
        writer.write(Digest.blake2b(key))
        writer.write(raw: boot)
        precondition(writer.bytes.count == Self.headBytes, "the name of a boot has 16 bytes")
        return (log, try log.recover(head: writer.bytes, into: set))
    }

    private init(path: String, descriptor: Int32, limit: Int) {
        self.path = path
        self.limit = limit
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    private func recover(head: [UInt8], into set: ReplaySet) throws(MixnetFailure) -> Earlier {
        let found = try read(Self.headBytes)
        guard !found.isEmpty else {
            try write(head)
            try sync()
            return .none
        }
        let identity = Self.headBytes - 16
        guard found.count == Self.headBytes, found.prefix(identity) == head.prefix(identity) else {
            return .incomplete("\(path) is the log of another key")
        }
        var (records, count, ended, bytes) = (0, 0, false, [UInt8]())
        repeat {
            bytes = try read(Self.tagBytes * 65_536)
            // A write that was cut short was of a batch whose packets had not left.
            for start in stride(from: 0, to: bytes.count - bytes.count % Self.tagBytes, by: Self.tagBytes) {
                let tag = bytes.withUnsafeBufferPointer { $0.baseAddress.map { ReplayTag($0 + start) } }
                guard let tag else { continue }
                records += 1
                ended = tag == ReplayTag(high: 0, low: 0)
                if !ended {
                    count += 1
                    guard set.insert(tag) != .full else { return .incomplete("\(path) has more tags than are kept") }
                }
            }
        } while bytes.count == Self.tagBytes * 65_536
        guard ended || found.suffix(16) == head.suffix(16) else {
            return .incomplete("the machine was started anew after \(path), which has no end")
        }
        // The next process goes on behind the last whole record, under this boot.
        let end = off_t(Self.headBytes + records * Self.tagBytes)
        guard ftruncate(descriptor, end) == 0, pwrite(descriptor, head, head.count, 0) == head.count,
            lseek(descriptor, 0, SEEK_END) == end
        else { throw Self.failure(path, "written") }
        try sync()
        written = records
        return .tags(count)
    }

    /// Takes a tag for the next ``flush()``.
    package func append(_ tag: ReplayTag) {
        withUnsafeBytes(of: (tag.high.bigEndian, tag.low.bigEndian)) { buffer.append(contentsOf: $0) }
    }

    /// Writes what was taken: before a packet of it leaves.
    package func flush() throws(MixnetFailure) {
        guard !buffer.isEmpty else { return }
        defer { buffer.removeAll(keepingCapacity: true) }
        written += buffer.count / Self.tagBytes
        guard written <= limit else { throw MixnetFailure("log_full", "\(path) holds \(limit) tags at most") }
        try write(buffer)
        unsynced = true
    }

    /// Makes what was written outlive the machine.
    package func sync() throws(MixnetFailure) {
        guard fdatasync(descriptor) == 0 else { throw Self.failure(path, "synced") }
        unsynced = false
    }

    package func syncIfNeeded() throws(MixnetFailure) { if unsynced { try sync() } }

    /// The clean end, beyond the limit if need be: after it a machine may be started anew and the log is still whole.
    package func end() throws(MixnetFailure) {
        written = min(written, limit - 1)
        append(ReplayTag(high: 0, low: 0))
        try flush()
        try sync()
    }

    /// Takes the log of an erased key off the disk.
    package static func remove(_ path: String) { unlink(path) }

    // MARK: - Bytes

    private func read(_ count: Int) throws(MixnetFailure) -> [UInt8] {
        var (bytes, done) = ([UInt8](repeating: 0, count: count), 0)
        while done < count {
            let got = bytes.withUnsafeMutableBytes { room in
                Glibc.read(descriptor, room.baseAddress?.advanced(by: done), count - done)
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw Self.failure(path, "read") }
            if got == 0 { break }
            done += got
        }
        return Array(bytes.prefix(done))
    }

    private func write(_ bytes: [UInt8]) throws(MixnetFailure) {
        var done = 0
        while done < bytes.count {
            let put = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done)
            }
            if put < 0, errno == EINTR { continue }
            guard put > 0 else { throw Self.failure(path, "written") }
            done += put
        }
    }

    private static func failure(_ path: String, _ what: String) -> MixnetFailure {
        MixnetFailure("disk", "\(path) cannot be \(what): \(String(cString: strerror(errno)))")
    }
}
