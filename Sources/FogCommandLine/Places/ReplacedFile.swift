internal import Glibc

/// A file that is written piece by piece and takes its name when it is whole.
package final class ReplacedFile {
    private let path: String
    private let temporary: String
    private let descriptor: Int32
    private var waiting: [UInt8] = []

    /// Bytes kept before they are written.
    private static let piece = 1 << 16

    /// - Throws: `unwritable`.
    package init(_ path: String) throws {
        self.path = path
        temporary = "\(path).\(getpid()).new"
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else {
            throw CommandLineFailure("unwritable", "\(temporary) cannot be made: \(Disk.words())")
        }
    }

    package func write(_ text: String) throws {
        waiting += text.utf8
        guard waiting.count >= Self.piece else { return }
        try Disk.writeAll(waiting, to: descriptor, name: temporary)
        waiting = []
    }

    package func commit() throws {
        try Disk.writeAll(waiting, to: descriptor, name: temporary)
        guard fsync(descriptor) == 0, rename(temporary, path) == 0 else {
            throw CommandLineFailure("unwritable", "\(path) cannot be replaced: \(Disk.words())")
        }
        close(descriptor)
    }

    package func discard() {
        close(descriptor)
        unlink(temporary)
    }
}
