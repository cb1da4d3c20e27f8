import FogSandbox
import Glibc
import Synchronization

/// Work folders that a task left as it found them: the next task of the same slot takes one over, for making and
/// removing folders costs a trivial task more than everything else.
///
/// Taken over is only what cannot be told from a new folder: empty, with the modes and owner of a new one, without
/// extended attributes. Everything else is removed.
final class WorkShelf: Sendable {
    private let clean = Mutex<Set<String>>([])

    /// Whether the folder lies ready; it is the caller's then.
    func take(_ path: String) -> Bool { clean.withLock { $0.remove(path) != nil } }

    /// Keeps a folder whose task has ended, if it is as good as new.
    /// - Parameter stamp: of the folder when it was taken from here.
    func keep(_ place: AttemptPlace, since stamp: FolderStamp? = nil) -> Bool {
        if stamp?.isUnchanged == true {
            _ = clean.withLock { $0.insert(place.work) }
            return true
        }
        guard Self.isNew(place.work, mode: 0o755, holding: TaskEnvironment.checkpointName),
            Self.isNew(place.checkpoint, mode: 0o777, holding: nil)
        else { return false }
        _ = clean.withLock { $0.insert(place.work) }
        return true
    }

    private static func isNew(_ path: String, mode: mode_t, holding name: String?) -> Bool {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return false }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & 0o7777 == mode, !FolderAttributes.has(descriptor),
            let stream = fdopendir(descriptor)
        else {
            close(descriptor)
            return false
        }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let found = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if found != ".", found != "..", found != name { return false }
        }
        return true
    }
}
