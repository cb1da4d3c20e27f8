internal import FogCore

/// A text of the manifest with its place, for checks that come after reading.
struct Located: Hashable {
    var text: String
    let path: String
    let node: ManifestNode
}

extension ManifestReader {
    /// Any scalar as the text that was written.
    mutating func readText(
        _ node: ManifestNode, _ path: String, wanted: String = "text", limit: Int = ManifestLimits.maxTextBytes,
        help: String? = nil
    ) -> String? {
        guard case .scalar(let text, _) = node.content, !node.isNothing else {
            let quotes = node.unquotedBraces.map { "put it in quotes: \"\($0)\"" }
            refuse(node, path, wanted: wanted, help: quotes ?? help ?? (node.isNothing ? "write \"\" for none" : nil))
            return nil
        }
        guard text.utf8.count <= limit else {
            report(
                "too_large", at: node, path, "`\(path)` has \(text.utf8.count) bytes, wanted at most \(limit)",
                wanted: "at most \(limit) bytes", help: limit >= 4096 ? "send it as an input file" : nil)
            return nil
        }
        guard !text.utf8.contains(0) else {
            report("bad_value", at: node, path, "`\(path)` contains a zero byte", wanted: "text without zero bytes")
            return nil
        }
        return text
    }

    /// Letters, digits and dashes: names of jobs, steps and profiles.
    mutating func readName(_ node: ManifestNode, _ path: String) -> String? {
        let wanted = "a name of a-z, 0-9 and -, at most \(ManifestLimits.maxNameBytes) long"
        guard let text = readText(node, path, wanted: wanted) else { return nil }
        guard Self.isName(text) else {
            let better = Self.name(from: text)
            refuse("bad_name", node, path, wanted: wanted, help: better.isEmpty ? nil : "write \(better)")
            return nil
        }
        return text
    }

    static func isName(_ text: String) -> Bool {
        (1...ManifestLimits.maxNameBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d }
    }

    /// The nearest text that is a name; empty when nothing is left.
    static func name(from text: String) -> String {
        let plain = text.lowercased().map { isName(String($0)) ? $0 : "-" }
        let words = String(plain).split(separator: "-")
        return String(words.joined(separator: "-").prefix(ManifestLimits.maxNameBytes))
    }

    mutating func readInteger(_ node: ManifestNode, _ path: String, _ range: ClosedRange<Int>) -> Int? {
        let wanted = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        guard case .scalar(let text, let quoted) = node.content, let value = Self.integer(text) else {
            refuse(node, path, wanted: wanted)
            return nil
        }
        guard !quoted else {
            refuse(node, path, wanted: wanted, help: "write \(value) without quotes")
            return nil
        }
        guard range.contains(value) else {
            refuse("out_of_range", node, path, wanted: wanted)
            return nil
        }
        return value
    }

    /// Decimal digits with an optional minus; nothing else (`1e3`, `0x10`, `+1` and `1_000` are text).
    static func integer(_ text: String) -> Int? {
        let digits = text.utf8.first == 0x2d ? text.utf8.dropFirst() : text.utf8[...]
        guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(text)
    }

    mutating func readBool(_ node: ManifestNode, _ path: String) -> Bool? {
        switch node.content {
        case .scalar("true", quoted: false): return true
        case .scalar("false", quoted: false): return false
        case .scalar(let text, _):
            let yes = ["yes", "on", "1", "true"].contains(text.lowercased())
            let no = ["no", "off", "0", "false"].contains(text.lowercased())
            refuse(node, path, wanted: "true or false", help: yes ? "write true" : no ? "write false" : nil)
        default: refuse(node, path, wanted: "true or false")
        }
        return nil
    }

    /// One word of several.
    mutating func readWord(_ node: ManifestNode, _ path: String, of words: [String]) -> String? {
        let wanted = Self.alternatives(words)
        guard let text = readText(node, path, wanted: wanted) else { return nil }
        if words.contains(text) { return text }
        let folded = words.first { $0.lowercased() == text.lowercased() }
        let near = folded ?? nearest(to: text.lowercased(), among: words)
        refuse("bad_value", node, path, wanted: wanted, help: near.map { "did you mean `\($0)`?" })
        return nil
    }

    static func alternatives(_ words: [String]) -> String {
        guard let last = words.last, words.count > 1 else { return words.first ?? "" }
        return words.dropLast().joined(separator: ", ") + " or " + last
    }
}

// MARK: - Quantities

extension ManifestReader {
    mutating func readSize(_ node: ManifestNode, _ path: String) -> ByteCount? {
        let wanted = "a size such as 512MiB or 4GiB"
        guard let text = readText(node, path, wanted: wanted) else { return nil }
        guard let size = try? ByteCount(text) else {
            refuse("bad_value", node, path, wanted: wanted, help: Self.sizeAdvice(text))
            return nil
        }
        guard ManifestKeys.Bounds.size.contains(size.bytes) else {
            refuse("out_of_range", node, path, wanted: "a size from 1B to 1024TiB")
            return nil
        }
        return size
    }

