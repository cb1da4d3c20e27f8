internal import FogCore
internal import FogJobs
internal import Yams

/// The YAML library's errors in our words, at the place where the mistake was made.
enum YAMLSyntax {
    static func problem(of error: any Error, in text: String) -> ManifestProblem {
        switch error {
        case YamlError.scanner(let context, let problem, let mark, _),
            YamlError.parser(let context, let problem, let mark, _):
            return syntax(
                problem, SourceMark(mark), context: context?.text ?? "",
                start: (context?.mark).map { SourceMark($0) }, in: text)
        case YamlError.composer(_, let problem, let mark, _):
            return problem.contains("alias")
                ? alias(at: SourceMark(mark)) : moreDocuments(at: SourceMark(mark))
        case YamlError.reader(let problem, let offset, _, _):
            return ManifestProblem(
                "syntax", "the file has a character that YAML does not allow: \(problem)",
                mark: place(of: offset ?? 0, in: text), wanted: "printable text", help: "remove the character")
        default: return ManifestProblem("syntax", "the file is not YAML: \(error)")
        }
    }

    /// What is told when the true place of a key that stands twice cannot be found.
    static func duplicate(_ name: String, _ mark: SourceMark) -> ManifestProblem {
        ManifestProblem(
            "duplicate_key", "key `\(name)` stands twice", path: name, mark: mark,
            width: max(1, name.unicodeScalars.count), found: name, wanted: "each key once", help: "remove one")
    }

    private static func alias(at mark: SourceMark) -> ManifestProblem {
        ManifestProblem(
            "alias", "`*` begins a YAML alias, which is not supported", mark: mark, wanted: "text",
            help: "put it in quotes")
    }

    private static func moreDocuments(at mark: SourceMark) -> ManifestProblem {
        ManifestProblem(
            "many_documents", "the file has more than one document", mark: mark, width: 3, found: "another document",
            wanted: "one manifest",
            help: "put each manifest into a file of its own; one job with several steps: `steps`")
    }

    private static func syntax(
        _ problem: String, _ mark: SourceMark, context: String, start: SourceMark?, in text: String
    ) -> ManifestProblem {
        if problem.contains("nesting") {
            return ManifestProblem(
                "manifest_too_deep", "a manifest nests at most \(ManifestLimits.maxDepth) levels", mark: mark)
        }
        var place = mark
        // The end of the file is not where a quote or bracket was forgotten.
        let isOpen = problem.contains("end of stream") || context.contains("flow") || context.contains("simple key")
        if isOpen, let start, start.line != mark.line { place = start }
        let isOneToken = ["alias", "anchor", "block scalar"].contains { context.contains($0) }
        if isOneToken, let start { place = start }
        let isUnclosed = place != mark && context.contains("flow")
        let help = isUnclosed ? closing(problem) : advice(problem, context, line(place, in: text), at: place)
        return ManifestProblem(
            "syntax", "the file is not YAML here: \(words(problem, context))", mark: place, wanted: "YAML", help: help)
    }

    private static func words(_ problem: String, _ context: String) -> String {
        if problem.contains("mapping values are not allowed") { return "found a second `: ` in one value" }
        if problem.contains("cannot start any token") { return "found a character that no value begins with" }
        if problem.contains("end of stream"), context.contains("quoted") { return "a quote is never closed" }
        if problem.contains("could not find expected ':'") { return "wanted `key: value`" }
        if problem.contains("expected key") { return "wanted a key at the indentation of the keys above" }
        if problem.contains("expected ',' or ']'") { return "wanted `,` or `]`" }
        if problem.contains("expected ',' or '}'") { return "wanted `,` or `}`" }
        if context.contains("alias") { return "`*` begins a YAML alias" }
        if context.contains("block scalar") { return "`|` and `>` begin a block of text on the next lines" }
        if context.contains("anchor") { return "`&` begins a YAML anchor" }
        return context.isEmpty ? problem : "\(problem) \(context)"
    }

    private static func advice(_ problem: String, _ context: String, _ line: String, at place: SourceMark) -> String? {
        let before = line.unicodeScalars.prefix(max(0, place.column - 1))
        if line.prefix(while: \.isWhitespace).contains("\t") { return "indent by spaces, not tabs" }
        if problem.contains("end of stream"), context.contains("quoted") { return "close the quote" }
        if problem.contains("could not find expected ':'") { return "write `key: value`, with a space after the colon" }
        let value = value(of: line)
        let first = value.first.map(String.init) ?? ""
        let special = "{*&!%@`|>[".contains(first) && !first.isEmpty
        if problem.contains("mapping values"), !before.contains(":") {
            return "indent it like the keys above; a text with `: ` goes in quotes"
        }
        if !isClosed(value) && (special || value.contains(": ") || value.contains("{")) || problem.contains("',' or") {
            return "put it in quotes" + example(line, value)
        }
        if problem.contains("expected key") || context.contains("block") {
            return "check the indentation; a text with quotes in it goes in quotes as a whole"
        }
        return nil
    }

    private static func closing(_ problem: String) -> String {
        problem.contains("'}'") ? "close the map with }" : "close the list with ]"
    }

    /// A list or map in brackets that ends on its line is no text without quotes.
    private static func isClosed(_ value: Substring) -> Bool {
        value.hasPrefix("[") && value.hasSuffix("]") || value.hasPrefix("{") && value.hasSuffix("}")
    }

    /// `: run: '…'` for a value that fits on the line.
    private static func example(_ line: String, _ value: Substring) -> String {
        let isList = value.hasPrefix("[") || line.count > 80 || value.contains("'") || value.contains("\"")
        guard !isList, !value.isEmpty else { return value.contains("{") ? ", as in \"{index}\"" : "" }
        return ": \(line.dropLast(value.count).drop { $0 == " " })'\(value)'"
    }

    private static func value(of line: String) -> Substring {
        var rest = line[...]
        while rest.last?.isWhitespace ?? false { rest = rest.dropLast() }
        guard let colon = rest.firstRange(of: ": ") else {
            return rest.drop { $0 == " " || $0 == "-" }
        }
        return rest[colon...].drop { $0 == ":" || $0 == " " }
    }

    private static func line(_ mark: SourceMark, in text: String) -> String {
        let lines = SourceText.lines(of: text)
        return lines.indices.contains(mark.line - 1) ? lines[mark.line - 1] : ""
    }

    private static func place(of offset: Int, in text: String) -> SourceMark {
        let read = text.prefix(offset)
        let line = read.count { $0 == "\n" || $0 == "\r\n" } + 1
        let column = read.reversed().prefix { $0 != "\n" && $0 != "\r\n" }.count + 1
        return SourceMark(line: line, column: column)
    }
}

extension SourceMark {
    fileprivate init(_ mark: Mark) { self.init(line: mark.line, column: mark.column) }
}

extension Substring {
    /// Where a text first stands.
    fileprivate func firstRange(of text: String) -> Index? {
        indices.first { self[$0...].hasPrefix(text) }
    }
}
