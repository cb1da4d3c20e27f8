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
        /// The archive of this digest, unpacked: a folder.
        var isImage = false

        static func image(_ digest: Digest) -> Key { Key(digest: digest, executable: false, isImage: true) }
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
    /// Nil = by ``bound(free:held:)``.
    private let fixedLimit: Int64?
    private(set) var entries: [Key: Entry] = [:]
    /// Bytes of all entries and of what is being fetched.
    private(set) var total: Int64 = 0

    init(folder: String, limit: ByteCount?) throws(WorkerFailure) {
        self.folder = folder
        fixedLimit = limit?.bytes
        try Disk.makeFolders(folder)
        try Disk.makeFolder(folder + "/partial")
        try Disk.makeFolder(emptyFolder, mode: 0o755)
        try Disk.makeFolder(folder + "/images")
        load()
        loadImages()
    }

    /// The most that it may hold now. Asked anew each time: others fill the disk too.
    var limit: Int64 { fixedLimit ?? Self.bound(free: Disk.free(folder), held: total) }

    /// 10 GiB, or a tenth of what would be free without the cache.
    /// - Parameter free: bytes free on its disk; nil when the kernel does not say.
    static func bound(free: Int64?, held: Int64) -> Int64 {
        let most = ByteCount.gibibytes(10).bytes
        return free.map { min(most, ($0 + held) / 10) } ?? most
    }

    func path(_ key: Key) -> String {
        let name = key.digest.description
        if key.isImage { return "\(folder)/images/\(name)/root" }
        return "\(folder)/\(name.prefix(2))/\(name)" + (key.executable ? ".x" : "")
    }

    /// What stands in for every empty folder among inputs.
    var emptyFolder: String { folder + "/empty" }

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

    /// Images that were unpacked whole; what a former process left half is removed.
    private mutating func loadImages() {
        for name in Disk.names(folder + "/partial") where name.hasPrefix("image-") {
            Disk.removeTree(folder + "/partial/" + name)
        }
        for name in Disk.names(folder + "/images") {
            let place = folder + "/images/" + name
            guard let digest = try? Digest(name), let size = Disk.text(place + "/size").flatMap({ Int64($0) }) else {
                Disk.removeTree(place)
                continue
            }
            entries[.image(digest)] = Entry(size: size, lastUsed: .zero, users: 0, isVerified: true)
            total += size
        }
    }

    /// Where an image is unpacked before it has its name.
    func imageDraft(_ digest: Digest) -> String { folder + "/partial/image-\(digest)" }

    /// Gives an unpacked image its place; its content is on the disk already, and its size was reserved.
    mutating func addImage(_ digest: Digest, size: Int64, at now: TimeSpan) throws(WorkerFailure) {
        let (draft, place) = (imageDraft(digest), folder + "/images/\(digest)")
        try Disk.writeDurably(Array(String(size).utf8), to: draft + "/size", in: draft)
        guard rename(draft, place) == 0 else { throw Disk.failure("could not be put in place", place) }
        try Disk.flush(folder + "/images")
        add(.image(digest), size: size, at: now)
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
        let limit = limit
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
        total -= entry.size
        guard key.isImage else {
            unlink(path(key))
            return
        }
        // Out of the way at once, gone when there is time: an image has many files.
        let (place, trash) = (
            folder + "/images/\(key.digest)", imageDraft(key.digest) + "-\(entry.lastUsed.milliseconds)"
        )
        if rename(place, trash) == 0 { Disk.removeLater(trash) } else { Disk.removeTree(place) }
    }
}
