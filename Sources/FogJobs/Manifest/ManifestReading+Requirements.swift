internal import FogCore

/// `requires`.
extension ManifestReading {
    mutating func readRequires(_ node: ManifestNode, _ path: String) -> [Requirement]? {
        let list = reader.readList(node, path, wanted: "a list of requirements", limit: ManifestLimits.maxListed)
        guard let list else { return nil }
        return readTexts(list, path, wanted: "a requirement").compactMap { located in
            guard let requirement = Self.requirement(located.text) else {
                reader.refuse(
                    "bad_value", located.node, located.path,
                    wanted: "a requirement such as arch:x86_64, ffmpeg or python3>=3.11",
                    help: Self.advice(for: located.text))
                return nil
            }
            if case .architecture(let name) = requirement, let ours = Self.architectures[name] {
                reader.refuse(
                    "bad_value", located.node, located.path, wanted: "an architecture as `uname -m` says it",
                    help: "write arch:\(ours)")
                return nil
            }
            return requirement
        }
    }

    /// Other names of architectures, and the kernel's.
    private static let architectures = [
        "amd64": "x86_64", "x64": "x86_64", "x86-64": "x86_64", "arm64": "aarch64", "armv8": "aarch64",
    ]

    /// Those of two characters first, so that `>=` is not read as `>`.
    private static let comparisons = Requirement.Comparison.allCases.sorted { $0.rawValue.count > $1.rawValue.count }

    private static let kinds = ["arch", "label", "node", "owner"]

    /// Nil when the text is no requirement.
    static func requirement(_ text: String) -> Requirement? {
        if let colon = text.firstIndex(of: ":") {
            let name = String(text[text.index(after: colon)...])
            // A label may have a value: `label:room=12`.
            let parts = name.split(separator: "=", omittingEmptySubsequences: false)
            guard parts.count == 1 || (parts.count == 2 && text[..<colon] == "label"), parts.allSatisfy(isPlainWord)
            else { return nil }
            switch text[..<colon] {
            case "arch": return .architecture(name)
            case "label": return .label(name)
            case "node": return .node(name)
            case "owner": return .owner(name)
            default: return nil
            }
        }
        let name = text.prefix { !"<>=".contains($0) }
        guard isProgram(name) else { return nil }
        let rest = text.dropFirst(name.count)
        if rest.isEmpty { return .program(String(name), nil, "") }
        guard let comparison = comparisons.first(where: { rest.hasPrefix($0.rawValue) }) else { return nil }
        let version = rest.dropFirst(comparison.rawValue.count)
        guard version.first?.isNumber ?? false, isPlainWord(version) else { return nil }
        return .program(String(name), comparison, String(version))
    }

    private static func isProgram(_ name: Substring) -> Bool {
        let plain = String(name.filter { $0 != "+" })
        return !name.isEmpty && !name.contains("/") && (plain.isEmpty || isPlainWord(plain[...]))
    }

    private static func advice(for text: String) -> String? {
        if let colon = text.firstIndex(of: ":") {
            let kind = String(text[..<colon])
            let synonyms = [
                "architecture": "arch", "tag": "label", "host": "node", "hostname": "node", "user": "owner",
            ]
            return (synonyms[kind] ?? nearest(to: kind, among: kinds)).map {
                "did you mean `\($0):\(text[text.index(after: colon)...].filter { $0 != " " })`?"
            }
        }
        let plain = text.filter { $0 != " " }
        if plain != text, requirement(plain) != nil { return "write \(plain)" }
        if let equals = plain.firstIndex(of: "="), plain.filter({ $0 == "=" }).count == 1 {
            let better = plain.replacing(equals, by: "==")
            return requirement(better) == nil ? nil : "write \(better)"
        }
        return nil
    }
}

extension String {
    fileprivate func replacing(_ index: Index, by text: String) -> String {
        String(self[..<index]) + text + String(self[self.index(after: index)...])
    }
}