    /// What somebody meant by `4G`, `4gb`, `1.5GiB`, `4 GiB` or `4096`.
    private static func sizeAdvice(_ text: String) -> String? {
        let plain = text.lowercased().filter { $0 != " " && $0 != "_" }
        let number = plain.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = plain.dropFirst(number.count)
        guard let value = Double(number), value.isFinite, value > 0, value < 1e15 else { return nil }
        if unit.isEmpty { return "write \(number)MiB or \(number)GiB" }
        let scales: [Character: (String, String)] = [
            "k": ("KiB", "B"), "m": ("MiB", "KiB"), "g": ("GiB", "MiB"), "t": ("TiB", "GiB"),
        ]
        guard let first = unit.first, let (whole, smaller) = scales[first],
            ["", "b", "i", "ib", "bytes", "ibi"].contains(String(unit.dropFirst()))
        else { return nil }
        return value == value.rounded() && !number.contains(".")
            ? "write \(number)\(whole)" : "write \(Int64((value * 1024).rounded()))\(smaller)"
    }

    mutating func readSpan(
        _ node: ManifestNode, _ path: String, _ range: ClosedRange<Int64> = ManifestKeys.Bounds.time
    ) -> TimeSpan? {
        let wanted = "a duration such as 30s, 10m, 2h or 1d"
        guard let text = readText(node, path, wanted: wanted) else { return nil }
        guard let span = try? TimeSpan(text) else {
            refuse("bad_value", node, path, wanted: wanted, help: Self.spanAdvice(text))
            return nil
        }
        guard range.contains(span.milliseconds) else {
            let from = TimeSpan(milliseconds: range.lowerBound), to = TimeSpan(milliseconds: range.upperBound)
            refuse("out_of_range", node, path, wanted: "a duration from \(from) to \(to)")
            return nil
        }
        return span
    }

    /// A duration, or `none`, which is answered as `.some(nil)`.
    mutating func readSpanOrNone(_ node: ManifestNode, _ path: String) -> TimeSpan?? {
        if case .scalar("none", _) = node.content { return .some(nil) }
        return readSpan(node, path).map { .some($0) }
    }

    /// What somebody meant by `90`, `90min`, `1.5h`, `2 hours` or `01:30:00`.
    static func spanAdvice(_ text: String) -> String? {
        let fields = text.split(separator: ":", omittingEmptySubsequences: false).map { Int64($0) }
        if (2...3).contains(fields.count), fields.allSatisfy({ $0 != nil && ($0 ?? 0) < 1_000_000 }) {
            let parts = fields.compactMap { $0 }
            let total = parts.count == 3 ? parts[0] * 3600 + parts[1] * 60 + parts[2] : parts[0] * 3600 + parts[1] * 60
            return "write \(TimeSpan.seconds(total))"
        }
        let plain = text.lowercased().filter { $0 != " " }
        let number = plain.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = plain.dropFirst(number.count)
        guard let value = Double(number), value.isFinite, value < 1e9 else { return nil }
        if unit.isEmpty { return "write \(number)s, \(number)m or \(number)h" }
        let scales: [(String, Double)] = [
            ("ms", 0.001), ("s", 1), ("sec", 1), ("m", 60), ("min", 60), ("h", 3600), ("hr", 3600), ("d", 86400),
            ("w", 604_800),
        ]
        let words: [(String, Double)] = [
            ("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400), ("week", 604_800),
        ]
        let singular = unit.hasSuffix("s") && unit.count > 2 ? unit.dropLast() : unit
        guard let scale = (scales + words).first(where: { $0.0 == unit || $0.0 == singular })?.1 else { return nil }
        return "write \(TimeSpan(milliseconds: Int64((value * scale * 1000).rounded())))"
    }

    /// Cores: `2`, `0.5` or `500m`.
    mutating func readCores(_ node: ManifestNode, _ path: String) -> Millicores? {
        let wanted = "a number of cores"
        let example = "for example `cpu: 4`, `cpu: 0.5` or `cpu: 500m`"
        guard let text = readText(node, path, wanted: wanted, help: example) else { return nil }
        let count: Int64? =
            if text.hasSuffix("m") {
                Self.integer(String(text.dropLast())).map(Int64.init)
            } else {
                // A credit has six places, a core three: what is left over must be nothing.
                (try? Credits(text)).flatMap { $0.micro % 1000 == 0 ? $0.micro / 1000 : nil }
            }
        guard let count else {
            refuse("wrong_type", node, path, wanted: wanted, help: example)
            return nil
        }
        guard ManifestKeys.Bounds.cpu.contains(count) else {
            refuse("out_of_range", node, path, wanted: "1m to 1024 cores")
            return nil
        }
        return Millicores(count)
    }

    mutating func readCredits(_ node: ManifestNode, _ path: String) -> Credits? {
        let wanted = "an amount of credits such as 12 or 0.25"
        guard let text = readText(node, path, wanted: wanted) else { return nil }
        guard let credits = try? Credits(text) else {
            refuse("bad_value", node, path, wanted: wanted)
            return nil
        }
        return credits
    }

    /// A fraction from 0 to 1, to six places.
    mutating func readFraction(_ node: ManifestNode, _ path: String) -> Double? { readNumber(node, path, upTo: 1) }

    /// A decimal number from 0 on, with at most six digits behind the point.
    mutating func readNumber(_ node: ManifestNode, _ path: String, upTo limit: Int64) -> Double? {
        let wanted = "a number from 0 to \(limit)"
        guard case .scalar(let text, quoted: false) = node.content, let value = try? Credits(text) else {
            refuse(node, path, wanted: wanted)
            return nil
        }
        guard value.micro <= limit * 1_000_000 else {
            refuse("out_of_range", node, path, wanted: wanted)
            return nil
        }
        return Double(value.micro) / 1_000_000
    }
}
