import Dispatch
import FogCore
import Synchronization

/// A reading that may hang in a driver: taken on a thread of its own, one at a time.
final class SlowProbe<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var began: TimeSpan?
    }

    /// After it the last answer counts no more.
    static var patience: TimeSpan { .seconds(5) }

    private let name: String
    private let queue: DispatchQueue
    private let look: @Sendable () -> Value
    private let state = Mutex(State())

    init(_ name: String, _ look: @escaping @Sendable () -> Value) {
        self.name = name
        self.look = look
        queue = DispatchQueue(label: "fog.worker.sensors.\(name)")
    }

    /// Asks, unless an answer is still awaited.
    func ask(at now: TimeSpan, then: @escaping @Sendable () -> Void) {
        let isFree = state.withLock { state in
            guard state.began == nil else { return false }
            state.began = now
            return true
        }
        guard isFree else { return }
        queue.async { [self] in
            let value = look()
            state.withLock { state in
                state.value = value
                state.began = nil
            }
            then()
        }
    }

    var isWaiting: Bool { state.withLock { $0.began != nil } }

    /// The last answer; nil before the first, and when the next is overdue: then with words.
    func answer(at now: TimeSpan) -> (value: Value?, problem: String?) {
        state.withLock { state in
            guard let began = state.began, now - began > Self.patience else { return (state.value, nil) }
            return (nil, "\(name): no answer for \((now - began).brief)")
        }
    }
}
