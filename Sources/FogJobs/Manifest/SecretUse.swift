/// A secret that a step wants, and where it wants it. Its value is never part of a manifest.
package struct SecretUse: Hashable, Sendable, Codable {
    package enum Place: Hashable, Sendable, Codable {
        /// `/run/secrets/NAME`, for the task alone.
        case file
        case variable(String)
    }

    package static let maxCount = 32
    /// Of one value, in bytes.
    package static let maxValueBytes = 16 << 10
    /// Of all values of a job together, in bytes.
    package static let maxTotalBytes = 64 << 10
    package static let variablePrefix = "env:"

    package var name: String
    package var place: Place

    package init(name: String, place: Place = .file) {
        self.name = name
        self.place = place
    }

    /// Letters, digits, `.`, `_` and `-`, not first a dot, at most 63: a file's name.
    package static func isName(_ text: String) -> Bool {
        ManifestReading.isPlainWord(text[...]) && !text.contains("/") && !text.hasPrefix(".")
    }

    /// As a manifest writes the place: `file`, `env:NAME`.
    var placeText: String {
        switch place {
        case .file: "file"
        case .variable(let name): Self.variablePrefix + name
        }
    }

    /// What is wrong with a value, to be put behind `the secret NAME`; nil when nothing is.
    package static func mistake(inValue value: String) -> String? {
        if value.isEmpty { return "is empty" }
        if value.utf8.count > maxValueBytes { return "has \(value.utf8.count) bytes, at most \(maxValueBytes)" }
        return value.utf8.contains(0) ? "has a zero byte; send it as base64" : nil
    }
}

extension JobSpec {
    /// Names of the secrets that its steps want, sorted.
    package var secretNames: [String] { Set(steps.flatMap(\.secrets).map(\.name)).sorted() }

    /// What is wrong with the values that came with it, or nil: one is missing, one too many, or one that cannot be.
    package func mistake(inSecrets values: [String: String]) -> String? {
        let wanted = secretNames
        if let missing = wanted.first(where: { values[$0] == nil }) {
            return "the manifest wants the secret `\(missing)`, and no value came with it"
        }
        if let extra = values.keys.sorted().first(where: { !wanted.contains($0) }) {
            return "no step wants the secret `\(clipped(extra))`"
        }
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            if let mistake = SecretUse.mistake(inValue: value) { return "the secret `\(name)` \(mistake)" }
        }
        let total = values.values.reduce(0) { $0 + $1.utf8.count }
        return total > SecretUse.maxTotalBytes
            ? "the secrets have \(total) bytes together, at most \(SecretUse.maxTotalBytes)" : nil
    }
}

/// `secrets`.
extension ManifestReading {
    mutating func readSecrets(_ node: ManifestNode, _ path: String) -> [SecretUse]? {
        var uses: [SecretUse] = []
        if case .mapping = node.content {
            let entries = reader.readMap(
                node, path, wanted: "a list of names, or a map of names to places", limit: SecretUse.maxCount)
            for entry in entries ?? [] {
                let place = "\(path).\(entry.key)"
                let key = ManifestNode(.scalar(entry.key, quoted: false), at: entry.keyMark)
                guard let use = secretName(entry.key, key, place).map({ SecretUse(name: $0) }),
                    let target = secretPlace(entry.value, place)
                else { continue }
                uses.append(SecretUse(name: use.name, place: target))
            }
        } else {
            let list = reader.readList(
                node, path, wanted: "a list of names, or a map of names to places", limit: SecretUse.maxCount)
            guard let list else { return nil }
            for located in readTexts(list, path, wanted: "a name") {
                guard let name = secretName(located.text, located.node, located.path) else { continue }
                guard !uses.contains(where: { $0.name == name }) else {
                    reader.report(
                        "duplicate", at: located.node, located.path, "secret `\(clipped(name))` stands twice",
                        wanted: "each secret once")
                    continue
                }
                uses.append(SecretUse(name: name))
            }
        }
        return uses.sorted { $0.name < $1.name }
    }

    private mutating func secretName(_ text: String, _ node: ManifestNode, _ path: String) -> String? {
        guard SecretUse.isName(text) else {
            let help = text.contains("=") || text.contains("@") ? "a value is given by `--secret NAME=@FILE`" : nil
            reader.refuse(
                "bad_name", node, path, wanted: "a name of letters, digits, `.`, `_` and `-`, at most 63 long",
                help: help)
            return nil
        }
        return text
    }

    private mutating func secretPlace(_ node: ManifestNode, _ path: String) -> SecretUse.Place? {
        let wanted = "file, or env:VARIABLE"
        guard let text = reader.readText(node, path, wanted: wanted) else { return nil }
        if text == "file" { return .file }
        let name = String(text.dropFirst(SecretUse.variablePrefix.count))
        guard text.hasPrefix(SecretUse.variablePrefix), Template.isName(name), !name.hasPrefix("FOG_") else {
            let help = Template.isName(text) ? "write env:\(text)" : nil
            reader.refuse("bad_value", node, path, wanted: wanted, help: help)
            return nil
        }
        return .variable(name)
    }
}
