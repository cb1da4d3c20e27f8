internal import FogCore

/// Reads typed values from nodes and gathers what is wrong with them, so that one pass tells all.
///
/// Every `read…` answers nil after it has reported why; the caller goes on with the rest.
struct ManifestReader {
    private(set) var problems: [ManifestProblem] = []

    /// The members of a map with fixed keys.
    struct Fields {
        let path: String
        let mark: SourceMark?
        let entries: [String: ManifestNode.Entry]

        subscript(_ key: String) -> ManifestNode? { entries[key]?.value }
        func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
    }

    mutating func report(_ problem: ManifestProblem) {
        // What a job hands down is checked again in each step: said once.
        guard problems.count < ManifestLimits.maxProblems, !problems.contains(problem) else { return }
        problems.append(problem)
    }

    mutating func report(
        _ code: String, at node: ManifestNode, _ path: String, _ message: String, wanted: String = "",
        help: String? = nil, severity: ManifestProblem.Severity = .error
    ) {
        report(
            ManifestProblem(
                code, message, path: path, mark: node.mark, width: node.width, found: node.summary, wanted: wanted,
                help: help, severity: severity))
    }

    /// A value of the wrong type.
    mutating func refuse(_ node: ManifestNode, _ path: String, wanted: String, help: String? = nil) {
        refuse("wrong_type", node, path, wanted: wanted, help: help)
    }

    /// `` `resources.cpu` must be a number of cores, found `four` ``
    mutating func refuse(
        _ code: String, _ node: ManifestNode, _ path: String, wanted: String, help: String? = nil
    ) {
        report(
            code, at: node, path, "`\(path)` must be \(wanted), found \(node.summary)", wanted: wanted, help: help)
    }

    mutating func sortByPlace() {
        func key(_ problem: ManifestProblem) -> (Int, Int) { (problem.mark?.line ?? 0, problem.mark?.column ?? 0) }
        let ordered = problems.enumerated().sorted {
            let (first, second) = (key($0.element), key($1.element))
            return first == second ? $0.offset < $1.offset : first < second
        }
        problems = ordered.map(\.element)
    }
}

// MARK: - Maps and lists

extension ManifestReader {
    /// The members of a map whose keys are all known.
    mutating func readFields(
        _ node: ManifestNode, _ path: String, known: Set<String>, misplaced: (String) -> String? = { _ in nil },
        help: String? = nil
    ) -> Fields? {
        guard let entries = readMap(node, path, wanted: "a map with known keys", limit: .max, help: help) else {
            return nil
        }
        var fields: [String: ManifestNode.Entry] = [:]
        for entry in entries {
            let entryPath = path.isEmpty ? entry.key : "\(path).\(entry.key)"
            guard known.contains(entry.key) else {
                reportUnknown(entry, entryPath, known: known, misplaced: misplaced)
                continue
            }
            fields[entry.key] = entry
            if entry.value.isNothing {
                fields[entry.key] = nil
                report(
                    "wrong_type", at: entry.value, entryPath, "`\(entryPath)` has no value",
                    help: "give it a value, or remove the key")
            }
        }
        return Fields(path: path, mark: node.mark, entries: fields)
    }

    /// The members of a map, each name once.
    mutating func readMap(
        _ node: ManifestNode, _ path: String, wanted: String, limit: Int, help: String? = nil
    ) -> [ManifestNode.Entry]? {
        guard case .mapping(let entries) = node.content else {
            if path.isEmpty {
                report(
                    "wrong_type", at: node, path, "a manifest is a map of keys, found \(node.summary)",
                    wanted: "a map of keys", help: "for example `run: echo hello`")
            } else {
                refuse(node, path, wanted: wanted, help: help)
            }
            return nil
        }
        guard entries.count <= limit else {
            report(
                "too_many", at: node, path, "`\(path)` has \(entries.count) members, wanted at most \(limit)",
                wanted: "at most \(limit) members")
            return nil
        }
        var seen: [String: ManifestNode.Entry] = [:]
        var out: [ManifestNode.Entry] = []
        for entry in entries {
            guard let first = seen[entry.key] else {
                seen[entry.key] = entry
                out.append(entry)
                continue
            }
            report(
                ManifestProblem(
                    "duplicate_key", "key `\(clipped(entry.key))` stands twice",
                    path: path.isEmpty ? entry.key : "\(path).\(entry.key)", mark: entry.keyMark,
                    width: entry.key.unicodeScalars.count, found: entry.key, wanted: "each key once",
                    help: first.keyMark.map { "the first is at line \($0.line); remove one" } ?? "remove one"))
        }
        return out
    }

    private mutating func reportUnknown(
        _ entry: ManifestNode.Entry, _ path: String, known: Set<String>, misplaced: (String) -> String?
    ) {
        let word = entry.key.lowercased()
        let ours = ManifestKeys.synonyms[word].flatMap { known.contains($0) || misplaced($0) != nil ? $0 : nil }
        let help: String? =
            if let ours, known.contains(ours) {
                "did you mean `\(ours)`?"
            } else if let advice = misplaced(ours ?? entry.key) {
                advice
            } else if let near = nearest(to: word, among: known) ?? dashed(word, known) {
                "did you mean `\(near)`?"
            } else if let near = nearest(to: word, among: ManifestKeys.synonyms.keys),
                let ours = ManifestKeys.synonyms[near], known.contains(ours)
            {
                "did you mean `\(ours)`?"
            } else {
                "known here: \(known.sorted().joined(separator: ", "))"
            }
        report(
            ManifestProblem(
                "unknown_key", "unknown key `\(clipped(entry.key))`", path: path, mark: entry.keyMark,
                width: max(1, entry.key.unicodeScalars.count), found: entry.key, wanted: "a known key", help: help))
    }

    /// `max-parallel` for `max_parallel`.
    private func dashed(_ word: String, _ known: Set<String>) -> String? {
        let plain = String(word.map { $0 == "-" || $0 == " " || $0 == "." ? "_" : $0 })
        return nearest(to: plain, among: known)
    }

    mutating func readList(
        _ node: ManifestNode, _ path: String, wanted: String, limit: Int, help: String? = nil
    ) -> [ManifestNode]? {
        guard case .sequence(let elements) = node.content else {
            var advice = help
            if advice == nil, case .scalar(let text, _) = node.content { advice = "write [\(clipped(text))]" }
            refuse(node, path, wanted: wanted, help: advice)
            return nil
        }
        guard elements.count <= limit else {
            report(
                "too_many", at: node, path, "`\(path)` has \(elements.count) elements, wanted at most \(limit)",
                wanted: "at most \(limit) elements")
            return nil
        }
        return elements
    }
}
