import FogCore

/// Turns a profile's JSON into values; refuses what it does not know, with the path of the field.
struct ProfileReader {
    let name: String

    private static let keys: Set<String> = [
        "name", "description", "extends", "isolation", "groups", "mounts", "limits", "network", "landlock", "require",
        "env", "defaultAction", "defaultErrnoRet", "architectures", "archMap", "syscalls",
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

    func profile(_ document: JSON) throws(SandboxFailure) -> SandboxProfile {
        try only(Self.keys, in: document, at: "")
        let own = try text(document["name"], "name") ?? name
        guard own == name else { throw bad("name", "is `\(own)`, but the file is \(name).json") }
        let network = SandboxProfile.Network(rawValue: try text(document["network"], "network") ?? "none")
        guard let network else { throw bad("network", "wants `none` or `proxy`") }
        let isolation = try text(document["isolation"], "isolation") ?? "full"
        guard ["full", "none"].contains(isolation) else { throw bad("isolation", "wants `full` or `none`") }
        guard isolation == "full" || network == .none else {
            throw bad("network", "is `proxy`, and with isolation `none` a task has the host's network anyway")
        }
        return SandboxProfile(
            name: name, description: try text(document["description"], "description") ?? "",
            isolated: isolation == "full", limits: try limits(document["limits"]),
            mounts: try mounts(document["mounts"]), network: network, fileRules: try fileRules(document["landlock"]),
            require: try requirements(document["require"]), environment: try environment(document["env"]),
            filter: try filter(document), document: document,
            digest: Digest.blake2b(Array(document.canonical.utf8)))
    }

    // MARK: - Parts

    private func limits(_ value: JSON?) throws(SandboxFailure) -> SandboxProfile.Limits {
        var limits = SandboxProfile.Limits()
        guard let value else { return limits }
        try only(["pids", "nofile", "files", "stdout_bytes", "tmp_bytes"], in: value, at: "limits")
        limits.pids = Int(try number(value["pids"], "limits.pids", 1...32768) ?? Int64(limits.pids))
        limits.descriptors = Int(try number(value["nofile"], "limits.nofile", 8...65536) ?? Int64(limits.descriptors))
        limits.files = Int(try number(value["files"], "limits.files", 1...10_000_000) ?? Int64(limits.files))
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
            try only(["source", "target", "optional"], in: entry, at: path)
            let source = try absolute(entry["source"], path + ".source")
            mounts.append(
                .init(
                    source: source,
                    target: try entry["target"].map { value throws(SandboxFailure) in
                        try absolute(value, path + ".target")
                    } ?? source,
                    isOptional: try flag(entry["optional"], path + ".optional") ?? false))
        }
        return mounts
    }

    /// `true`, `false`, or a list of paths with what is allowed below them.
    private func fileRules(_ value: JSON?) throws(SandboxFailure) -> [SandboxProfile.FileRule] {
        guard let value, value.bool != true else { return SandboxProfile.FileRule.standard }
        guard value.bool == nil else { return [] }
        guard let entries = value.array, !entries.isEmpty, entries.count <= 32 else {
            throw bad("landlock", "wants true, false or a list of 1 to 32 rules")
        }
        var rules: [SandboxProfile.FileRule] = []
        for (index, entry) in entries.enumerated() {
            let path = "landlock[\(index)]"
            try only(["path", "access"], in: entry, at: path)
            guard let access = (try text(entry["access"], path + ".access")).flatMap(FileRule.Access.init(rawValue:))
            else { throw bad(path + ".access", "wants `read`, `write` or `all`") }
            rules.append(FileRule(path: try absolute(entry["path"], path + ".path"), access: access))
        }
        return rules
    }

    private typealias FileRule = SandboxProfile.FileRule

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

    // MARK: - Values

    func bad(_ path: String, _ words: String) -> SandboxFailure {
        SandboxFailure("bad_profile", "\(name).json: `\(path)` \(words)")
    }

    func only(_ keys: Set<String>, in value: JSON, at path: String) throws(SandboxFailure) {
        guard let members = value.members else { throw bad(path, "wants an object") }
        for member in members where !keys.contains(member.name) {
            let place = path.isEmpty ? member.name : path + "." + member.name
            throw bad(String(place.prefix(120)), "is not known; known: \(keys.sorted().joined(separator: ", "))")
        }
    }

    func text(_ value: JSON?, _ path: String) throws(SandboxFailure) -> String? {
        guard let value else { return nil }
        guard let text = value.string else { throw bad(path, "wants a text") }
        return text
    }

    func flag(_ value: JSON?, _ path: String) throws(SandboxFailure) -> Bool? {
        guard let value else { return nil }
        guard let flag = value.bool else { throw bad(path, "wants true or false") }
        return flag
    }

    func number(_ value: JSON?, _ path: String, _ range: ClosedRange<Int64>) throws(SandboxFailure) -> Int64? {
        guard let value else { return nil }
        guard let number = value.integer, range.contains(number) else {
            throw bad(path, "wants a whole number of \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func list(_ value: JSON?, _ path: String, max: Int) throws(SandboxFailure) -> [JSON] {
        guard let value else { return [] }
        guard let list = value.array, list.count <= max else { throw bad(path, "wants a list of at most \(max)") }
        return list
    }

    func texts(_ value: JSON, _ path: String, max: Int) throws(SandboxFailure) -> [String] {
        var texts: [String] = []
        for (index, entry) in try list(value, path, max: max).enumerated() {
            guard let text = entry.string else { throw bad("\(path)[\(index)]", "wants a text") }
            texts.append(text)
        }
        return texts
    }

    func absolute(_ value: JSON?, _ path: String) throws(SandboxFailure) -> String {
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
