import FogCore
import Glibc
import Synchronization

/// One output stream of a task: a pipe, and what came out of it up to a limit.
///
/// A pipe and not a file, because programs open `/dev/stderr` again, and in a file that would cut off what was written
/// before. What came out is kept in memory, beyond ``memoryLimit`` in a file.
final class LogCapture: Sendable {
    static let memoryLimit = 64 << 10
    /// Room for the last line of a log that was cut.
    static let noteLimit: Int64 = 160

    private struct State {
        var reading: Int32
        var writing: Int32
        var bytes: [UInt8] = []
        var file: Int32 = -1
        var size: Int64 = 0
        var dropped: Int64 = 0
        /// How much the coordinator has; nil = nothing was sent.
        var sent: Int64?
    }

    let stream: String
    private let folder: String
    private let contentLimit: Int64
    private let limit: ByteCount
    private let state: Mutex<State>

    /// - Parameter folder: made when the log outgrows memory; the file in it has the stream's name.
    init(stream: String, folder: String, limit: ByteCount) throws(WorkerFailure) {
        var pair: [Int32] = [-1, -1]
        guard pipe(&pair) == 0 else { throw Disk.failure("has no pipe", stream) }
        for end in pair { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        _ = fcntl(pair[0], F_SETFL, O_NONBLOCK)
        // The task has another user id, and may open its output again by name (/dev/stdout, /proc/self/fd/1).
        fchmod(pair[1], 0o666)
        self.stream = stream
        self.folder = folder
        self.limit = limit
        contentLimit = max(0, limit.bytes - Self.noteLimit)
        state = Mutex(State(reading: pair[0], writing: pair[1]))
    }

    deinit {
        state.withLock { state in
            for descriptor in [state.reading, state.writing, state.file] where descriptor >= 0 { close(descriptor) }
        }
    }

    var path: String { folder + "/" + stream }
    /// What the task gets; -1 after the end.
    var writingEnd: Int32 { state.withLock { $0.writing } }
    /// -1 after the end.
    var readingEnd: Int32 { state.withLock { $0.reading } }
    var size: Int64 { state.withLock { $0.size } }
    var sent: Int64? { state.withLock { $0.sent } }
    var isInMemory: Bool { state.withLock { $0.file < 0 } }

    // MARK: - Coming in

    /// Takes what the pipe holds now.
    func drain() {
        withUnsafeTemporaryAllocation(byteCount: Self.memoryLimit, alignment: 16) { buffer in
            state.withLock { state in
                while state.reading >= 0 {
                    let count = Glibc.read(state.reading, buffer.baseAddress, buffer.count)
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else { return }
                    keep(UnsafeRawBufferPointer(rebasing: buffer[..<count]), &state)
                    if count < buffer.count { return }
                }
            }
        }
    }

    private func keep(_ bytes: UnsafeRawBufferPointer, _ state: inout State) {
        let count = min(bytes.count, Int(max(0, contentLimit - state.size)))
        state.dropped += Int64(bytes.count - count)
        guard count > 0 else { return }
        append(bytes.prefix(count), &state)
    }

    private func append(_ bytes: Slice<UnsafeRawBufferPointer>, _ state: inout State) {
        if state.file < 0, state.bytes.count + bytes.count <= Self.memoryLimit {
            state.bytes.append(contentsOf: bytes)
            state.size += Int64(bytes.count)
            return
        }
        if state.file < 0, !spill(&state) {
            state.dropped += Int64(bytes.count)
            return
        }
        do throws(WorkerFailure) {
            try Disk.write(Array(bytes)[...], to: state.file, path: path)
            state.size += Int64(bytes.count)
        } catch {
            // A full disk costs the log's rest, not the task. Half a piece would shift what follows it.
            _ = ftruncate(state.file, off_t(state.size))
            state.dropped += Int64(bytes.count)
        }
    }

    /// Moves the log from memory to its file.
    private func spill(_ state: inout State) -> Bool {
        do throws(WorkerFailure) {
            try Disk.makeFolder(folder)
            let file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o600)
            guard file >= 0 else { return false }
            state.file = file
            try Disk.write(state.bytes[...], to: file, path: path)
            state.bytes = []
            return true
        } catch {
            close(state.file)
            state.file = -1
            return false
        }
    }

    /// Takes the rest and closes the pipe; a log that was cut says so in its last line.
    func finish() {
        drain()
        state.withLock { state in
            guard state.reading >= 0 else { return }
            close(state.reading)
            close(state.writing)
            (state.reading, state.writing) = (-1, -1)
            guard state.dropped > 0 else { return }
            let note = "\n[fog: \(state.dropped) more bytes were not kept; a log holds \(limit)]\n"
            Array(note.utf8).withUnsafeBytes { append($0.prefix(Int(Self.noteLimit)), &state) }
        }
    }

    // MARK: - Going out

    /// Bytes from an offset; fewer, or none, at the end so far.
    func read(at offset: Int64, count: Int) -> [UInt8] {
        state.withLock { state in
            guard state.file < 0 else { return (try? Disk.read(state.file, at: offset, count: count)) ?? [] }
            let start = Int(min(max(0, offset), Int64(state.bytes.count)))
            return Array(state.bytes[start..<min(state.bytes.count, start + count)])
        }
    }

    /// Notes how much of the log the coordinator has.
    func acknowledge(_ size: Int64) { state.withLock { $0.sent = max($0.sent ?? 0, size) } }

    /// BLAKE2b-256 of what is kept. Reads the file when there is one.
    func digest() -> Digest {
        state.withLock { state in
            guard state.file >= 0 else { return Digest.blake2b(state.bytes) }
            return (try? Disk.digest(state.file).digest) ?? .zero
        }
    }
}
