import FogCore
import FogJobs

/// Reads a policy's values from a tree and gathers what is wrong with them.
struct PolicyReader {
    static let maxNames = 64
    static let maxNameBytes = 128

    private(set) var problems: [ManifestProblem] = []

    /// `` `battery.minimum` must be 0 to 100 percent, found `x` ``
    mutating func refuse(_ node: ManifestNode, _ path: String, _ wanted: String) {
        let field = path.isEmpty ? "a policy" : "`\(path)`"
        report("wrong_type", "\(field) must be \(wanted), found \(Self.summary(node))", path, node, wanted)
    }

    private mutating func report(
        _ code: String, _ message: String, _ path: String, _ node: ManifestNode, _ wanted: String, help: String? = nil
    ) {
        guard problems.count < ManifestLimits.maxProblems else { return }
        problems.append(
            ManifestProblem(
                code, message, path: path, mark: node.mark, found: Self.summary(node), wanted: wanted, help: help))
    }

    private static func summary(_ node: ManifestNode) -> String {
        switch node.content {
        case .scalar("", quoted: false): "nothing"
        case .scalar(let text, _): "`\(text.prefix(60))`"
        case .sequence: "a list"
        case .mapping: "a map"
        }
    }

    // MARK: Maps and lists

    /// The members of a map, each name once and known.
    mutating func map(_ node: ManifestNode, _ path: String, known: Set<String>) -> [ManifestNode.Entry] {
        guard case .mapping(let entries) = node.content else {
            refuse(node, path, "a map of \(known.sorted().joined(separator: ", "))")
            return []
        }
        var seen: Set<String> = []
        return entries.filter { entry in
            let place = path.isEmpty ? entry.key : "\(path).\(entry.key)"
            let mark = ManifestNode(entry.value.content, at: entry.keyMark)
            guard known.contains(entry.key) else {
                let near = nearest(to: entry.key, among: known)
                report(
                    "unknown_key", "unknown key `\(entry.key.prefix(60))`", place, mark, "a known key",
                    help: near.map { "did you mean `\($0)`?" }
                        ?? "known here: \(known.sorted().joined(separator: ", "))")
                return false
            }
            guard seen.insert(entry.key).inserted else {
                report("duplicate_key", "key `\(entry.key)` stands twice", place, mark, "each key once")
                return false
            }
            return true
        }
    }

    mutating func names(_ node: ManifestNode, _ path: String) -> [String]? {
        guard case .sequence(let elements) = node.content, elements.count <= Self.maxNames else {
            refuse(node, path, "a list of at most \(Self.maxNames) names")
            return nil
        }
        var names: [String] = []
        for (index, element) in elements.enumerated() {
            guard let text = Self.text(element), (1...Self.maxNameBytes).contains(text.utf8.count) else {
                refuse(element, "\(path)[\(index)]", "a name of 1 to \(Self.maxNameBytes) bytes")
                return nil
            }
            names.append(text)
        }
        return names
    }

    // MARK: Scalars

    static func text(_ node: ManifestNode) -> String? {
        guard case .scalar(let text, _) = node.content else { return nil }
        return text
    }

    func isAny(_ node: ManifestNode) -> Bool { Self.text(node) == "any" }

    mutating func word(_ node: ManifestNode, _ path: String, _ words: [String]) -> String? {
        if let text = Self.text(node), words.contains(text) { return text }
        refuse(node, path, words.dropLast().joined(separator: ", ") + " or " + (words.last ?? ""))
        return nil
    }

    mutating func truth(_ node: ManifestNode, _ path: String) -> Bool? {
        word(node, path, ["true", "false"]).map { $0 == "true" }
    }

    mutating func number(_ node: ManifestNode, _ path: String, _ range: ClosedRange<Int>, _ unit: String) -> Int? {
        if let value = Self.text(node).flatMap({ Int($0) }), range.contains(value) { return value }
        refuse(node, path, "\(range.lowerBound) to \(range.upperBound) \(unit)")
        return nil
    }

    mutating func span(_ node: ManifestNode, _ path: String, _ range: ClosedRange<TimeSpan>) -> TimeSpan? {
        if let span = Self.text(node).flatMap({ try? TimeSpan($0) }), range.contains(span) { return span }
        refuse(node, path, "a time of \(range.lowerBound) to \(range.upperBound)")
        return nil
    }

