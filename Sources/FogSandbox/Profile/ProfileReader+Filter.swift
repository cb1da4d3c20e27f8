import FogCore
import Glibc

/// The system call filter, in the shape of the OCI runtime specification (config-linux.md, "Seccomp"), with the
/// conditions that moby's profiles add.
extension ProfileReader {
    func filter(_ document: JSON) throws(SandboxFailure) -> FilterProfile {
        var filter = FilterProfile()
        filter.defaultAction = try action(document["defaultAction"], document["defaultErrnoRet"], "defaultAction")
        for (index, entry) in try list(document["architectures"], "architectures", max: 16).enumerated() {
            guard let name = entry.string, name.hasPrefix("SCMP_ARCH_") else {
                throw bad("architectures[\(index)]", "wants SCMP_ARCH_X86_64 or the like")
            }
            filter.architectures.append(name)
        }
        for (index, entry) in try list(document["archMap"], "archMap", max: 32).enumerated() {
            guard let name = entry["architecture"]?.string else {
                throw bad("archMap[\(index)]", "wants `architecture`")
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
        try only(["names", "action", "errnoRet", "args", "comment", "includes", "excludes"], in: entry, at: path)
        guard try SyscallCondition.applies(entry, at: path) else { return }
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
        let number = UInt16(try number(errno, path + ", errnoRet", 0...4095) ?? 1)
        switch try text(word, path) {
        case "SCMP_ACT_ALLOW": return .allow
        case "SCMP_ACT_ERRNO", nil: return .refuse(errno: number)
        case "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL": return .killProcess
        case .some(let other):
            throw bad(path, "is `\(other)`; wanted SCMP_ACT_ALLOW, SCMP_ACT_ERRNO or SCMP_ACT_KILL_PROCESS")
        }
    }
}

/// `includes` and `excludes` of an entry, as moby reads them (profiles/seccomp/seccomp_linux.go, `setupSeccomp`): a task
/// has no capabilities, so what takes one is left out, and what stands in for it is kept.
enum SyscallCondition {
    static func applies(_ entry: JSON, at path: String) throws(SandboxFailure) -> Bool {
        let (includes, excludes) = (entry["includes"], entry["excludes"])
        if let includes {
            if includes["caps"]?.array?.isEmpty == false { return false }
            if let names = names(includes["arches"]), !names.isEmpty, !names.contains(where: isNative) { return false }
            if let version = includes["minKernel"]?.string, !isKernel(atLeast: version) { return false }
        }
        if let excludes {
            if let names = names(excludes["arches"]), names.contains(where: isNative) { return false }
            if let version = excludes["minKernel"]?.string, isKernel(atLeast: version) { return false }
        }
        return true
    }

    private static func names(_ value: JSON?) -> [String]? { value?.array?.compactMap(\.string) }

    /// The names of Go, as moby has them.
    private static func isNative(_ name: String) -> Bool {
        #if arch(x86_64)
            name == "amd64"
        #elseif arch(arm64)
            name == "arm64"
        #else
            false
        #endif
    }

    /// Compares the first two numbers of uname(2)'s release.
    private static func isKernel(atLeast version: String) -> Bool {
        var name = utsname()
        guard uname(&name) == 0 else { return false }
        let release = withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return numbers(release).lexicographicallyPrecedes(numbers(version)) == false
    }

    private static func numbers(_ version: String) -> [Int] {
        version.split(separator: ".").prefix(2).map { Int($0.prefix { $0.isNumber }) ?? 0 }
    }
}
