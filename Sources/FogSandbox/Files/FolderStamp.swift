import Glibc

/// When folders were last changed, as the kernel wrote it down (`st_ctim` of stat(2), which no program can set): what was
/// made, removed or renamed in them, and their mode, owner and attributes. Cheaper than to look through them.
package struct FolderStamp: Sendable {
    private struct Change: Equatable, Sendable {
        let device: UInt
        let inode: UInt
        let seconds: Int
        let nanoseconds: Int
    }

    private let paths: [String]
    private let changes: [Change]

    /// The kernel's time stamps go by its ticks, at most 10 ms apart, so that of two changes right after one another the
    /// second may not show.
    private static let settled: Int64 = 100_000_000

    /// - Returns: nil when a folder cannot be read, or was changed less than 100 ms ago.
    package init?(_ paths: [String]) {
        self.paths = paths
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var changes: [Change] = []
        for path in paths {
            guard let change = Self.change(of: path) else { return nil }
            let age = Int64(now.tv_sec - change.seconds) * 1_000_000_000 + Int64(now.tv_nsec - change.nanoseconds)
            guard age >= Self.settled else { return nil }
            changes.append(change)
        }
        self.changes = changes
    }

    /// Whether nothing was changed in any of them, nor one replaced, since the stamp was taken.
    package var isUnchanged: Bool {
        zip(paths, changes).allSatisfy { Self.change(of: $0) == $1 }
    }

    private static func change(of path: String) -> Change? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return nil }
        return Change(
            device: UInt(status.st_dev), inode: UInt(status.st_ino), seconds: status.st_ctim.tv_sec,
            nanoseconds: status.st_ctim.tv_nsec)
    }
}
