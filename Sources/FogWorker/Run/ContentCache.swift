import FogCore
import Glibc

/// Content by digest, kept for later tasks: which files there are, who uses them, and which go when room is needed.
///
/// Pure bookkeeping over a folder; ``Staging`` fills it.
struct ContentCache {
    /// A file is kept apart with and without the execute bit: the mode belongs to the file, not to its name.
    struct Key: Hashable, Sendable {
        let digest: Digest
        let executable: Bool
    }

    struct Entry {
        let size: Int64
        var lastUsed: TimeSpan
        /// Tasks that have it bound.
        var users: Int
        /// False for what a former start left: its content is hashed before it is used, since a crash may have kept a
        /// file's name and lost its content.
        var isVerified: Bool
    }

    let folder: String
    let limit: Int64
    private(set) var entries: [Key: Entry] = [:]
    /// Bytes of all entries and of what is being fetched.
    private(set) var total: Int64 = 0

    init(folder: String, limit: ByteCount) throws(WorkerFailure) {
        self.folder = folder
        self.limit = limit.bytes
        try Disk.makeFolders(folder)
        try Disk.makeFolder(folder + "/partial")
        load()
    }

    func path(_ key: Key) -> String {
        let name = key.digest.description
        return "\(folder)/\(name.prefix(2))/\(name)" + (key.executable ? ".x" : "")
    }

    func partialPath(_ key: Key) -> String { "\(folder)/partial/\(key.digest)" + (key.executable ? ".x" : "") }

    private mutating func load() {
        for group in Disk.names(folder) where group.utf8.count == 2 {
            for name in Disk.names(folder + "/" + group) {
                let executable = name.hasSuffix(".x")
                guard let digest = try? Digest(executable ? name.dropLast(2) : name[...]) else { continue }
                let key = Key(digest: digest, executable: executable)
                guard let size = Disk.size(path(key)) else { continue }
                entries[key] = Entry(size: size, lastUsed: .zero, users: 0, isVerified: false)
                total += size
            }
        }
    }

    subscript(key: Key) -> Entry? { entries[key] }

    mutating func use(_ key: Key, at now: TimeSpan) {
        entries[key]?.users += 1
        entries[key]?.lastUsed = now
    }

    mutating func release(_ key: Key) { entries[key]?.users -= 1 }

    mutating func markVerified(_ key: Key) { entries[key]?.isVerified = true }

    /// Makes room and counts it as taken: the least recently used content goes, never what a task has bound.
    /// - Throws: `cache_full`.
    mutating func reserve(_ size: Int64) throws(WorkerFailure) {
        if total + size > limit {
            let idle = entries.filter { $0.value.users == 0 }.sorted { $0.value.lastUsed < $1.value.lastUsed }
            for (key, _) in idle where total + size > limit { remove(key) }
        }
        guard total + size <= limit else {
            throw WorkerFailure(
                "cache_full",
                "an input of \(ByteCount(size).brief) does not fit: tasks use \(ByteCount(total).brief) of the cache's \(ByteCount(limit).brief)"
            )
        }
        total += size
    }

    mutating func giveBack(_ size: Int64) { total -= size }

    /// Enters a file that is in its place; its size was reserved.
    mutating func add(_ key: Key, size: Int64, at now: TimeSpan) {
        entries[key] = Entry(size: size, lastUsed: now, users: 0, isVerified: true)
    }

    mutating func remove(_ key: Key) {
        guard let entry = entries.removeValue(forKey: key) else { return }
        unlink(path(key))
        total -= entry.size
    }
}
