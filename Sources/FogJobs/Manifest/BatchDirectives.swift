internal import FogCore

/// `#SBATCH` lines of Slurm scripts, and Fog's words for them (sbatch(1), Slurm 24.05).
enum BatchDirectives {
    private struct Option {
        let name: String
        let value: String
        let line: Int
        let text: String
    }

    /// One problem a line, however many options stand on it: they are never ignored, for a limit that is not kept
    /// surprises later.
    static func problems(in lines: [String]) -> [ManifestProblem] {
        let directives = lines.enumerated().compactMap { index, line in
            line.hasPrefix("#SBATCH") ? read(line, at: index + 1) : nil
        }
        let resources = directives.joined().compactMap { resource($0) }
        // One map, since a key may stand only once; it is shown at the first line that has a part of it.
        let merged = "#FOG resources: {\(resources.map { "\($0.key): \($0.value)" }.joined(separator: ", "))}"
        let shownAt = directives.joined().first { resource($0) != nil }?.line
        return directives.compactMap { options in
            guard let first = options.first else { return nil }
            var help: [String] = []
            for option in options {
                let words =
                    resource(option) == nil
                    ? equivalent(of: option)
                    : option.line == shownAt ? merged : "the resources at line \(shownAt ?? option.line) have it"
                if !help.contains(words) { help.append(words) }
            }
            return ManifestProblem(
                "batch_directive", "`\(clipped(first.text))` is Slurm's",
                mark: SourceMark(line: first.line, column: 1), width: first.text.unicodeScalars.count,
                found: first.text, wanted: "#FOG key: value", help: help.joined(separator: "\n"))
        }
    }

    /// `--name=value`, `--name value`, `-n value`, `-nvalue`, several on a line.
    private static func read(_ line: String, at number: Int) -> [Option] {
        let comment = line.range(ofWord: " #").map { line[..<$0] } ?? line[...]
        let words = comment.dropFirst("#SBATCH".count).split { $0 == " " || $0 == "\t" }.map(String.init)
        var out: [Option] = []
        var index = 0
        func option(_ name: String, _ value: String) -> Option {
            Option(name: name, value: unquoted(value), line: number, text: line)
        }
        while index < words.count {
            let word = words[index]
            let next = index + 1 < words.count && !words[index + 1].hasPrefix("-") ? words[index + 1] : nil
            index += 1
            if word.hasPrefix("--") {
                let halves = word.dropFirst(2).split(separator: "=", maxSplits: 1).map(String.init)
                guard let name = halves.first else { continue }
                if halves.count == 2 {
                    out.append(option(name, halves[1]))
                } else {
                    out.append(option(name, next ?? ""))
                    if next != nil { index += 1 }
                }
            } else if word.hasPrefix("-"), word.count > 1 {
                let letter = String(word.dropFirst().prefix(1))
                let rest = String(word.dropFirst(2))
                out.append(option(letters[letter] ?? letter, rest.isEmpty ? next ?? "" : rest))
                if rest.isEmpty, next != nil { index += 1 }
            }
        }
        return out.isEmpty ? [option("", "")] : out
    }

    private static let letters = [
        "J": "job-name", "a": "array", "t": "time", "c": "cpus-per-task", "o": "output", "e": "error", "p": "partition",
        "n": "ntasks", "N": "nodes", "d": "dependency", "A": "account", "q": "qos", "w": "nodelist", "x": "exclude",
        "C": "constraint", "G": "gpus", "D": "chdir", "b": "begin",
    ]

    private static func unquoted(_ text: String) -> String {
        text.count >= 2 && (text.hasPrefix("\"") && text.hasSuffix("\"") || text.hasPrefix("'") && text.hasSuffix("'"))
            ? String(text.dropFirst().dropLast()) : text
    }

    private static func resource(_ option: Option) -> (key: String, value: String)? {
        let value = option.value
        switch option.name {
        case "time": return (key: "time", value: span(value).map(\.description) ?? "1h")
        case "mem", "mem-per-cpu": return (key: "memory", value: size(value))
        case "tmp": return (key: "disk", value: size(value))
        case "cpus-per-task": return (key: "cpu", value: value)
        case "gpus", "gpus-per-task", "gpus-per-node":
            return (key: "gpu", value: String(value.split(separator: ":").last ?? "1"))
        case "gres" where value.hasPrefix("gpu"):
            let count = value.split(separator: ":").last.flatMap { Int($0) } ?? 1
            return (key: "gpu", value: String(count))
        default: return nil
        }
    }

