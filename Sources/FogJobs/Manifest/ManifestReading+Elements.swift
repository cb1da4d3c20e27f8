internal import FogCore

/// `array` and `sweep`.
extension ManifestReading {
    mutating func readElements(_ fields: ManifestReader.Fields) -> Elements? {
        if let array = fields.entries["array"], let sweep = fields.entries["sweep"] {
            let second = Self.later(array, sweep)
            reader.report(
                ManifestProblem(
                    "conflict", "`array` and `sweep` cannot stand together", path: fields.path(of: second.key),
                    mark: second.keyMark ?? second.value.mark, width: second.key.count, found: second.key,
                    wanted: "one of array and sweep", help: "put the numbers into the sweep: `sweep: {i: 0-99, …}`"))
            return nil
        }
        if let node = fields["array"] { return readArray(node, fields.path(of: "array")) }
        guard let node = fields["sweep"], let elements = readSweep(node, fields.path(of: "sweep")) else { return nil }
        let path = fields.path(of: "sweep")
        guard elements.count >= 1 else {
            reader.refuse("bad_value", node, path, wanted: "a table with at least one row")
            return nil
        }
        guard checkCount(elements.count, node, path), checkNames(elements.parameterNames, node, path) else {
            return nil
        }
        return elements
    }

    private mutating func checkCount(_ count: Int, _ node: ManifestNode, _ path: String) -> Bool {
        guard count > ManifestLimits.maxTasks else { return true }
        let found = count == .max ? "more than 2^63" : String(count)
        reader.report(
            "too_many", at: node, path, "`\(path)` makes \(found) tasks, wanted at most \(ManifestLimits.maxTasks)",
            wanted: "at most \(ManifestLimits.maxTasks) tasks", help: "let each task do more of them")
        return false
    }

    private mutating func readArray(_ node: ManifestNode, _ path: String) -> Elements? {
        let wanted = "a range such as 0-99 or 1-99:2"
        guard let text = reader.readText(node, path, wanted: wanted) else { return nil }
        guard let range = Self.range(text) else {
            refuseRange(text, node, path, wanted: wanted)
            return nil
        }
        guard range.first <= range.last, range.stride >= 1, range.last <= ManifestKeys.Bounds.index else {
            refuseOrder(range, node, path, wanted: wanted)
            return nil
        }
        let elements = Elements.array(first: range.first, last: range.last, stride: range.stride)
        return checkCount(elements.count, node, path) ? elements : nil
    }

    private mutating func refuseRange(_ text: String, _ node: ManifestNode, _ path: String, wanted: String) {
        var help: String?
        let number = ManifestReader.integer(text)
        if let number, (1...ManifestLimits.maxTasks).contains(number) {
            help = "for \(number) tasks write 0-\(number - 1)"
        } else if text.contains("%"), let bar = text.firstIndex(of: "%"), Self.range(String(text[..<bar])) != nil {
            help = "write \(text[..<bar]), and `max_parallel: \(text[text.index(after: bar)...])`"
        } else if text.contains(",") {
            help = "for single values write `sweep: {i: [\(clipped(text, to: 30))]}`"
        } else if text.contains("..") {
            let parts = text.split(whereSeparator: { $0 == "." || $0 == "<" })
            if parts.count == 2 { help = "write \(parts[0])-\(parts[1])" }
        }
        reader.refuse("bad_value", node, path, wanted: wanted, help: help)
    }

    private mutating func refuseOrder(_ range: Range, _ node: ManifestNode, _ path: String, wanted: String) {
        let help: String =
            if range.first > range.last {
                "write \(range.last)-\(range.first)"
            } else if range.stride < 1 {
                "the step after `:` is at least 1"
            } else {
                "the last index is at most \(ManifestKeys.Bounds.index)"
            }
        reader.refuse("out_of_range", node, path, wanted: wanted, help: help)
    }

    struct Range {
        var first: Int
        var last: Int
        var stride: Int
    }

    /// `0-99` or `1-99:2`: digits only, so no number below zero.
    static func range(_ text: String) -> Range? {
        let halves = text.split(separator: ":", omittingEmptySubsequences: false)
        guard let bounds = halves.first?.split(separator: "-", omittingEmptySubsequences: false), bounds.count == 2,
            halves.count <= 2, let first = ManifestReader.integer(String(bounds[0])),
            let last = ManifestReader.integer(String(bounds[1]))
        else { return nil }
        guard halves.count == 2 else { return Range(first: first, last: last, stride: 1) }
        return ManifestReader.integer(String(halves[1])).map { Range(first: first, last: last, stride: $0) }
    }

    // MARK: - Sweep

