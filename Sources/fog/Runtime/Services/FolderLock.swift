internal import FogCommandLine
import Glibc

/// The right to work in a folder, held until the value is gone: an advisory lock on a file beside it.
final class FolderLock: Sendable {
    private let descriptor: Int32

    /// - Parameter what: that works there, for the message.
    /// - Throws: `locked` when another process has it.
    init(_ folder: String, for what: String = "worker") throws {
        try Disk.makeFolder(folder, mode: 0o700)
        let path = "\(folder)/lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw CommandLineFailure("unwritable", "\(path): \(Disk.words())") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw CommandLineFailure(
                "locked", "another \(what) runs in \(folder)",
                help: "stop it first, or choose another folder by --state"
            )
        }
    }

    deinit { close(descriptor) }
}
