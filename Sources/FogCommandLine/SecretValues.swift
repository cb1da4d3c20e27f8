internal import FogCore
package import FogJobs
internal import FogManifestFile

/// Values of secrets as commands take them: `NAME=@FILE`, or `NAME` for the environment's. Never the value itself, which
/// everybody on the machine could read in the list of processes.
package struct SecretValues: Sendable {
    package let values: [String: String]

    /// - Throws: `misuse`, `unreadable`, `bad_secret`.
    package init(_ texts: [String], variables: [String: String]) throws {
        var values: [String: String] = [:]
        for text in texts {
            let name = String(text.prefix { $0 != "=" })
            guard SecretUse.isName(name) else { throw Self.misuse("takes NAME=@FILE, or NAME of a variable") }
            let value: String
            if name.count == text.count {
                guard let found = variables[name] else {
                    throw Self.misuse("\(name): no variable of this name is set")
                }
                value = found
            } else {
                let source = text.dropFirst(name.count + 1)
                guard source.hasPrefix("@"), source.count > 1 else {
                    throw Self.misuse("\(name): write \(name)=@FILE; a value on the command line can be read by others")
                }
                value = try Self.read(String(source.dropFirst()), name)
            }
            if let mistake = SecretUse.mistake(inValue: value) {
                throw CommandLineFailure("bad_secret", "the secret \(name) \(mistake)", status: .badData)
            }
            guard values.updateValue(value, forKey: name) == nil else { throw Self.misuse("\(name) stands twice") }
        }
        self.values = values
    }

    private static func misuse(_ words: String) -> CommandLineFailure {
        CommandLineFailure("misuse", "--secret \(words)", status: .usage)
    }

    private static func read(_ path: String, _ name: String) throws -> String {
        guard let bytes = try Disk.readSmall(path) else {
            throw CommandLineFailure("unreadable", "the secret \(name): \(path) is not there", status: .badData)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandLineFailure(
                "bad_secret", "the secret \(name): \(path) is not text in UTF-8", help: "send it as base64",
                status: .badData)
        }
        return text
    }

    /// Held against what the manifest wants, before anything is sent.
    /// - Throws: `bad_secret`.
    package func checked(against spec: JobSpec) throws -> [String: String]? {
        if let mistake = spec.mistake(inSecrets: values) {
            throw CommandLineFailure(
                "bad_secret", mistake, help: spec.secretNames.isEmpty ? nil : "--secret NAME=@FILE for each",
                status: .badData)
        }
        return values.isEmpty ? nil : values
    }
}
