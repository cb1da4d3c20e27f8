internal import ArgumentParser
internal import FogCore
import Glibc
internal import Logging

/// How a service writes its log.
struct LogOptions: ParsableArguments {
    enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }

    /// The levels of swift-log.
    enum Level: String, CaseIterable, ExpressibleByArgument {
        case trace, debug, info, notice, warning, error, critical
    }

    @Option(help: "How log lines are written to standard error: text or json.")
    var logFormat = Format.text

    @Option(help: "What is logged: trace, debug, info, notice, warning, error or critical.")
    var logLevel: Level?

    /// - Parameter usual: the level where none is chosen.
    func logger(_ label: String, usual: Logger.Level) -> Logger {
        var logger = Logger(label: label) { [logFormat] label in
            switch logFormat {
            case .text: StreamLogHandler.standardError(label: label)
            case .json: JSONLogHandler(label: label)
            }
        }
        logger.logLevel = logLevel.flatMap { Logger.Level(rawValue: $0.rawValue) } ?? usual
        return logger
    }
}

/// A log record as one JSON document a line: `time`, `level`, `logger`, `message`, and the metadata as keys beside them.
struct JSONLogHandler: LogHandler {
    let label: String
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    private static let own: Set = ["time", "level", "logger", "message"]

    init(label: String) { self.label = label }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var members = [
            JSON.Member("time", .string(SystemClock().now.description)),
            JSON.Member("level", .string(event.level.rawValue)), JSON.Member("logger", .string(label)),
            JSON.Member("message", .string(event.message.description)),
        ]
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        for (name, value) in all.sorted(by: { $0.key < $1.key }) {
            members.append(JSON.Member(Self.own.contains(name) ? "metadata_\(name)" : name, Self.json(value)))
        }
        let line = Array((JSON.object(members).compact + "\n").utf8)
        // One write a line, so that lines of several threads do not mix.
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private static func json(_ value: Logger.Metadata.Value) -> JSON {
        switch value {
        case .string(let text): .string(text)
        case .stringConvertible(let thing): .string(thing.description)
        case .array(let values): .array(values.map(json))
        case .dictionary(let pairs):
            .object(pairs.sorted { $0.key < $1.key }.map { JSON.Member($0.key, json($0.value)) })
        }
    }
}