    private static func equivalent(of option: Option) -> String {
        let value = option.value
        switch option.name {
        case "job-name": return "#FOG name: \(ManifestReader.name(from: value))"
        case "array":
            let halves = value.split(separator: "%").map(String.init)
            guard halves.count == 2 else { return "#FOG array: \(array(value))" }
            return "#FOG array: \(array(halves[0]))\n#FOG max_parallel: \(halves[1])"
        case "output", "error", "open-mode":
            return "nothing: `fog job logs ID` shows standard output and error; files: `#FOG outputs: [NAME]`"
        case "dependency": return "steps with `needs` in a manifest file"
        case "partition", "constraint": return "#FOG requires: [\"label:\(value)\"]"
        case "nodelist": return "#FOG requires: [\"node:\(value)\"]"
        case "exclude": return "#FOG placement: {exclude: [\(value)]}"
        case "begin", "deadline": return "#FOG deadline: \(value.isEmpty ? "2h" : value) (begin has no equivalent)"
        case "requeue": return "nothing: evicted tasks run again; for failures `#FOG retry: {max_attempts: 3}`"
        case "no-requeue": return "#FOG retry: {max_attempts: 1}"
        case "nice": return "#FOG priority: 40"
        case "export": return "#FOG env: {NAME: value}; nothing of your shell's environment goes along"
        case "chdir": return "nothing: a task runs in its own work folder; `#FOG inputs: [PATH]` brings files there"
        case "nodes", "ntasks", "ntasks-per-node":
            return value == "1"
                ? "nothing: a task is one" : "a task is one program on one node; `#FOG array: 0-\(last(value))`"
        case "mail-type", "mail-user": return "nothing: `fog job wait ID` ends when the job does"
        case "account", "qos": return "nothing: the account is that of your key; `#FOG sla: A` for a better class"
        case "exclusive": return "nothing: limits hold for each task; ask for cores by `#FOG resources: {cpu: N}`"
        case "signal": return "nothing: a task gets SIGTERM before SIGKILL; see `#FOG checkpoint: {every: 10m}`"
        default: return "no equivalent; see `fog job schema` for what a manifest may say"
        }
    }

    private static func last(_ count: String) -> Int { max(0, (ManifestReader.integer(count) ?? 1) - 1) }

    /// Slurm's list form has no equivalent but a sweep.
    private static func array(_ text: String) -> String {
        if let number = ManifestReader.integer(text) { return "\(number)-\(number)" }
        return text.contains(",") ? "0-N, or `#FOG sweep: {i: [\(text)]}` and $FOG_PARAM_i" : text
    }

    /// `minutes`, `minutes:seconds`, `hours:minutes:seconds`, `days-hours`, `days-hours:minutes`, `days-h:m:s`.
    private static func span(_ text: String) -> TimeSpan? {
        let dash = text.split(separator: "-", maxSplits: 1).map(String.init)
        guard let clock = dash.last else { return nil }
        let fields = clock.split(separator: ":").compactMap { Int64($0) }
        guard (1...3).contains(fields.count), fields.allSatisfy({ (0..<1_000_000).contains($0) }) else { return nil }
        func field(_ index: Int) -> Int64 { index < fields.count ? fields[index] : 0 }
        if dash.count == 2 {
            guard let days = Int64(dash[0]), (0..<10_000).contains(days) else { return nil }
            return .seconds(days * 86400 + field(0) * 3600 + field(1) * 60 + field(2))
        }
        return fields.count == 3
            ? .seconds(field(0) * 3600 + field(1) * 60 + field(2)) : .seconds(field(0) * 60 + field(1))
    }

    /// `4G`, `500M`; a bare number is mebibytes.
    private static func size(_ text: String) -> String {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text.dropFirst(digits.count).prefix(1).uppercased()
        return digits + (unit.isEmpty ? "M" : unit) + "iB"
    }
}

extension String {
    /// Where the text first stands.
    fileprivate func range(ofWord text: String) -> Index? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start }
            start = index(after: start)
        }
        return nil
    }
}
