import Glibc
import Synchronization

/// One thread that empties the pipes of running tasks, so that none of them blocks on a full one.
///
/// A pipe is only watched once its task has run for ``patienceMilliseconds``: shorter tasks are read when they end and
/// never wake the thread. A task that fills its pipe sooner waits that long once.
final class LogPump: Sendable {
    static let patienceMilliseconds: Int64 = 5

    private struct State {
        var fresh: [LogCapture] = []
        /// When the first of `fresh` came, in milliseconds of the monotonic clock.
        var freshSince: Int64?
        var watched: [LogCapture] = []
        var isStopping = false
    }

    private let state = Mutex(State())
    private let waking: Int32
    private let woken: Int32

    init() throws(WorkerFailure) {
        var pair: [Int32] = [-1, -1]
        guard pipe(&pair) == 0 else { throw Disk.failure("has no pipe", "the log pump") }
        for end in pair {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        (woken, waking) = (pair[0], pair[1])
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        // The thread holds the pump until ``stop()``.
        let result = pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer else { return nil }
                Unmanaged<LogPump>.fromOpaque(pointer).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        guard result == 0 else {
            context.release()
            throw WorkerFailure("disk_failed", "no thread for the log pump: \(String(cString: strerror(result)))")
        }
        pthread_detach(thread)
    }

    deinit {
        close(waking)
        close(woken)
    }

    /// Empties the pipe until its capture is finished.
    func add(_ capture: LogCapture) {
        let isFirst = state.withLock { state in
            state.fresh.append(capture)
            guard state.freshSince == nil else { return false }
            state.freshSince = Self.now
            return true
        }
        if isFirst { wake() }
    }

    func stop() {
        state.withLock { $0.isStopping = true }
        wake()
    }

    private func wake() {
        var byte: UInt8 = 1
        _ = write(waking, &byte, 1)
    }

    private static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    // MARK: - The thread

    private func run() {
        while let (captures, timeout) = turn() {
            var polled = captures.map { pollfd(fd: $0.readingEnd, events: Int16(POLLIN), revents: 0) }
            polled.append(pollfd(fd: woken, events: Int16(POLLIN), revents: 0))
            guard poll(&polled, nfds_t(polled.count), timeout) > 0 else { continue }
            for (index, capture) in captures.enumerated() where polled[index].revents != 0 { capture.drain() }
            if polled[captures.count].revents != 0 {
                var bytes = [UInt8](repeating: 0, count: 64)
                _ = read(woken, &bytes, bytes.count)
            }
        }
    }

    /// What to watch and for how long; nil = stop.
    private func turn() -> (captures: [LogCapture], timeout: Int32)? {
        state.withLock { state in
            guard !state.isStopping else { return nil }
            state.watched.removeAll { $0.readingEnd < 0 }
            guard let since = state.freshSince else { return (state.watched, -1) }
            let left = since + Self.patienceMilliseconds - Self.now
            guard left <= 0 else { return (state.watched, Int32(left)) }
            state.watched += state.fresh.filter { $0.readingEnd >= 0 }
            state.fresh = []
            state.freshSince = nil
            return (state.watched, -1)
        }
    }
}
