internal import FogCore
internal import Glibc

/// The folder that outputs are written into. Every step down is taken by descriptor and follows no link, so that no name
/// leads out of it, whatever lies there.
final class OutputFolder: Sendable {
    private let root: Int32
    let path: String

    /// - Throws: `unwritable`.
    init(_ path: String) throws {
        try Disk.makeFolder(path)
        root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        self.path = path
        guard root >= 0 else { throw CommandLineFailure("unwritable", "\(path): \(Disk.words())") }
    }

    deinit { close(root) }

    /// The folder that holds a file, made when it is missing.
    private func parent(of file: PlannedFile) throws -> Int32 {
        var folder = dup(root)
        for component in file.components.dropLast() {
            mkdirat(folder, component, 0o777)
            let next = openat(folder, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            let words = Disk.words()
            close(folder)
            guard next >= 0 else {
                throw CommandLineFailure(
                    "unwritable", "\(path)/\(file.path): `\(component)` is no folder that can be written into: \(words)"
                )
            }
            folder = next
        }
        return folder
    }

    /// Whether the file is there already, content and all.
    func has(_ file: PlannedFile) throws -> Bool {
        let parent = try parent(of: file)
        defer { close(parent) }
        let descriptor = openat(parent, file.components.last ?? "", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size == file.size else {
            return false
        }
        var stream = DigestStream()
        try Disk.readPieces(of: descriptor, name: file.path) { stream.update($0) }
        return stream.finish() == file.digest
    }

    /// - Parameter resumes: goes on where an earlier run stopped; else from the beginning.
    func begin(_ file: PlannedFile, resumes: Bool = true) throws -> PartialFile {
        try PartialFile(file, parent: try parent(of: file), folder: path, resumes: resumes)
    }
}

/// A file on its way: beside its place under a hidden name, so that a later run can go on where this one stopped.
struct PartialFile: ~Copyable {
    private let file: PlannedFile
    private let parent: Int32
    private let descriptor: Int32
    private let name: String
    private let folder: String
    private var digest = DigestStream()
    private(set) var size: Int64 = 0

    /// Takes the descriptor of the folder over.
    fileprivate init(_ file: PlannedFile, parent: Int32, folder: String, resumes: Bool) throws {
        let key = Digest.blake2b(Array(file.path.utf8) + file.digest.bytes).description.prefix(16)
        (self.file, self.parent, self.folder, name) = (file, parent, folder, ".fog-\(key).part")
        descriptor = openat(parent, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            let words = Disk.words()
            close(parent)
            throw CommandLineFailure("unwritable", "\(folder)/\(file.path) cannot be written: \(words)")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw CommandLineFailure(
                "busy", "\(folder)/\(file.path) is being fetched by another command", status: .tryAgain)
        }
        var found: Int64 = 0
        try Disk.readPieces(of: descriptor, name: name) { piece in
            digest.update(piece)
            found += Int64(piece.count)
        }
        if found > file.size || !resumes {
            try restart()
        } else {
            size = found
        }
    }

    deinit {
        close(descriptor)
        close(parent)
    }

    private mutating func restart() throws {
        guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
            throw CommandLineFailure("unwritable", "\(folder)/\(file.path): \(Disk.words())")
        }
        digest = DigestStream()
        size = 0
    }

    mutating func append(_ bytes: [UInt8]) throws {
        try Disk.writeAll(bytes, to: descriptor, name: "\(folder)/\(file.path)")
        digest.update(bytes)
        size += Int64(bytes.count)
    }

    /// Checks the content and gives the file its name.
    /// - Throws: `bad_content` when it is not what was announced; then nothing is kept.
    consuming func finish() throws {
        var whole = DigestStream()
        swap(&whole, &digest)
        let found = whole.finish()
        guard found == file.digest else {
            unlinkat(parent, name, 0)
            throw CommandLineFailure(
                "bad_content",
                "\(folder)/\(file.path) came with other content than announced: found \(found), wanted \(file.digest)",
                help: "the same command fetches it again", status: .tryAgain)
        }
        var status = stat()
        fstat(descriptor, &status)
        if file.isExecutable { fchmod(descriptor, (status.st_mode | (status.st_mode & 0o444) >> 2) & 0o777) }
        guard renameat(parent, name, parent, file.components.last ?? "") == 0 else {
            throw CommandLineFailure("unwritable", "\(folder)/\(file.path): \(Disk.words())")
        }
    }
}
