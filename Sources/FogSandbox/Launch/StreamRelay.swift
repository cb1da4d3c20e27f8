import CFog
import Dispatch
import FogCore
import Glibc
import Synchronization

/// Carries one stream between this process and a sandboxed task, through a pipe.
///
/// A task never holds its caller's own descriptor: from a folder it could walk the host's files; a file it could cut
/// short, change the mode of, or open again for writing through /proc/self/fd; on a terminal it could type.
package final class StreamRelay: Sendable {
    private struct State {
        /// Bytes of output beyond the limit.
        var dropped: Int64 = 0
        var isOver = false
        var waiters: [CheckedContinuation<Void, Never>] = []
        var taskEnd: Int32
    }

    private let ownEnd: Int32
    private let state: Mutex<State>

    private static let pieceBytes = 65536

    /// What the task writes goes to a descriptor of this process, up to a limit; the rest is read and dropped, so that
    /// the task does not stand still.
    /// - Throws: `sandbox_failed` without a pipe.
    package static func output(to destination: Int32, limit: ByteCount) throws(SandboxFailure) -> StreamRelay {
        let relay = try StreamRelay(taskReads: false)
        relay.start("fog.sandbox.output") { relay.carryOut(to: destination, limit: limit.bytes) }
        return relay
    }

    /// What this process can read from a descriptor is for the task to read. Nil where nothing can be: a folder, a
    /// descriptor that is not open, /dev/null.
    /// - Throws: `sandbox_failed` without a pipe.
    package static func input(from source: Int32) throws(SandboxFailure) -> StreamRelay? {
        var status = stat()
        guard fstat(source, &status) == 0, status.st_mode & S_IFMT != S_IFDIR, !leadsNowhere(source) else { return nil }
        let relay = try StreamRelay(taskReads: true)
        relay.start("fog.sandbox.input") { relay.carryIn(from: source) }
        return relay
    }

    /// Whether a descriptor is /dev/null's.
    package static func leadsNowhere(_ descriptor: Int32) -> Bool {
        var (status, null) = (stat(), stat())
        return fstat(descriptor, &status) == 0 && stat("/dev/null", &null) == 0 && status.st_mode & S_IFMT == S_IFCHR
            && status.st_rdev == null.st_rdev
    }

    private init(taskReads: Bool) throws(SandboxFailure) {
        var pair: [Int32] = [-1, -1]
        guard fog_pipe(&pair) == 0 else {
            throw SandboxFailure("sandbox_failed", "no pipe for the task: \(Files.words(errno))")
        }
        ownEnd = taskReads ? pair[1] : pair[0]
        state = Mutex(State(taskEnd: taskReads ? pair[0] : pair[1]))
        // A task that leaves before it has read everything is not this process's end.
        signal(SIGPIPE, SIG_IGN)
    }

    /// The end for the task, until ``release()``.
    package var taskEnd: Int32 { state.withLock { $0.taskEnd } }

    /// Bytes of output that were not passed on.
    package var dropped: Int64 { state.withLock { $0.dropped } }

    /// Closes the task's end here: with the task's own, that is the stream's end.
    package func release() {
        state.withLock { state in
            if state.taskEnd >= 0 { close(state.taskEnd) }
            state.taskEnd = -1
        }
    }

    /// Waits until everything the task wrote has been carried; of an input, which may never end, this is not asked.
    package func finished() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if !state.isOver { state.waiters.append(continuation) }
                return state.isOver
            }
            if isOver { continuation.resume() }
        }
    }

    /// A queue of its own is a thread of its own here, since its one job waits for a program.
    private func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
        DispatchQueue(label: name).async {
            body()
            close(self.ownEnd)
            let waiters = self.state.withLock { state in
                state.isOver = true
                defer { state.waiters = [] }
                return state.waiters
            }
            for waiter in waiters { waiter.resume() }
        }
    }

    private func carryOut(to destination: Int32, limit: Int64) {
        var left = limit
        while let piece = Self.piece(ownEnd) {
            let kept = piece.prefix(Int(min(left, Int64(piece.count))))
            // A reader that left (`| head`) ends the task's own stream, as it would without a relay.
            guard Self.writeAll(kept, to: destination) else { return }
            left -= Int64(kept.count)
            if kept.count < piece.count { state.withLock { $0.dropped += Int64(piece.count - kept.count) } }
        }
    }

    private func carryIn(from source: Int32) {
        while let piece = Self.piece(source), Self.writeAll(piece[...], to: ownEnd) {}
    }

    /// Nil at the end, and at an error, which is an end as well.
    private static func piece(_ descriptor: Int32) -> [UInt8]? {
        while true {
            var length = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: pieceBytes) { buffer, count in
                length = read(descriptor, buffer.baseAddress, buffer.count)
                count = max(0, length)
            }
            if length > 0 { return bytes }
            guard length < 0, wait(descriptor, POLLIN) else { return nil }
        }
    }

    private static func writeAll(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if written >= 0 {
                rest = rest.dropFirst(written)
            } else if !wait(descriptor, POLLOUT) {
                return false
            }
        }
        return true
    }

    /// After an error: whether to try again. A caller's descriptor may be non-blocking, then this waits for it.
    private static func wait(_ descriptor: Int32, _ events: Int32) -> Bool {
        if errno == EINTR { return true }
        guard errno == EAGAIN else { return false }
        var polled = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        return poll(&polled, 1, -1) > 0 || errno == EINTR
    }
}
