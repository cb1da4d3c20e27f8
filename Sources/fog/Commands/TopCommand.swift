internal import ArgumentParser
import Dispatch
internal import FogAPI
internal import FogCommandLine
internal import FogCore
import Glibc

/// `fog top`: what the pool does now.
struct TopCommand: SessionCommand {
    static let configuration = CommandConfiguration(
        "top", "Watch the pool: rates, queues, machines, running tasks.",
        examples: ["fog top", "fog top --every 5s", "fog top -o json | head -1"],
        more: """
            On a terminal the screen is drawn anew until q or Ctrl-C. Otherwise it prints one look; with --output json \
            and --every, a document a line.
            """)

    @Option(help: "Time between two looks, 200ms to 1h; default 2s on a terminal.")
    var every: String?

    @OptionGroup var common: CommonOptions

    private func interval() throws -> TimeSpan? {
        guard let every else { return nil }
        guard let span = try? TimeSpan(every), (TimeSpan.milliseconds(200)...(.hours(1))).contains(span) else {
            throw CommandLineFailure("bad_time", "--every must be 200ms to 1h, found `\(every)`", status: .usage)
        }
        return span
    }

    func run(_ session: Session) async throws {
        let interval = try interval()
        let client = try await session.client()
        var top = TopScreen()
        top.add(try await Self.look(client, session))
        let isScreen = session.mode == .table && session.console.width != nil && isatty(STDIN_FILENO) == 1
        guard isScreen || (interval != nil && session.mode == .json) else {
            // Without a screen one look is all, unless a stream was asked for.
            switch session.mode {
            case .json: session.console.print(try top.document())
            case .quiet: for node in try await client.nodes().nodes { session.console.print(node.id.description) }
            case .table: session.console.print(top.text(), terminator: "")
            }
            return
        }
        guard isScreen else {
            while true {
                session.console.printLine(try top.document())
                try await Task.sleep(for: (interval ?? .seconds(2)).duration)
                top.add(try await Self.look(client, session))
            }
        }
        let screen = TerminalScreen()
        defer { screen.leave() }
        while true {
            screen.draw { top.text(width: $0, height: $1, style: session.console.style) }
            guard await screen.wait(interval ?? .seconds(2)) else { return }
            top.add(try await Self.look(client, session))
        }
    }

    private static func look(_ client: FogClient, _ session: Session) async throws -> TopScreen.Look {
        let (overview, nodes) = (try await client.overview(), try await client.nodes().nodes)
        return TopScreen.Look(overview: overview, nodes: nodes, at: session.clock.sinceBoot)
    }
}

/// The terminal's other screen, without echo; given back however the command ends.
private final class TerminalScreen: @unchecked Sendable {
    // Written once before any signal source runs, then only read.
    private var before = termios()
    private var sources: [any DispatchSourceSignal] = []

    init() {
        tcgetattr(STDIN_FILENO, &before)
        var raw = before
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
        tcsetattr(STDIN_FILENO, TCSANOW, &raw)
        Self.put("\u{1b}[?1049h\u{1b}[?25l")
        for number in [SIGINT, SIGTERM] {
            // Dispatch sees the signal only when its default, to end the process, is off.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { [self] in
                leave()
                _exit(number == SIGINT ? 0 : 128 + SIGTERM)
            }
            source.resume()
            sources.append(source)
        }
    }

    func leave() {
        Self.put("\u{1b}[?25h\u{1b}[?1049l")
        tcsetattr(STDIN_FILENO, TCSANOW, &before)
    }

    func draw(_ text: (_ width: Int, _ height: Int) -> String) {
        var size = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 20
        let lines = text(isKnown ? Int(size.ws_col) : 80, isKnown ? Int(size.ws_row) : 24)
            .split(separator: "\n", omittingEmptySubsequences: false)
        // Line by line, so that nothing flickers: home, each line and what is right of it gone, then all below.
        Self.put("\u{1b}[H" + lines.map { "\($0)\u{1b}[K" }.joined(separator: "\r\n") + "\u{1b}[J")
    }

    /// False when the person wants to leave: `q`, or the end of the input.
    func wait(_ span: TimeSpan) async -> Bool {
        await withCheckedContinuation { answer in
            DispatchQueue.global().async {
                var ready = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
                guard poll(&ready, 1, Int32(clamping: span.milliseconds)) > 0 else {
                    return answer.resume(returning: true)
                }
                var key: UInt8 = 0
                let count = read(STDIN_FILENO, &key, 1)
                answer.resume(returning: count == 1 && key != UInt8(ascii: "q"))
            }
        }
    }

    private static func put(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    }
}
