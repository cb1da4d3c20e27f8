internal import FogCore
internal import FogManifestFile
package import Glibc

/// Small files of our own, read and written whole.
package enum Disk {
    /// Configuration, contexts and keys are far below it.
    package static let smallFile = 1 << 20

    package static func words(_ number: Int32 = errno) -> String { String(cString: strerror(number)) }

    /// Nil when there is no such file.
    /// - Throws: `unreadable`, or `manifest_too_large` beyond ``smallFile``.
    package static func readSmall(_ path: String) throws -> [UInt8]? {
        guard exists(path) else { return nil }
        return try LocalFile.read(path, limit: smallFile)
    }

    /// The same path from the root, for a process that stands elsewhere.
    package static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let current = getcwd(nil, 0) else { return path }
        defer { free(current) }
        return "\(String(cString: current))/\(path)"
    }

    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// What is there, links followed; nil when nothing is.
    package static func status(_ path: String) -> stat? {
        var status = stat()
        return stat(path, &status) == 0 ? status : nil
    }

    /// Makes a folder and those above it; one that is there stays as it is.
    /// - Throws: `unwritable`.
    package static func makeFolder(_ path: String, mode: mode_t = 0o755) throws {
        guard !path.isEmpty, !exists(path) else { return }
        if let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            try makeFolder(String(path[..<slash]), mode: mode)
        }
        guard mkdir(path, mode) == 0 || errno == EEXIST else {
            throw CommandLineFailure("unwritable", "the folder \(path) cannot be made: \(words())")
        }
    }

    /// Replaces a file as a whole: a reader, or a crash, meets the old content or the new.
    /// - Throws: `unwritable`.
    package static func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o644) throws {
        let temporary = "\(path).\(getpid()).new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw CommandLineFailure("unwritable", "\(temporary) cannot be made: \(words())") }
        do {
            defer { close(descriptor) }
            try writeAll(bytes, to: descriptor, name: temporary)
            guard fchmod(descriptor, mode) == 0, fsync(descriptor) == 0 else {
                throw CommandLineFailure("unwritable", "\(temporary): \(words())")
            }
        } catch {
            unlink(temporary)
            throw error
        }
        guard rename(temporary, path) == 0 else {
            let words = words()
            unlink(temporary)
            throw CommandLineFailure("unwritable", "\(path) cannot be replaced: \(words)")
        }
    }

    /// Names in a folder survive a crash of the machine when this returns.
    /// - Throws: `unwritable`.
    package static func sync(folder: String) throws {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CommandLineFailure("unwritable", "\(folder) cannot be opened: \(words())") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw CommandLineFailure("unwritable", "\(folder): \(words())") }
    }

    package static func writeAll(_ bytes: some Collection<UInt8>, to descriptor: Int32, name: String) throws {
        let all = Array(bytes)
        try all.withUnsafeBytes { raw in
            var written = 0
            while written < raw.count {
                let count = Glibc.write(descriptor, raw.baseAddress?.advanced(by: written), raw.count - written)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw CommandLineFailure("unwritable", "\(name) cannot be written: \(words())") }
                written += count
            }
        }
    }

    /// Reads on from where the descriptor stands, piece by piece.
    /// - Throws: `unreadable`, and what the receiver throws.
    package static func readPieces(
        of descriptor: Int32, name: String, size: Int = 1 << 20, _ receive: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = read(descriptor, buffer.baseAddress, size)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw CommandLineFailure("unreadable", "\(name) cannot be read: \(words())") }
            guard count > 0 else { return }
            try receive(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }
}