    /// Bits a second.
    mutating func bandwidth(_ node: ManifestNode, _ path: String) -> Int64? {
        let units: [(String, Int64)] = [("kbit/s", 1000), ("Mbit/s", 1_000_000), ("Gbit/s", 1_000_000_000)]
        if let text = Self.text(node), let unit = units.first(where: { text.hasSuffix($0.0) }),
            let count = Int64(text.dropLast(unit.0.count)), (1...1_000_000).contains(count)
        {
            return count * unit.1
        }
        refuse(node, path, "a rate such as 10Mbit/s or 500kbit/s")
        return nil
    }

    mutating func threshold(_ node: ManifestNode, _ path: String) -> HarvestPolicy.Threshold? {
        var values: [String: Int] = [:]
        let before = problems.count
        for entry in map(node, path, known: ["above", "resume"]) {
            values[entry.key] = number(entry.value, "\(path).\(entry.key)", 0...100, "percent")
        }
        guard problems.count == before else { return nil }
        guard let above = values["above"], let resume = values["resume"], resume < above else {
            refuse(node, path, "`above` and a lower `resume`, in percent")
            return nil
        }
        return HarvestPolicy.Threshold(above: above, resume: resume)
    }

    // MARK: Hours

    /// `22:00-07:00`, a list of such, `any`, or `never`.
    mutating func windows(_ node: ManifestNode, _ path: String) -> [WeekSchedule.Window]? {
        let wanted = "hours such as 22:00-07:00, a list of at most \(WeekSchedule.maxWindows) of them, any, or never"
        let nodes: [ManifestNode]
        if case .sequence(let elements) = node.content { nodes = elements } else { nodes = [node] }
        guard nodes.count <= WeekSchedule.maxWindows else {
            refuse(node, path, wanted)
            return nil
        }
        var windows: [WeekSchedule.Window] = []
        for node in nodes {
            switch Self.text(node) {
            case "any": windows.append(WeekSchedule.Window(start: 0, end: WeekSchedule.Window.minutesOfDay))
            case "never": break
            case let text:
                guard let window = text.flatMap({ WeekSchedule.Window($0) }) else {
                    refuse(node, path, wanted)
                    return nil
                }
                windows.append(window)
            }
        }
        return windows
    }

    /// Windows by weekday or range of weekdays; days that are not named have none.
    mutating func schedule(_ node: ManifestNode, _ path: String) -> WeekSchedule? {
        guard case .mapping(let entries) = node.content else {
            refuse(node, path, "a map of weekdays: {mon-fri: 22:00-07:00, sat: any}")
            return nil
        }
        var days: [[WeekSchedule.Window]] = Array(repeating: [], count: 7)
        var named: Set<Int> = []
        for entry in entries {
            let place = "\(path).\(entry.key)"
            let range = entry.key.split(separator: "-", omittingEmptySubsequences: false).map {
                WeekSchedule.dayNames.firstIndex(of: String($0))
            }
            guard (1...2).contains(range.count), let first = range[0], let last = range[range.count - 1] else {
                report(
                    "unknown_key", "unknown day `\(entry.key.prefix(60))`", place,
                    ManifestNode(entry.value.content, at: entry.keyMark), "a weekday",
                    help: "days are \(WeekSchedule.dayNames.joined(separator: ", ")), ranges such as mon-fri")
                return nil
            }
            guard let windows = windows(entry.value, place) else { return nil }
            for ahead in 0...(last - first + 7) % 7 {
                let day = (first + ahead) % 7
                guard named.insert(day).inserted else {
                    refuse(
                        entry.value, place, "of days that no other key names (\(WeekSchedule.dayNames[day]) is twice)")
                    return nil
                }
                days[day] = windows
            }
        }
        return WeekSchedule(days: days)
    }
}

extension WeekSchedule.Window {
    /// `22:00-07:00`; nil when it is not that, or has no length.
    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { Self.minute(String($0)) }
        guard parts.count == 2, let start = parts[0], let end = parts[1], start < Self.minutesOfDay else { return nil }
        // Midnight as an end is the end of the day.
        let last = end == 0 ? Self.minutesOfDay : end
        guard start != last else { return nil }
        self.init(start: start, end: last)
    }

    private static func minute(_ text: String) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 }), let hour = Int(parts[0]),
            let minute = Int(parts[1]), (0...24).contains(hour), (0...59).contains(minute),
            hour * 60 + minute <= minutesOfDay
        else { return nil }
        return hour * 60 + minute
    }
}
