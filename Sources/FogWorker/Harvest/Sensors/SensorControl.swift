import CFog
import Glibc
import Synchronization

/// What others tell the thread of the sensors, and how they wake it.
final class SensorControl: Sendable {
    private struct State {
        var isStopped = false
        var tasksRun = false
    }

    /// Readable when something was told.
    let event: Int32
    private let state = Mutex(State())

    init() { event = fog_event() }

    deinit { close(event) }

    var isStopped: Bool { state.withLock { $0.isStopped } }
    var tasksRun: Bool { state.withLock { $0.tasksRun } }

    func stop() {
        state.withLock { $0.isStopped = true }
        wake()
    }

    func set(tasksRun: Bool) {
        let isNew = state.withLock { state in
            defer { state.tasksRun = tasksRun }
            return state.tasksRun != tasksRun
        }
        if isNew { wake() }
    }

    func wake() {
        var one: UInt64 = 1
        _ = write(event, &one, 8)
    }

    func drain() {
        var count: UInt64 = 0
        _ = read(event, &count, 8)
    }
}
