internal import FogCore

/// What can be set for every command, by flag, environment or file.
package enum SettingKey: String, Sendable, CaseIterable {
    case server, context, identity, output, color, timeout
    case insecurePlaintext = "insecure_plaintext"
    case notifyCommand = "notify.command"
    case notifyEvents = "notify.events"

    package var meaning: String {
        switch self {
        case .server: "address of the coordinator (default: the context's)"
        case .context: "which of `fog context list` is meant (default: the current one)"
        case .identity: "file with the key to sign with (default: the context's)"
        case .output: "table, json or quiet"
        case .color: "auto, always or never"
        case .timeout: "longest wait for an ordinary answer"
        case .insecurePlaintext: "true: speak plain HTTP to other machines"
        case .notifyCommand: "program that a coordinator runs for events, with the event's JSON as its input"
        case .notifyEvents: "which events, with commas between: job_failed, job_*, … (default: ends, holds, trouble)"
        }
    }

    package var defaultText: String {
        switch self {
        case .server, .context, .identity, .notifyCommand, .notifyEvents: ""
        case .output: OutputMode.table.rawValue
        case .color: ColorChoice.auto.rawValue
        case .timeout: "30s"
        case .insecurePlaintext: "false"
        }
    }

    package var variable: String { "FOG_" + String(rawValue.uppercased().map { $0 == "." ? "_" : $0 }) }

    /// Keys of configuration files that belong to services of this installation.
    package static let otherSections = ["coordinator", "worker", "dev"]

    /// The section of the keys with a dot in their name.
    package static let notifySection = "notify"

    /// What is wrong with a value, behind the key's name; nil when nothing is.
    package func mistake(in text: String) -> String? {
        switch self {
        case .server:
            return text.isEmpty || text.hasPrefix("http://") || text.hasPrefix("https://")
                ? nil : "must read https://HOST:PORT, found `\(text)`"
        case .context:
            return text.isEmpty || ContextsFile.isName(text) ? nil : "must be a context's name, found `\(text)`"
        case .identity: return nil
        case .notifyCommand:
            return text.isEmpty || text.hasPrefix("/") ? nil : "must be the absolute path of a program, found `\(text)`"
        case .notifyEvents:
            let isGood = text.utf8.allSatisfy { (0x61...0x7a).contains($0) || [0x20, 0x2a, 0x2c, 0x5f].contains($0) }
            return isGood ? nil : "must be kinds of events such as `job_failed, node_*`, found `\(text)`"
        case .output: return Self.oneOf(OutputMode.allCases.map(\.rawValue), text)
        case .color: return Self.oneOf(ColorChoice.allCases.map(\.rawValue), text)
        case .insecurePlaintext: return Self.oneOf(["true", "false"], text)
        case .timeout:
            guard let span = try? TimeSpan(text) else { return "must read 30s or 2m, found `\(text)`" }
            return span >= .seconds(1) && span <= .hours(1) ? nil : "must be 1s to 1h, found `\(text)`"
        }
    }

    private static func oneOf(_ words: [String], _ text: String) -> String? {
        guard !words.contains(text) else { return nil }
        let near = nearest(to: text, among: words).map { ": did you mean `\($0)`?" } ?? ""
        return "must be one of \(words.joined(separator: ", ")), found `\(text)`\(near)"
    }
}
