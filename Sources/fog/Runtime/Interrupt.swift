import Dispatch
internal import FogCommandLine
import Glibc

/// What Ctrl-C and SIGTERM do while a command waits: it says what goes on without it, and ends.
final class Interrupt {
    private let sources: [any DispatchSourceSignal]

    /// - Parameter message: told on standard error.
    init(_ console: Console, _ message: String) {
        sources = [SIGINT, SIGTERM].map { number in
            // Dispatch sees the signal only when its default, to end the process, is off.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                console.show(live: nil)
                console.note(message)
                _exit(number == SIGINT ? ExitStatus.interrupted.rawValue : 128 + SIGTERM)
            }
            source.resume()
            return source
        }
    }

    /// Back to the default.
    func cancel() {
        for source in sources { source.cancel() }
        signal(SIGINT, SIG_DFL)
        signal(SIGTERM, SIG_DFL)
    }

    static func detached(_ id: String) -> String { "detached; job \(id) still runs: fog logs -f \(id)" }
}
