internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import Synchronization

/// A ``ProgressLine`` on the terminal, drawn at most so often; without a terminal, a plain line now and then.
final class LiveProgress: Sendable {
    private static let redraw = TimeSpan.milliseconds(100)
    private static let plainEvery = TimeSpan.seconds(30)

    private struct State {
        var line: ProgressLine
        var lastDrawn: TimeSpan?
    }

    private let console: Console
    private let clock: any FogClock
    private let label: String
    /// Without a terminal, a line now and then.
    private let isPlain: Bool
    private let state: Mutex<State>

    /// - Parameter onlyLive: nothing at all without a terminal.
    init(
        _ session: Session, label: String, total: Int64, unit: ProgressLine.Unit = .things, onlyLive: Bool = false
    ) {
        console = session.console
        clock = session.clock
        self.label = label
        isPlain = session.mode == .table && !onlyLive
        state = Mutex(State(line: ProgressLine(total: total, unit: unit)))
    }

    func update(done: Int64, failed: Int64 = 0) {
        let now = clock.sinceBoot
        let line: ProgressLine? = state.withLock { state in
            state.line.update(done: done, failed: failed, at: now)
            let interval = console.isLive ? Self.redraw : Self.plainEvery
            // Without a terminal the first look says nothing new.
            let due = state.lastDrawn.map { now - $0 >= interval } ?? console.isLive
            if due || state.lastDrawn == nil { state.lastDrawn = now }
            return due ? state.line : nil
        }
        guard let line else { return }
        if console.isLive {
            let label = label
            console.show { width in
                label.isEmpty ? line.text(width: width) : "\(label) \(line.text(width: width - label.count - 1))"
            }
        } else if isPlain {
            console.note(label.isEmpty ? line.plain : "\(label) \(line.plain)")
        }
    }

    /// Of a whole that is only known on the way.
    func update(done: Int64, of total: Int64) {
        state.withLock { $0.line.total = total }
        update(done: done)
    }

    func update(_ job: JobBody) {
        update(done: Int64(job.counts.final), failed: Int64(job.counts[.failed]))
    }

    func finish() { console.show(live: nil) }
}
