import FogCore

/// Turns a profile's JSON into values; refuses what it does not know, with the path of the field.
struct ProfileReader {
    let name: String

    private static let keys: Set<String> = [
        "name", "description", "extends", "isolation", "groups", "mounts", "limits", "network", "landlock", "require",
        "env", "defaultAction", "defaultErrnoRet", "architectures", "syscalls",
    ]

    /// A child over its parent: lists are joined, objects merged, anything else replaced; `extends` is used up.
    static func merge(_ parent: JSON, _ child: JSON) -> JSON {
        var members: [JSON.Member] = []
        for member in parent.members ?? [] where member.name != "description" {
            members.append(JSON.Member(member.name, child[member.name].map { join(member.value, $0) } ?? member.value))
        }
        for member in child.members ?? []
        where member.name != "extends" && !members.contains(where: { $0.name == member.name }) {
            members.append(member)
        }
        return .object(members)
    }

    private static func join(_ first: JSON, _ second: JSON) -> JSON {
        switch (first, second) {
        case (.array(let first), .array(let second)): .array(first + second.filter { !first.contains($0) })
        case (.object, .object): merge(first, second)
        default: second
        }
    }

    mutating func profile(_ document: JSON) throws(SandboxFailure) -> SandboxProfile {
        try only(Self.keys, in: document, at: "")
        let own = try text(document["name"], "name") ?? name
        guard own == name else { throw bad("name", "is `\(own)`, but the file is \(name).json") }
        if let network = try text(document["network"], "network"), network != "none" {
            throw SandboxFailure("not_supported_yet", "\(name).json: network `\(network)`; only `none` so far")
        }
        let isolation = try text(document["isolation"], "isolation") ?? "full"
        guard ["full", "none"].contains(isolation) else { throw bad("isolation", "wants `full` or `none`") }
        return SandboxProfile(
            name: name, description: try text(document["description"], "description") ?? "",
            isolated: isolation == "full", limits: try limits(document["limits"]),
            mounts: try mounts(document["mounts"]), landlock: try flag(document["landlock"], "landlock") ?? true,
            require: try requirements(document["require"]), environment: try environment(document["env"]),
            filter: try filter(document), digest: Digest.blake2b(Array(document.canonical.utf8)))
    }

    // MARK: - Parts

    private func limits(_ value: JSON?) throws(SandboxFailure) -> SandboxProfile.Limits {
        var limits = SandboxProfile.Limits()
        guard let value else { return limits }
        try only(["pids", "nofile", "stdout_bytes", "tmp_bytes"], in: value, at: "limits")
        limits.pids = Int(try number(value["pids"], "limits.pids", 1...32768) ?? Int64(limits.pids))
        limits.descriptors = Int(try number(value["nofile"], "limits.nofile", 8...65536) ?? Int64(limits.descriptors))
        if let bytes = try number(value["stdout_bytes"], "limits.stdout_bytes", 0...(1 << 40)) {
            limits.standardOutputBytes = ByteCount(bytes)
        }
        if let bytes = try number(value["tmp_bytes"], "limits.tmp_bytes", 4096...(1 << 40)) {
            limits.temporaryBytes = ByteCount(bytes)
        }
        return limits
    }

    private func mounts(_ value: JSON?) throws(SandboxFailure) -> [SandboxProfile.Mount] {
        var mounts: [SandboxProfile.Mount] = []
        for (index, entry) in try list(value, "mounts", max: 64).enumerated() {
            let path = "mounts[\(index)]"
            try only(["source", "target"], in: entry, at: path)
            let source = try absolute(entry["source"], path + ".source")
            mounts.append(
                .init(
                    source: source,
                    target: try entry["target"].map { value throws(SandboxFailure) in
                        try absolute(value, path + ".target")
                    } ?? source))
        }
        return mounts
    }

    private func requirements(_ value: JSON?) throws(SandboxFailure) -> Set<Isolation> {
        var require: Set<Isolation> = []
        for (index, entry) in try list(value, "require", max: 32).enumerated() {
            guard let word = entry.string, let isolation = Isolation(rawValue: word) else {
                let known = Isolation.allCases.map(\.rawValue).joined(separator: ", ")
                throw bad("require[\(index)]", "wants one of \(known)")
            }
            require.insert(isolation)
        }
        return require
    }

    private func environment(_ value: JSON?) throws(SandboxFailure) -> [String: String] {
        guard let value else { return [:] }
        guard let members = value.members else { throw bad("env", "wants an object") }
        var environment: [String: String] = [:]
        for member in members {
            guard let text = member.value.string, SandboxEnvironment.isName(member.name), !text.utf8.contains(0) else {
                throw bad("env.\(member.name.prefix(64))", "wants a text, and a name without `=`")
            }
            environment[member.name] = text
        }
        return environment
    }

    private func filter(_ document: JSON) throws(SandboxFailure) -> FilterProfile {
        var filter = FilterProfile()
        filter.defaultAction = try action(document["defaultAction"], document["defaultErrnoRet"], "defaultAction")
        for (index, entry) in try list(document["architectures"], "architectures", max: 16).enumerated() {
            guard let name = entry.string, name.hasPrefix("SCMP_ARCH_") else {
                throw bad("architectures[\(index)]", "wants SCMP_ARCH_X86_64 or the like")
            }
            filter.architectures.append(name)
        }
        var groups: [String: [String]] = [:]
        for member in document["groups"]?.members ?? [] {
            groups[member.name] = try texts(member.value, "groups.\(member.name)", max: 512)
        }
        for (index, entry) in try list(document["syscalls"], "syscalls", max: 1024).enumerated() {
            try rules(entry, at: "syscalls[\(index)]", groups: groups, into: &filter)
        }
        return filter
    }

