internal import FogCore
package import FogJobs

/// What can be set for every command, by flag, environment or file.
package enum SettingKey: String, Sendable, CaseIterable {
    case server, context, identity, output, color, timeout
    case insecurePlaintext = "insecure_plaintext"
    case notifyCommand = "notify.command"
    case notifyEvents = "notify.events"
    case proxyAllowAddresses = "proxy.allow_addresses"

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
        case .proxyAllowAddresses:
            "addresses of this machine's networks that tasks may reach, with commas between: 10.1.0.0/16 (default: none)"
        }
    }

    package var defaultText: String {
        switch self {
        case .server, .context, .identity, .notifyCommand, .notifyEvents, .proxyAllowAddresses: ""
        case .output: OutputMode.table.rawValue
        case .color: ColorChoice.auto.rawValue
        case .timeout: "30s"
        case .insecurePlaintext: "false"
        }
    }

    package var variable: String { "FOG_" + String(rawValue.uppercased().map { $0 == "." ? "_" : $0 }) }

    /// Keys of configuration files that belong to services of this installation.
    package static let otherSections = ["coordinator", "worker", "dev"]

    /// The sections of the keys with a dot in their name.
    package static let sections = ["notify", "proxy"]

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
        case .proxyAllowAddresses:
            return Self.ranges(in: text) == nil
                ? "must be addresses or ranges such as `127.0.0.1/32, fd00::/8`, found `\(text)`" : nil
        case .output: return Self.oneOf(OutputMode.allCases.map(\.rawValue), text)
        case .color: return Self.oneOf(ColorChoice.allCases.map(\.rawValue), text)
        case .insecurePlaintext: return Self.oneOf(["true", "false"], text)
        case .timeout:
            guard let span = try? TimeSpan(text) else { return "must read 30s or 2m, found `\(text)`" }
            return span >= .seconds(1) && span <= .hours(1) ? nil : "must be 1s to 1h, found `\(text)`"
        }
    }

    /// Ranges of addresses with commas between; nil when one of them is none.
    package static func ranges(in text: String) -> [NetworkRange]? {
        let parts = text.split(separator: ",").map { $0.filter { $0 != " " } }.filter { !$0.isEmpty }
        let ranges = parts.compactMap { NetworkRange($0) }
        return ranges.count == parts.count ? ranges : nil
    }

    private static func oneOf(_ words: [String], _ text: String) -> String? {
        guard !words.contains(text) else { return nil }
        let near = nearest(to: text, among: words).map { ": did you mean `\($0)`?" } ?? ""
        return "must be one of \(words.joined(separator: ", ")), found `\(text)`\(near)"
    }
}
