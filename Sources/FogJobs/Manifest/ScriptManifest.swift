internal import FogCore

/// A script that carries its manifest in comment lines, as people know it from batch systems.
///
///     #!/bin/bash
///     #FOG name: train
///     #FOG resources: {cpu: 4, time: 2h}
///     ./train --epochs 10
///
/// The lines are YAML at their own place in the file, so positions in messages are those of the script. The script
/// itself becomes an input and is run by the interpreter of its `#!` line, or by /bin/sh.
package struct ScriptManifest: Sendable {
    /// The `#FOG` lines at their lines and columns, everything else blank.
    package let yaml: String
    /// `#SBATCH` lines with Fog's words for them; directives that stand too late.
    package let problems: [ManifestProblem]

    private let command: [String]
    private let fileName: String

    /// Whether a text is a script rather than a manifest.
    package static func isScript(_ text: String) -> Bool {
        if text.hasPrefix("#!") { return true }
        return text.utf8.split(separator: 0x0a).contains { line in
            line.first == UInt8(ascii: "#") && (line.starts(with: "#FOG ".utf8) || line.starts(with: "#SBATCH ".utf8))
        }
    }

    /// - Parameter fileName: the script's name in its folder.
    package init(_ text: String, fileName: String) {
        let lines = SourceText.lines(of: text)
        var blanked: [String] = []
        var problems: [ManifestProblem] = []
        var hasBegun = false
        for (index, line) in lines.enumerated() {
            let mark = SourceMark(line: index + 1, column: 1)
            let isDirective = line.hasPrefix("#FOG ") || line.hasPrefix("#FOG\t") || line == "#FOG"
            blanked.append(isDirective && !hasBegun ? "     " + line.dropFirst(5) : "")
            if isDirective, hasBegun {
                problems.append(
                    ManifestProblem(
                        "late_directive", "#FOG stands after the first command", mark: mark, width: 4, found: line,
                        wanted: "#FOG lines before the first command", help: "move it to the head of the script"))
            }
            if !hasBegun, !isDirective, let slip = Self.slip(line, mark) { problems.append(slip) }
            hasBegun = hasBegun || !(line.hasPrefix("#") || line.allSatisfy(\.isWhitespace))
        }
        self.yaml = blanked.joined(separator: "\n")
        self.problems = BatchDirectives.problems(in: lines) + problems
        self.fileName = fileName
        command = Self.interpreter(lines.first ?? "") + ["./" + Template.escaped(fileName)]
    }

    /// `# FOG name: x` and `#fog name: x` are comments; the writer may have meant more.
    private static func slip(_ line: String, _ mark: SourceMark) -> ManifestProblem? {
        let plain = line.filter { $0 != " " && $0 != "\t" }.lowercased()
        guard plain.hasPrefix("#fog"), let colon = plain.firstIndex(of: ":"),
            ManifestKeys.ofJob.contains(String(plain[..<colon].dropFirst(4)))
        else { return nil }
        return ManifestProblem(
            "bad_directive", "`\(clipped(line))` is a comment", mark: mark, width: line.unicodeScalars.count,
            found: line, wanted: "#FOG key: value", help: "write `#FOG key: value`", severity: .warning)
    }

    /// As the kernel reads a `#!` line: the interpreter, and what follows as one argument (execve(2)).
    private static func interpreter(_ line: String) -> [String] {
        guard line.hasPrefix("#!") else { return ["/bin/sh"] }
        let words = line.dropFirst(2).split(maxSplits: 1) { $0 == " " || $0 == "\t" }
        guard let program = words.first else { return ["/bin/sh"] }
        var argument = words.count == 2 ? words[1].drop { $0 == " " || $0 == "\t" } : ""
        while let last = argument.last, last == " " || last == "\t" { argument = argument.dropLast() }
        return [String(program)] + (argument.isEmpty ? [] : [String(argument)])
    }

    /// The manifest: what the `#FOG` lines say, and the script as command and input.
    /// - Parameter parsed: ``yaml`` as a tree; nil when it has no keys.
    package func node(with parsed: ManifestNode?) -> (node: ManifestNode, problems: [ManifestProblem]) {
        let start = SourceMark(line: 1, column: 1)
        let root = parsed ?? ManifestNode(.mapping([]), at: start)
        guard case .mapping(var entries) = root.content else { return (root, problems) }
        var problems = problems
        entries.removeAll { entry in
            guard ["run", "command", "steps"].contains(entry.key) else { return false }
            problems.append(
                ManifestProblem(
                    "conflict", "`\(entry.key)` cannot stand in a script: the script is what runs", path: entry.key,
                    mark: entry.keyMark, width: entry.key.count, found: entry.key, wanted: "no `\(entry.key)`",
                    help: "write a manifest file for more than one command"))
            return true
        }
        let words = command.map { ManifestNode.text($0, at: start) }
        entries.append(.init(key: "command", keyMark: start, value: ManifestNode(.sequence(words), at: start)))
        addScript(to: &entries, at: start)
        return (ManifestNode(.mapping(entries), at: root.mark), problems)
    }

    private func addScript(to entries: inout [ManifestNode.Entry], at start: SourceMark) {
        let script = ManifestNode.text(Template.escaped(fileName), at: start)
        let place = entries.firstIndex { $0.key == "inputs" }
        guard let place else {
            let list = ManifestNode(.sequence([script]), at: start)
            entries.append(.init(key: "inputs", keyMark: start, value: list))
            return
        }
        var inputs = entries[place].value
        switch inputs.content {
        case .sequence(let elements): inputs.content = .sequence(elements + [script])
        case .mapping(let members):
            let member = ManifestNode.Entry(key: Template.escaped(fileName), keyMark: start, value: script)
            inputs.content = .mapping(members + [member])
        case .scalar: return
        }
        entries[place] = .init(key: "inputs", keyMark: entries[place].keyMark, value: inputs)
    }
}
