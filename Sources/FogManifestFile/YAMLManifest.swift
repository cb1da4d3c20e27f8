internal import FogCore
package import FogJobs
internal import Yams

/// Reads YAML (and with it JSON) into a ``ManifestNode``: the only place that knows the YAML library.
///
/// Text stays text: the library's own reading of `no`, `1e3` or `10:00` is switched off. Anchors, aliases, tags, more
/// than one document, and what is too large or too deep are refused.
package enum YAMLManifest {
    /// - Returns: the tree, nil when there is none; and what is wrong with its outer form.
    package static func node(_ text: String) -> (node: ManifestNode?, problems: [ManifestProblem]) {
        let size = text.utf8.count
        guard size <= ManifestLimits.maxBytes else {
            let wanted = "at most \(ManifestLimits.maxBytes) bytes"
            return (
                nil,
                [
                    ManifestProblem(
                        "manifest_too_large", "the manifest has \(size) bytes, wanted \(wanted)",
                        found: "\(size) bytes", wanted: wanted, help: "a long list of values goes into a CSV sweep")
                ]
            )
        }
        var composer = YAMLComposer(text: text)
        return composer.compose()
    }
}

private struct YAMLComposer {
    let text: String
    var problems: [ManifestProblem] = []
    /// Keys that stood twice, by what replaced them: see ``replaceDuplicate(_:in:)``.
    private var originals: [String: String] = [:]

    /// Duplicate keys told at once.
    private static let maxDuplicates = 32
    private static let firstPrivateScalar: UInt32 = 0xe000

    init(text: String) {
        self.text = text
    }

    mutating func compose() -> (node: ManifestNode?, problems: [ManifestProblem]) {
        var source = text
        for _ in 0...Self.maxDuplicates {
            do {
                // An anchor lives as long as its parser, and is how an alias is seen: keep the parser.
                let parser = try Parser(yaml: source, resolver: .basic, constructor: .default, encoding: .utf8)
                guard let root = try parser.singleRoot() else { return (nil, [empty]) }
                let node = withExtendedLifetime(parser) { convert(root, depth: 1) }
                return (node, problems)
            } catch YamlError.duplicatedKeysInMapping(let names, let context) {
                let mark = SourceMark(line: context.mark.line, column: context.mark.column)
                guard let name = names.sorted().first, let next = replaceDuplicate(name, at: mark, in: source) else {
                    return (nil, [YAMLSyntax.duplicate(names.sorted().first ?? "", mark)])
                }
                source = next
            } catch {
                return (nil, problems + [YAMLSyntax.problem(of: error, in: text)])
            }
        }
        return (nil, [YAMLSyntax.duplicate("", SourceMark(line: 1, column: 1))])
    }

    private var empty: ManifestProblem {
        ManifestProblem(
            "empty", "the manifest is empty", mark: SourceMark(line: 1, column: 1), found: "nothing",
            wanted: "a map of keys", help: "for example `run: echo hello`")
    }

    /// The library stops at a key that stands twice and names only the first. So the first is written over with
    /// private characters, as many as it had so that columns stay, and the text is read again; ``convert(_:depth:)``
    /// puts the name back, and the parser meets both keys at their true places.
    private mutating func replaceDuplicate(_ name: String, at mark: SourceMark, in source: String) -> String? {
        var lines = source.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map(Array.init)
        guard lines.indices.contains(mark.line - 1), !name.isEmpty, !name.contains("\n") else { return nil }
        let line = lines[mark.line - 1]
        let start = mark.column - 1
        guard start >= 0, start < line.count,
            let placeholder = Unicode.Scalar(Self.firstPrivateScalar + UInt32(originals.count))
        else { return nil }
        let isQuoted = line[start] == "\"" || line[start] == "'"
        let from = isQuoted ? start + 1 : start
        let scalars = Array(name.unicodeScalars)
        guard line[from...].starts(with: scalars) else { return nil }
        let replacement = Array(repeating: placeholder, count: scalars.count)
        originals[String(String.UnicodeScalarView(replacement))] = name
        lines[mark.line - 1].replaceSubrange(from..<from + scalars.count, with: replacement)
        return String(String.UnicodeScalarView(lines.joined(separator: ["\n"])))
    }

    // MARK: - The tree

    private mutating func convert(_ node: Node, depth: Int) -> ManifestNode {
        let mark = node.mark.map { SourceMark(line: $0.line, column: $0.column) }
        let nothing = ManifestNode(.scalar("", quoted: false), at: mark)
        guard depth <= ManifestLimits.maxDepth else {
            report("manifest_too_deep", "a manifest nests at most \(ManifestLimits.maxDepth) levels", mark)
            return nothing
        }
        // An alias shares the node of its anchor: not going in keeps the work linear in the text.
        if let anchor = node.anchor {
            report(
                "alias", "anchors and aliases are not supported, found `&\(anchor.rawValue)`", mark,
                help: "write the value out; a text that begins with `&` or `*` goes in quotes")
            return nothing
        }
        if isTagged(node) {
            report(
                "tag", "tags are not supported, found `\(node.tag)`", mark,
                help: "remove it; a text that begins with `!` goes in quotes")
            return nothing
        }
        switch node {
        case .scalar(let scalar):
            let isPlain = scalar.style == .plain || scalar.style == .any
            return ManifestNode(.scalar(scalar.string, quoted: !isPlain), at: mark)
        case .sequence(let sequence):
            return ManifestNode(.sequence(sequence.map { convert($0, depth: depth + 1) }), at: mark)
        case .mapping(let mapping):
            var entries: [ManifestNode.Entry] = []
            for (key, value) in mapping {
                guard let entry = entry(key, value, depth: depth) else { continue }
                entries.append(entry)
            }
            return ManifestNode(.mapping(entries), at: mark)
        case .alias: return nothing
        }
    }

    private mutating func entry(_ key: Node, _ value: Node, depth: Int) -> ManifestNode.Entry? {
        let mark = key.mark.map { SourceMark(line: $0.line, column: $0.column) }
        guard case .scalar(let scalar) = key, key.anchor == nil else {
            report("bad_key", "a key must be text", mark, help: "put it in quotes, as in \"{index}\"")
            return nil
        }
        return ManifestNode.Entry(
            key: originals[scalar.string] ?? scalar.string, keyMark: mark, value: convert(value, depth: depth + 1))
    }

    private func isTagged(_ node: Node) -> Bool {
        ![Tag.Name.implicit, .nonSpecific, .str, .seq, .map].map(\.rawValue).contains(node.tag.description)
    }

    /// Once for a place: every alias of an anchor leads to the same node.
    private mutating func report(_ code: String, _ message: String, _ mark: SourceMark?, help: String? = nil) {
        let problem = ManifestProblem(code, message, mark: mark, help: help)
        guard problems.count < ManifestLimits.maxProblems, !problems.contains(problem) else { return }
        problems.append(problem)
    }
}
