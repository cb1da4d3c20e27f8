internal import FogCore
internal import FogJobs
internal import FoundationEssentials

/// The parts of rows that are kept as compact JSON text: what only people read, or what is read whole.
///
/// Written by hand where every commit passes (`steps`, `outputs`), because a general encoder costs more there than the
/// database does; through `Codable` where a row is written once in a while.
enum ColumnText {
    private static func corrupt(_ what: String, _ text: String) -> StoreFailure {
        StoreFailure("corrupt", "a row's \(what) do not read: `\(text.prefix(80))`")
    }

    private static func parsed(_ what: String, _ text: String) throws(StoreFailure) -> [JSON] {
        guard let value = try? JSON(parsing: text), let elements = value.array else { throw corrupt(what, text) }
        return elements
    }

    // MARK: Sealed keys: {key id: base64}

    static func keys(_ keys: SealedKeys) -> String {
        JSON.object(
            keys.boxes.sorted { $0.key < $1.key }.map { .init($0.key, .string(Base64.encode($0.value.bytes))) }
        ).compact
    }

    static func keys(_ text: String) throws(StoreFailure) -> SealedKeys {
        var boxes: [String: Base64Bytes] = [:]
        for member in (try? JSON(parsing: text))?.members ?? [] {
            boxes[member.name] = Base64.decode(member.value.string ?? "").map { Base64Bytes($0) }
        }
        guard let keys = try? SealedKeys(boxes) else { throw corrupt("sealed keys", text) }
        return keys
    }

    // MARK: Steps: [[name, base, count, cursor, state of the untouched, {state: number}], …]

    static func steps(_ steps: [StepProgress]) -> String {
        var out = "["
        for (index, step) in steps.enumerated() {
            if index > 0 { out += "," }
            out += "["
            out += JSON.string(step.name).compact
            out += ",\(step.base),\(step.count),\(step.cursor),\"\(step.untouchedState.rawValue)\",{"
            var first = true
            for state in TaskState.allCases where step.counts[state] != 0 {
                if !first { out += "," }
                first = false
                out += "\"\(state.rawValue)\":\(step.counts[state])"
            }
            out += "}]"
        }
        return out + "]"
    }

    static func steps(_ text: String) throws(StoreFailure) -> [StepProgress] {
        try parsed("steps", text).map { value throws(StoreFailure) in
            guard let part = value.array, part.count == 6, let name = part[0].string,
                let base = part[1].integer.flatMap({ UInt32(exactly: $0) }),
                let count = part[2].integer.flatMap({ UInt32(exactly: $0) }),
                let cursor = part[3].integer.flatMap({ UInt32(exactly: $0) }),
                let untouched = part[4].string.flatMap({ TaskState(rawValue: $0) }), let counted = part[5].members
            else { throw corrupt("steps", text) }
            var counts: [TaskState: Int] = [:]
            for member in counted {
                guard let state = TaskState(rawValue: member.name), let number = member.value.integer else {
                    throw corrupt("steps", text)
                }
                counts[state] = Int(number)
            }
            var step = StepProgress(name: name, base: base, count: count, blocked: false)
            step.cursor = cursor
            step.untouchedState = untouched
            step.counts = TaskCounts(counts)
            return step
        }
    }

    // MARK: Outputs: [[name, size, executable, digest], …]

    static func outputs(_ files: [OutputFile]) -> String? {
        guard !files.isEmpty else { return nil }
        var out = "["
        for (index, file) in files.enumerated() {
            if index > 0 { out += "," }
            out += "[" + JSON.string(file.name).compact
            out += ",\(file.size),\(file.executable ? 1 : 0),\"\(file.digest)\"]"
        }
        return out + "]"
    }

    static func outputs(_ text: String) throws(StoreFailure) -> [OutputFile] {
        try parsed("outputs", text).map { value throws(StoreFailure) in
            guard let part = value.array, part.count == 4, let name = part[0].string, let size = part[1].integer,
                let executable = part[2].integer, let digest = part[3].string.flatMap({ try? Digest($0) })
            else { throw corrupt("outputs", text) }
            return OutputFile(name: name, size: size, executable: executable != 0, digest: digest)
        }
    }

    // MARK: Words and their words: {name: value}

    static func words(_ words: [String: String]) -> String? {
        guard !words.isEmpty else { return nil }
        let members = words.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .string($0.value)) }
        return JSON.object(members).compact
    }

    static func words(_ text: String) throws(StoreFailure) -> [String: String] {
        guard let members = (try? JSON(parsing: text))?.members else { throw corrupt("words", text) }
        var words: [String: String] = [:]
        for member in members { words[member.name] = member.value.string }
        return words
    }

    // MARK: Whatever is rarely written

    static func encoded(_ value: some Encodable) throws(StoreFailure) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else {
            throw StoreFailure("unexpected", "a \(type(of: value)) has no JSON form")
        }
        return String(decoding: data, as: UTF8.self)
    }

    static func decoded<Value: Decodable>(_ text: String) throws(StoreFailure) -> Value {
        guard let value = try? JSONDecoder().decode(Value.self, from: Data(text.utf8)) else {
            throw corrupt("\(Value.self)", text)
        }
        return value
    }
}
