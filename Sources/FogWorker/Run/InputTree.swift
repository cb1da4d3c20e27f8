import FogSandbox
import Glibc

/// Inputs laid out as files instead of binds.
enum InputTree {
    struct Link: Sendable, Hashable {
        /// In the cache.
        let source: String
        let name: String
    }

    /// A read-only tree of hard links, bound by its topmost names: thousands of binds would cost a task milliseconds
    /// each. Beyond `limit` topmost names, files among them are copied into the work folder itself.
    /// - Parameter folders: empty folders of the tree, and those that something else is bound over.
    static func make(
        _ links: [Link], folders: [String] = [], in place: AttemptPlace, limit: Int
    ) async throws(WorkerFailure) -> [SandboxInput] {
        try await Disk.offload { () throws(WorkerFailure) in
            try Disk.makeFolder(place.inputTree, mode: 0o755)
            var made: Set<String> = []
            var bound: [String] = []
            var seen: Set<String> = []
            for link in links {
                let parts = link.name.split(separator: "/")
                let top = String(parts[0])
                if parts.count == 1, seen.count >= limit {
                    try copyOne(link, below: place.work, made: &made)
                    continue
                }
                if seen.insert(top).inserted { bound.append(top) }
                try makeParents(of: link.name, below: place.inputTree, mode: 0o755, made: &made)
                guard Glibc.link(link.source, place.inputTree + "/" + link.name) == 0 else {
                    throw Disk.failure("could not be linked", link.name)
                }
            }
            for folder in folders {
                let top = String(folder.split(separator: "/")[0])
                if seen.insert(top).inserted { bound.append(top) }
                try makeParents(of: folder + "/.", below: place.inputTree, mode: 0o755, made: &made)
            }
            return bound.map { SandboxInput(hostPath: place.inputTree + "/" + $0, name: $0) }
        }
    }

    /// Copies that the task may change, with their execute bits.
    static func copy(_ links: [Link], below folder: String) async throws(WorkerFailure) {
        try await Disk.offload { () throws(WorkerFailure) in
            var made: Set<String> = []
            for link in links { try copyOne(link, below: folder, made: &made) }
        }
    }

    private static func copyOne(_ link: Link, below folder: String, made: inout Set<String>) throws(WorkerFailure) {
        try makeParents(of: link.name, below: folder, mode: 0o777, made: &made)
        let source = open(link.source, O_RDONLY | O_CLOEXEC)
        guard source >= 0 else { throw Disk.failure("could not be read", link.source) }
        defer { close(source) }
        try Disk.copy(
            from: source, to: folder + "/" + link.name, mode: link.source.hasSuffix(".x") ? 0o777 : 0o666)
    }

    private static func makeParents(
        of name: String, below folder: String, mode: mode_t, made: inout Set<String>
    ) throws(WorkerFailure) {
        var path = folder
        for part in name.split(separator: "/").dropLast() {
            path += "/" + part
            guard made.insert(path).inserted else { continue }
            try Disk.makeFolder(path, mode: mode)
            guard chmod(path, mode) == 0 else { throw Disk.failure("could not be given its mode", path) }
        }
    }
}