    private mutating func readSweep(_ node: ManifestNode, _ path: String) -> Elements? {
        switch node.content {
        case .mapping:
            let entries = reader.readMap(
                node, path, wanted: "a map of parameters", limit: ManifestLimits.maxParameters)
            guard let entries, !entries.isEmpty else {
                if entries != nil {
                    reader.refuse("bad_value", node, path, wanted: "a map with at least one parameter")
                }
                return nil
            }
            return product(of: entries.map { ($0, "\(path).\($0.key)") })
        case .sequence(let elements):
            return readOrderedSweep(elements, node, path)
        case .scalar:
            guard let text = reader.readText(node, path, wanted: "a map of parameters or the path of a CSV file") else {
                return nil
            }
            do throws(JobsFailure) {
                return .table(try resolver.readTable(InputSource.normalised(text)))
            } catch {
                reader.report(
                    error.code, at: node, path, error.message, wanted: "a CSV file with a header",
                    help: Self.range(text) == nil ? nil : "for numbers write `array: \(text)`")
                return nil
            }
        }
    }

    /// A list of one-key maps: the form of the canonical document, whose maps have no order of their own.
    private mutating func readOrderedSweep(
        _ elements: [ManifestNode], _ node: ManifestNode, _ path: String
    ) -> Elements? {
        guard (1...ManifestLimits.maxParameters).contains(elements.count) else {
            reader.refuse(
                "bad_value", node, path, wanted: "a list of 1 to \(ManifestLimits.maxParameters) parameters")
            return nil
        }
        var entries: [(ManifestNode.Entry, String)] = []
        for (index, element) in elements.enumerated() {
            let place = "\(path)[\(index)]"
            guard case .mapping(let members) = element.content, members.count == 1 else {
                reader.refuse(element, place, wanted: "a map of one parameter", help: "for example `lr: [0.1, 0.01]`")
                return nil
            }
            entries.append((members[0], "\(place).\(members[0].key)"))
        }
        return product(of: entries)
    }

    private mutating func product(of entries: [(ManifestNode.Entry, String)]) -> Elements? {
        var parameters: [Elements.Parameter] = []
        for (entry, path) in entries {
            guard let values = readValues(entry.value, path) else { continue }
            parameters.append(Elements.Parameter(name: entry.key, values: values))
        }
        return parameters.count == entries.count ? .product(parameters) : nil
    }

    private mutating func readValues(_ node: ManifestNode, _ path: String) -> Elements.Parameter.Values? {
        let wanted = "a list of values or a range such as 1-5"
        guard case .sequence(let elements) = node.content else {
            guard let text = reader.readText(node, path, wanted: wanted) else { return nil }
            guard let range = Self.range(text), range.stride == 1, !text.contains(":") else {
                reader.refuse("bad_value", node, path, wanted: wanted, help: "for one value write [\(clipped(text))]")
                return nil
            }
            guard range.first <= range.last, range.last <= ManifestKeys.Bounds.index else {
                refuseOrder(range, node, path, wanted: wanted)
                return nil
            }
            return .range(first: range.first, last: range.last)
        }
        guard (1...ManifestLimits.maxTasks).contains(elements.count) else {
            reader.refuse("bad_value", node, path, wanted: "a list of 1 to \(ManifestLimits.maxTasks) values")
            return nil
        }
        let values = readTexts(elements, path, wanted: "text or a number", limit: ManifestLimits.maxValueBytes)
        return values.count == elements.count ? .list(values.map(\.text)) : nil
    }

    private mutating func checkNames(_ names: [String], _ node: ManifestNode, _ path: String) -> Bool {
        var seen: Set<String> = []
        for name in names {
            var marked = node
            if case .mapping(let entries) = node.content, let entry = entries.first(where: { $0.key == name }) {
                marked = ManifestNode(.scalar(name, quoted: false), at: entry.keyMark)
            }
            guard Template.isName(name), name != "index" else {
                let better = String(name.map { $0 == "-" || $0 == " " || $0 == "." ? "_" : $0 })
                reader.report(
                    name == "index" ? "reserved" : "bad_name", at: marked, "\(path).\(name)",
                    name == "index"
                        ? "parameter `index` is reserved: it is the element's number"
                        : "`\(clipped(name))` cannot be the name of a parameter",
                    wanted: "a name of letters, digits and _",
                    help: name != "index" && Template.isName(better) ? "write \(better)" : nil)
                return false
            }
            guard seen.insert(name).inserted else {
                reader.report(
                    "duplicate", at: marked, path, "parameter `\(name)` stands twice", wanted: "each parameter once")
                return false
            }
        }
        return true
    }
}
