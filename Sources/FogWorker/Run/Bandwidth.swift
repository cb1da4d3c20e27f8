import FogCore
import Synchronization

/// Keeps the content that a worker fetches and sends, and what its tasks do, together below a rate: a token bucket that may fall into debt.
///
/// A transfer is admitted when the debt of those before it is paid, and then counts whole, so pieces are kept small where
/// a limit holds.
package final class Bandwidth: Sendable {
    /// Bytes at once where a limit holds.
    static let pieceBytes = 256 << 10
    /// What may be sent at once after a pause, in milliseconds of the rate.
    private static let burst = TimeSpan.milliseconds(500)

    private struct State {
        /// Bytes a second; nil = no limit.
        var rate: Double?
        /// When the bucket is without debt, in milliseconds since boot. With a fraction: what small pieces owe adds up.
        var freeAt = 0.0
    }

    private let state = Mutex(State())
    private let clock: any FogClock

    package init(clock: any FogClock) { self.clock = clock }

    /// - Parameter bits: a second; nil = no limit.
    package func setLimit(_ bits: Int64?) {
        state.withLock { $0.rate = bits.map { max(1, Double($0) / 8) } }
    }

    /// The size of pieces now, at most `size`.
    func piece(_ size: Int) -> Int { state.withLock { $0.rate } == nil ? size : min(size, Self.pieceBytes) }

    /// Waits until a piece may go; ends early, without having waited enough, only when cancelled.
    func admit(_ bytes: Int) async {
        let wait = reserve(bytes, now: clock.sinceBoot)
        if wait > .zero { try? await Task.sleep(for: wait.duration) }
    }

    /// How long the caller has to wait.
    func reserve(_ bytes: Int, now: TimeSpan) -> TimeSpan {
        state.withLock { state in
            guard let rate = state.rate else { return .zero }
            let moment = Double(now.milliseconds)
            let from = max(state.freeAt, moment - Double(Self.burst.milliseconds))
            state.freeAt = from + Double(bytes) / rate * 1000
            return .milliseconds(Int64(max(0, from - moment).rounded(.up)))
        }
    }
}
