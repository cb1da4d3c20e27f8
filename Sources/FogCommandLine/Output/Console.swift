package import FogCore
internal import Glibc
internal import Synchronization

/// The two streams of the process: data on standard output, words for people on standard error.
///
/// A live line at the bottom of the terminal is taken away before other words are written, and drawn again after.
package final class Console: Sendable {
    package let style: Style
    package let errorStyle: Style
    package let isVerbose: Bool
    /// Whether live lines are drawn: only where a person looks.
    package let isLive: Bool
    private let outputIsTerminal: Bool
    private let live = Mutex("")

    package init(color: ColorChoice, isVerbose: Bool, isQuiet: Bool, environment: [String: String]) {
        outputIsTerminal = isatty(STDOUT_FILENO) == 1
        let errorIsTerminal = isatty(STDERR_FILENO) == 1
        style = Style(choice: color, environment: environment, isTerminal: outputIsTerminal)
        errorStyle = Style(choice: color, environment: environment, isTerminal: errorIsTerminal)
        self.isVerbose = isVerbose
        isLive = errorIsTerminal && !isQuiet && environment["TERM"] != "dumb"
    }

    /// Columns of the terminal behind standard output; nil when it is a file or a pipe, which take lines of any length.
    package var width: Int? { outputIsTerminal ? Self.columns(STDOUT_FILENO) : nil }

    private static func columns(_ descriptor: Int32) -> Int {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 20 else { return 80 }
        return Int(size.ws_col)
    }

    // MARK: Data

    package func print(_ text: String, terminator: String = "\n") {
        write(Array((text + terminator).utf8), STDOUT_FILENO)
    }
    package func print(_ table: Table) { print(table.text(width: width, style: style), terminator: "") }
    package func print(_ sheet: Sheet) { print(sheet.text(style: style), terminator: "") }
    package func print(_ json: JSON) { print(json.pretty) }
    /// One line of a stream of documents.
    package func printLine(_ json: JSON) { print(json.compact) }
    package func print(raw bytes: [UInt8]) { write(bytes, STDOUT_FILENO) }
    package func printError(raw bytes: [UInt8]) { write(bytes, STDERR_FILENO) }

    // MARK: Words

    package func note(_ text: String) { write(Array((text + "\n").utf8), STDERR_FILENO) }
    package func warn(_ text: String) { note(errorStyle.apply(.warning, to: "warning:") + " " + text) }
    /// Only with `-v`.
    package func detail(_ text: @autoclosure () -> String) {
        if isVerbose { note(errorStyle.apply(.faint, to: text())) }
    }

    /// Draws the line at the bottom anew; nil takes it away.
    package func show(live line: ((_ width: Int) -> String)?) {
        guard isLive else { return }
        let width = Self.columns(STDERR_FILENO)
        live.withLock { current in
            let next = line?(width) ?? ""
            guard next != current else { return }
            Self.writeAll(Array("\r\u{1b}[K\(next)".utf8), STDERR_FILENO)
            current = next
        }
    }

    private func write(_ bytes: [UInt8], _ descriptor: Int32) {
        live.withLock { line in
            guard !line.isEmpty else { return Self.writeAll(bytes, descriptor) }
            Self.writeAll(Array("\r\u{1b}[K".utf8), STDERR_FILENO)
            Self.writeAll(bytes, descriptor)
            // Under half a line the live one would stand behind its words.
            if bytes.last == 0x0a { Self.writeAll(Array(line.utf8), STDERR_FILENO) } else { line = "" }
        }
    }

    private static func writeAll(_ bytes: [UInt8], _ descriptor: Int32) {
        bytes.withUnsafeBytes { raw in
            var written = 0
            while written < raw.count {
                let count = Glibc.write(descriptor, raw.baseAddress?.advanced(by: written), raw.count - written)
                if count < 0, errno == EINTR { continue }
                if count < 0, errno == EAGAIN {
                    var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = poll(&ready, 1, -1)
                    continue
                }
                // The reader has left (`fog logs … | head`): end as SIGPIPE would, which the network library ignores.
                if count < 0, errno == EPIPE { _exit(141) }
                guard count > 0 else { return }
                written += count
            }
        }
    }
}
