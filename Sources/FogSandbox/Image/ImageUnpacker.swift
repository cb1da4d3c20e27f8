import CFog
import Glibc

/// Lays a planned image out as files. Every step is taken from a folder's descriptor and follows no link, so that no
/// name leads out, whatever the archive holds.
package struct ImageUnpacker: ~Copyable {
    private let root: Int32
    private let archive: ImageArchive
    /// The folder of the last entry, for most entries follow in the same.
    private var parent: Int32 = -1
    private var parentPath: [[UInt8]] = []

    /// - Parameter folder: there and empty; on failure what was made stays, for the caller to remove.
    /// - Throws: `bad_image`, `sandbox_failed` for the disk's own failures.
    package static func unpack(
        _ plan: ImagePlan, from archive: consuming ImageArchive, into folder: String
    ) throws(SandboxFailure) {
        var unpacker = try ImageUnpacker(archive, folder: folder)
        for layer in plan.layers {
            for whiteout in layer.whiteouts { try unpacker.apply(whiteout) }
            try unpacker.lay(layer.part, isLayer: plan.isLayered)
        }
        try unpacker.finish()
    }

    private init(_ archive: consuming ImageArchive, folder: String) throws(SandboxFailure) {
        root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        self.archive = archive
        guard root >= 0 else { throw SandboxFailure("sandbox_failed", "\(folder): \(Files.words(errno))") }
    }

    deinit {
        close(root)
        if parent >= 0 { close(parent) }
    }

    private func finish() throws(SandboxFailure) {
        // Its names and content must be on the disk before the image gets its name: it cannot be hashed again later.
        guard fog_sync_disk(root) == 0 else { throw SandboxFailure("sandbox_failed", "syncfs: \(Files.words(errno))") }
    }

    private static func failed(_ entry: TarEntry, _ number: Int32 = errno) -> SandboxFailure {
        switch number {
        case ENOSPC, EDQUOT, EIO, EROFS, EMFILE, ENFILE, ENOMEM:
            SandboxFailure("sandbox_failed", "`\(entry.name)` of the image: \(Files.words(number))")
        default: TarReader.refused("`\(entry.name)` cannot be made: \(Files.words(number))")
        }
    }

    // MARK: - Entries

    private mutating func lay(_ part: ImageArchive.Part, isLayer: Bool) throws(SandboxFailure) {
        var file: Int32 = -1
        var current: TarEntry?
        defer { if file >= 0 { close(file) } }
        // The closure cannot hold `self`, which owns the archive that reads.
        var (parent, parentPath) = (self.parent, self.parentPath)
        self.parent = -1
        defer { (self.parent, self.parentPath) = (parent, parentPath) }
        let root = root
        try archive.read(part) { event throws(SandboxFailure) in
            switch event {
            case .entry(let entry):
                current = entry
                // Applied before the layer was begun.
                if isLayer, LayerSurvey.isWhiteout(entry) { return }
                try Self.move(to: entry, root: root, &parent, &parentPath)
                file = try Self.make(entry, in: parent, root: root)
            case .content(let bytes):
                guard let entry = current, file >= 0 else { return }
                try Self.write(bytes, to: file, entry)
            case .endOfContent:
                guard let entry = current, file >= 0 else { return }
                try Self.finish(file, entry)
                close(file)
                file = -1
            }
        }
    }

    /// Opens the folder of an entry, made where it is missing.
    private static func move(
        to entry: TarEntry, root: Int32, _ parent: inout Int32, _ parentPath: inout [[UInt8]]
    ) throws(SandboxFailure) {
        let path = Array(entry.path.dropLast())
        if parent >= 0, path == parentPath { return }
        if parent >= 0 { close(parent) }
        (parent, parentPath) = (-1, path)
        var folder = fcntl(root, F_DUPFD_CLOEXEC, 0)
        guard folder >= 0 else { throw failed(entry) }
        for part in path {
            let name = text(part)
            _ = mkdirat(folder, name, 0o755)
            let next = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            let number = errno
            close(folder)
            guard next >= 0 else {
                if number == ENOTDIR || number == ELOOP {
                    throw TarReader.refused("`\(entry.name)` lies behind `\(TarEntry.shown(part))`, which is no folder")
                }
                throw failed(entry, number)
            }
            folder = next
        }
        parent = folder
    }

    /// - Returns: the descriptor of a file that waits for its content, or -1.
    private static func make(_ entry: TarEntry, in parent: Int32, root: Int32) throws(SandboxFailure) -> Int32 {
        guard let last = entry.path.last else { return -1 }
        let name = text(last)
        if case .folder = entry.kind {
            if mkdirat(parent, name, 0o700) != 0 {
                guard errno == EEXIST else { throw failed(entry) }
                if !isFolder(name, in: parent) {
                    guard unlinkat(parent, name, 0) == 0, mkdirat(parent, name, 0o700) == 0 else { throw failed(entry) }
                }
            }
            let folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard folder >= 0 else { throw failed(entry) }
            defer { close(folder) }
            guard fchmod(folder, mode_t(entry.mode & 0o755 | 0o700)) == 0 else { throw failed(entry) }
            return -1
        }
        remove(name, in: parent)
        switch entry.kind {
        case .folder: return -1
        case .file:
            let file = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            guard file >= 0 else { throw failed(entry) }
            return file
        case .link(let target):
            guard symlinkat(text(target), parent, name) == 0 else { throw failed(entry) }
            return -1
        case .hardLink(let target):
            try link(entry, to: target, name, in: parent, root: root)
            return -1
        }
    }

    /// To a file that is there, reached without following a link.
    private static func link(
        _ entry: TarEntry, to target: [[UInt8]], _ name: [CChar], in parent: Int32, root: Int32
    ) throws(SandboxFailure) {
        let words = "the hard link `\(entry.name)` is to `\(TarEntry.shown(Array(target.joined(separator: [0x2f]))))`"
        guard let last = target.last else { throw TarReader.refused("\(words), which is no file") }
        var folder = fcntl(root, F_DUPFD_CLOEXEC, 0)
        defer { if folder >= 0 { close(folder) } }
        for part in target.dropLast() where folder >= 0 {
            let next = openat(folder, text(part), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            close(folder)
            folder = next
        }
        var status = stat()
        guard folder >= 0, fstatat(folder, text(last), &status, AT_SYMLINK_NOFOLLOW) == 0,
            status.st_mode & S_IFMT == S_IFREG
        else { throw TarReader.refused("\(words), which is no file") }
        guard linkat(folder, text(last), parent, name, 0) == 0 else { throw failed(entry) }
    }

    private static func write(_ bytes: ArraySlice<UInt8>, to file: Int32, _ entry: TarEntry) throws(SandboxFailure) {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failed(entry) }
            rest = rest.dropFirst(count)
        }
    }

    /// Read-only, as it will be mounted; with its time, for some programs (Python) hold caches against it.
    private static func finish(_ file: Int32, _ entry: TarEntry) throws(SandboxFailure) {
        guard fchmod(file, mode_t(entry.mode & 0o555 | 0o400)) == 0 else { throw failed(entry) }
        let time = timespec(tv_sec: time_t(entry.modified), tv_nsec: 0)
        _ = [time, time].withUnsafeBufferPointer { futimens(file, $0.baseAddress) }
    }

    // MARK: - Taking away

    private mutating func apply(_ whiteout: ImagePlan.Whiteout) throws(SandboxFailure) {
        switch whiteout {
        case .one(let path):
            guard let last = path.last, let folder = existing(Array(path.dropLast())) else { return }
            defer { close(folder) }
            Self.remove(Self.text(last), in: folder)
        case .contents(let path):
            guard let folder = existing(path) else { return }
            Self.empty(folder)
        }
        // The folder that was open may be gone.
        if parent >= 0 { close(parent) }
        (parent, parentPath) = (-1, [])
    }

    private func existing(_ path: [[UInt8]]) -> Int32? {
        var folder = fcntl(root, F_DUPFD_CLOEXEC, 0)
        for part in path where folder >= 0 {
            let next = openat(folder, Self.text(part), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            close(folder)
            folder = next
        }
        return folder >= 0 ? folder : nil
    }

    private static func isFolder(_ name: [CChar], in folder: Int32) -> Bool {
        var status = stat()
        return fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func remove(_ name: [CChar], in folder: Int32) {
        if unlinkat(folder, name, 0) == 0 { return }
        let child = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard child >= 0 else { return }
        empty(child)
        unlinkat(folder, name, AT_REMOVEDIR)
    }

    /// Takes the descriptor over. As deep as ``TarEntry/maxDepth`` at most.
    private static func empty(_ folder: Int32) {
        guard let stream = fdopendir(folder) else {
            close(folder)
            return
        }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                Array(raw.prefix { $0 != 0 }.map { CChar(bitPattern: $0) }) + [0]
            }
            if name == [46, 0] || name == [46, 46, 0] { continue }
            remove(name, in: folder)
        }
    }

    private static func text(_ part: [UInt8]) -> [CChar] { part.map { CChar(bitPattern: $0) } + [0] }
}