    /// An entry of the OCI shape. Two comparisons of one argument are alternatives, as in runc
    /// (libcontainer/seccomp `matchCall`); comparisons of different arguments must all hold.
    private func rules(
        _ entry: JSON, at path: String, groups: [String: [String]], into filter: inout FilterProfile
    ) throws(SandboxFailure) {
        try only(["names", "action", "errnoRet", "args", "comment"], in: entry, at: path)
        let action = try action(entry["action"], entry["errnoRet"], path + ".action")
        var comparisons: [FilterProfile.Comparison] = []
        for (index, argument) in try list(entry["args"], path + ".args", max: 64).enumerated() {
            comparisons.append(try comparison(argument, at: "\(path).args[\(index)]"))
        }
        let alternatives = Set(comparisons.map(\.index)).count < comparisons.count
        let conditions = alternatives ? comparisons.map { [$0] } : [comparisons]
        for name in try texts(entry["names"] ?? .null, path + ".names", max: 512) {
            var expanded = [name]
            if name.hasPrefix("@") {
                guard let group = groups[String(name.dropFirst())] else {
                    throw bad(path + ".names", "names the group `\(name)`, which is not in `groups`")
                }
                expanded = group
            }
            for name in expanded {
                for condition in conditions {
                    filter.rules.append(.init(name: name, action: action, comparisons: condition))
                }
            }
        }
    }

    private func comparison(_ value: JSON, at path: String) throws(SandboxFailure) -> FilterProfile.Comparison {
        try only(["index", "value", "valueTwo", "op"], in: value, at: path)
        guard let word = try text(value["op"], path + ".op"), let operation = FilterProfile.Operation(rawValue: word)
        else { throw bad(path + ".op", "wants SCMP_CMP_EQ, _NE, _LT, _LE, _GE, _GT or _MASKED_EQ") }
        guard let index = try number(value["index"], path + ".index", 0...5),
            let first = try number(value["value"], path + ".value", 0...Int64.max)
        else { throw bad(path, "wants `index` and `value`") }
        let second = try number(value["valueTwo"], path + ".valueTwo", 0...Int64.max) ?? 0
        return .init(index: Int(index), operation: operation, value: UInt64(first), valueTwo: UInt64(second))
    }

    private func action(_ word: JSON?, _ errno: JSON?, _ path: String) throws(SandboxFailure) -> FilterProfile.Action {
        let number = UInt16(try number(errno, path + ", errnoRet", 1...4095) ?? 1)
        switch try text(word, path) {
        case "SCMP_ACT_ALLOW": return .allow
        case "SCMP_ACT_ERRNO", nil: return .refuse(errno: number)
        case "SCMP_ACT_KILL_PROCESS": return .killProcess
        case .some(let other):
            throw bad(path, "is `\(other)`; wanted SCMP_ACT_ALLOW, SCMP_ACT_ERRNO or SCMP_ACT_KILL_PROCESS")
        }
    }

    // MARK: - Values

    private func bad(_ path: String, _ words: String) -> SandboxFailure {
        SandboxFailure("bad_profile", "\(name).json: `\(path)` \(words)")
    }

    private func only(_ keys: Set<String>, in value: JSON, at path: String) throws(SandboxFailure) {
        guard let members = value.members else { throw bad(path, "wants an object") }
        for member in members where !keys.contains(member.name) {
            let place = path.isEmpty ? member.name : path + "." + member.name
            throw bad(String(place.prefix(120)), "is not known; known: \(keys.sorted().joined(separator: ", "))")
        }
    }

    private func text(_ value: JSON?, _ path: String) throws(SandboxFailure) -> String? {
        guard let value else { return nil }
        guard let text = value.string else { throw bad(path, "wants a text") }
        return text
    }

    private func flag(_ value: JSON?, _ path: String) throws(SandboxFailure) -> Bool? {
        guard let value else { return nil }
        guard let flag = value.bool else { throw bad(path, "wants true or false") }
        return flag
    }

    private func number(_ value: JSON?, _ path: String, _ range: ClosedRange<Int64>) throws(SandboxFailure) -> Int64? {
        guard let value else { return nil }
        guard let number = value.integer, range.contains(number) else {
            throw bad(path, "wants a whole number of \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private func list(_ value: JSON?, _ path: String, max: Int) throws(SandboxFailure) -> [JSON] {
        guard let value else { return [] }
        guard let list = value.array, list.count <= max else { throw bad(path, "wants a list of at most \(max)") }
        return list
    }

    private func texts(_ value: JSON, _ path: String, max: Int) throws(SandboxFailure) -> [String] {
        var texts: [String] = []
        for (index, entry) in try list(value, path, max: max).enumerated() {
            guard let text = entry.string else { throw bad("\(path)[\(index)]", "wants a text") }
            texts.append(text)
        }
        return texts
    }

    private func absolute(_ value: JSON?, _ path: String) throws(SandboxFailure) -> String {
        guard let text = try text(value, path), text.hasPrefix("/"), text.utf8.count < 1024,
            !text.split(separator: "/").contains(where: { $0 == ".." || $0 == "." }), !text.utf8.contains(0)
        else { throw bad(path, "wants an absolute path without `..`") }
        return text
    }
}

enum SandboxEnvironment {
    static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 256 && !name.utf8.contains(0) && !name.utf8.contains(0x3d)
    }
}
