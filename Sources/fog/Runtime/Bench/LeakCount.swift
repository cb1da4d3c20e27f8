internal import FogCommandLine
internal import FogSandbox
import Foundation

/// What a process holds and what is below it, counted to be compared with a later count.
struct LeakCount {
    /// Names with counts, in the order they are shown.
    let counts: [(name: String, count: Int)]
    let residentBytes: Int64

    /// - Parameter folder: whose entries count.
    init(folder: String) {
        counts = [
            ("processes", Self.processes()), ("control groups", Self.groups()),
            ("mounts", Self.lines("/proc/self/mountinfo")), ("descriptors", Self.entries("/proc/self/fd")),
            ("namespaces", Self.namespaces()), ("keys", Self.lines("/proc/keys")), ("files", Self.files(folder)),
        ]
        let pages = (Self.text("/proc/self/statm").split(separator: " ").dropFirst().first).flatMap { Int64($0) } ?? 0
        residentBytes = pages * Int64(sysconf(Int32(_SC_PAGESIZE)))
    }

    private static func text(_ path: String) -> String {
        (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    }

    private static func lines(_ path: String) -> Int { text(path).split(separator: "\n").count }

    private static func entries(_ path: String) -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: path).count) ?? 0
    }

    private static func files(_ path: String) -> Int {
        (try? FileManager.default.subpathsOfDirectory(atPath: path).count) ?? 0
    }

    /// Everything below this process.
    private static func processes() -> Int { below().count - 1 }

    private static func below() -> [String] {
        var (found, waiting) = ([String](), [String(getpid())])
        while let pid = waiting.popLast() {
            found.append(pid)
            for thread in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? [] {
                waiting += text("/proc/\(pid)/task/\(thread)/children").split { $0 == " " || $0 == "\n" }.map(
                    String.init)
            }
        }
        return found
    }

    /// Namespaces that processes below this one are in, and this one is not.
    private static func namespaces() -> Int {
        var seen: Set<String> = []
        for pid in below() {
            for kind in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
                if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/ns/\(kind)") {
                    seen.insert(target)
                }
            }
        }
        return seen.count
    }

    /// Groups of this process, in every hierarchy.
    private static func groups() -> Int {
        let mark = "/fog-\(getpid())-"
        return CgroupLayout.detect().hierarchies.reduce(0) { count, hierarchy in
            let below = FileManager.default.enumerator(atPath: hierarchy.path)
            var found = 0
            while let name = below?.nextObject() as? String {
                if below?.fileAttributes?[.type] as? FileAttributeType == .typeDirectory, "/\(name)".contains(mark) {
                    found += 1
                }
            }
            return count + found
        }
    }
}
