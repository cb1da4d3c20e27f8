internal import FogCore

/// Writes logs where they belong: as they came for one task, whole lines with the task's number for several.
package actor LogPrinter {
    package enum Form: Sendable {
        /// Standard output to standard output, standard error to standard error, byte for byte.
        case raw
        /// Whole lines behind the task's number.
        case prefixed
        /// A JSON document a line.
        case json
    }

    /// A line that is longer is printed in parts.
    private static let maxLine = 64 << 10

    private struct Source: Hashable {
        let task: UInt32
        let stream: LogStreamName
    }

    private let console: Console
    private let form: Form
    private var waiting: [Source: (token: UInt32, bytes: [UInt8])] = [:]

    package init(console: Console, form: Form) {
        self.console = console
        self.form = form
    }

    package func receive(_ event: LogFollower.Event) {
        switch event {
        case .again(let task, let token):
            flush(task)
            console.note("task \(task) runs again (attempt \(token))")
        case .withheld(let task, let stream, let bytes):
            flush(task)
            console.note(
                "\(bytes) more bytes of task \(task)'s \(stream.rawValue) are not shown: the attempt was not paid (see `fog job show`)"
            )
        case .piece(let piece) where form == .raw:
            switch piece.stream {
            case .stdout: console.print(raw: piece.bytes)
            case .stderr: console.printError(raw: piece.bytes)
            }
        case .piece(let piece): split(piece)
        }
    }

    /// Prints the last lines that have no end.
    package func finish() {
        for task in Set(waiting.keys.map(\.task)).sorted() { flush(task) }
    }

    private func flush(_ task: UInt32) {
        for stream in LogStreamName.allCases {
            guard let rest = waiting.removeValue(forKey: Source(task: task, stream: stream)) else { continue }
            if !rest.bytes.isEmpty { line(rest.bytes, task, rest.token, stream) }
        }
    }

    private func split(_ piece: LogPiece) {
        let source = Source(task: piece.task, stream: piece.stream)
        var bytes = waiting.removeValue(forKey: source)?.bytes ?? []
        for byte in piece.bytes {
            if byte == 0x0a || bytes.count == Self.maxLine {
                line(bytes, piece.task, piece.token, piece.stream)
                bytes.removeAll(keepingCapacity: true)
            }
            if byte != 0x0a { bytes.append(byte) }
        }
        waiting[source] = (piece.token, bytes)
    }

    private func line(_ bytes: [UInt8], _ task: UInt32, _ token: UInt32, _ stream: LogStreamName) {
        guard form == .prefixed else {
            return console.printLine(
                .object([
                    "task": .integer(Int64(task)), "token": token == 0 ? nil : .integer(Int64(token)),
                    "stream": .string(stream.rawValue), "line": .string(String(decoding: bytes, as: UTF8.self)),
                ]))
        }
        let out = Array("\(task) | ".utf8) + bytes + [0x0a]
        switch stream {
        case .stdout: console.print(raw: out)
        case .stderr: console.printError(raw: out)
        }
    }
}
