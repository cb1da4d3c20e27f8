package import FogCore

/// One thing that is wrong with a manifest, and how to mend it.
package struct ManifestProblem: Hashable, Sendable, Codable {
    package enum Severity: String, Hashable, Sendable, Codable {
        case error
        /// The manifest is taken; something in it looks like a slip.
        case warning
    }

    package var severity: Severity
    /// Stable: `unknown_key`, `wrong_type`, `not_supported_yet`, …
    package var code: String
    /// One line that names the key, what was found and what was wanted.
    package var message: String
    /// `resources.memory`, `steps.count.needs[0]`; empty = the document.
    package var path: String
    /// Nil for a document without lines.
    package var mark: SourceMark?
    /// Columns to underline.
    package var width: Int
    package var found: String
    package var wanted: String
    package var help: String?

    package init(
        _ code: String, _ message: String, path: String = "", mark: SourceMark? = nil, width: Int = 1,
        found: String = "", wanted: String = "", help: String? = nil, severity: Severity = .error
    ) {
        self.severity = severity
        self.code = code
        self.message = message
        self.path = path
        self.mark = mark
        self.width = width
        self.found = found
        self.wanted = wanted
        self.help = help
    }

    /// For `--output json`.
    package var json: JSON {
        .object([
            "severity": .string(severity.rawValue), "code": .string(code), "message": .string(message),
            "path": .string(path), "line": mark.map { .integer(Int64($0.line)) },
            "column": mark.map { .integer(Int64($0.column)) }, "found": found.isEmpty ? nil : .string(found),
            "wanted": wanted.isEmpty ? nil : .string(wanted), "help": help.map { .string($0) },
        ])
    }
}

// MARK: - For people

extension ManifestProblem {
    /// The problem with the line it stands on, in the form that rustc made known.
    ///
    ///     error: unknown key `resorces`
    ///      --> bad.yaml:3:1
    ///     3 | resorces: {cpus: 4}
    ///       | ^^^^^^^^
    ///       = help: did you mean `resources`?
    ///
    /// - Parameter lines: the file's lines without their ends; a mark outside them is printed without its line.
    package func rendered(file: String, lines: [String]) -> String {
        func visible(_ text: String, keepingLines: Bool = false) -> String {
            SourceText.visible(text.unicodeScalars, keepingLines: keepingLines)
        }
        var out = "\(severity.rawValue): \(visible(message))\n"
        guard let mark else {
            if !path.isEmpty { out += " --> \(file): \(visible(path))\n" }
            return help.map { out + "  = help: \(visible($0))\n" } ?? out
        }
        out += " --> \(file):\(mark.line):\(mark.column)\n"
        let number = String(mark.line)
        let margin = String(repeating: " ", count: number.count)
        if lines.indices.contains(mark.line - 1) {
            let line = Array(lines[mark.line - 1].unicodeScalars)
            let start = max(0, min(mark.column - 1, line.count))
            let carets = max(1, min(width, line.count - start))
            out += "\(number) | \(SourceText.visible(line))\n"
            // A tab before the mark stays a tab, so that the carets stand under the word at any tab width.
            let indent = line[..<start].map { $0 == "\t" ? "\t" : " " }.joined()
            out += "\(margin) | \(indent)\(String(repeating: "^", count: carets))\n"
        }
        if let help = help.map({ visible($0, keepingLines: true) }) {
            for (index, line) in help.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                out += index == 0 ? "\(margin) = help: \(line)\n" : "\(margin)         \(line)\n"
            }
        }
        return out
    }
}

extension [ManifestProblem] {
    package var hasErrors: Bool { contains { $0.severity == .error } }

    /// All of them, an empty line between, in the order of their places.
    package func rendered(file: String, lines: [String]) -> String {
        map { $0.rendered(file: file, lines: lines) }.joined(separator: "\n")
    }
}
