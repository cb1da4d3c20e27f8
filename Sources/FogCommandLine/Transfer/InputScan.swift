package import FogCore
package import FogJobs
internal import FogManifestFile
internal import Glibc

/// What lies behind a job's local inputs: every file by digest, and where each content can be read again.
package struct InputScan: Sendable {
    package let files: FileTable
    /// A path that holds each content.
    package let places: [Digest: String]
    /// Of each content once, in bytes.
    package let sizes: [Digest: Int64]

    package var totalBytes: Int64 { sizes.values.reduce(0, +) }

    /// Reads all sources to the end once.
    /// - Parameter places: real paths of sources that do not lie where their name says (standard input).
    /// - Parameter onFile: told of each file that was read, with the bytes so far.
    /// - Throws: `bad_input` for what is neither file nor folder, `unreadable`, `bad_file_table`.
    package init(
        sources: [String], folder: String, places real: [String: String] = [:],
        onFile: @escaping (_ files: Int, _ bytes: Int64) -> Void = { _, _ in }
    ) throws {
        var scan = Scan(onFile: onFile)
        var table: [String: [FileTable.Entry]] = [:]
        for source in sources {
            table[source] = try scan.entries(at: real[source] ?? LocalFile.place(of: source, in: folder))
        }
        files = try FileTable(table)
        (places, sizes) = (scan.places, scan.sizes)
    }
}

private struct Scan {
    let onFile: (Int, Int64) -> Void
    var places: [Digest: String] = [:]
    var sizes: [Digest: Int64] = [:]
    private var count = 0
    private var bytes: Int64 = 0

    /// Folders within folders.
    private static let maxDepth = 64

    private struct FolderID: Hashable {
        let device: dev_t
        let inode: ino_t
    }

    init(onFile: @escaping (Int, Int64) -> Void) { self.onFile = onFile }

    mutating func entries(at path: String) throws -> [FileTable.Entry] {
        guard let status = Disk.status(path) else {
            throw CommandLineFailure("bad_input", "the input \(path) cannot be read: \(Disk.words())", status: .badData)
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return [try entry(path, named: "", status)]
        case S_IFDIR:
            var found: [FileTable.Entry] = []
            try walk(path, prefix: "", above: [], into: &found)
            return found
        default: throw bad(path)
        }
    }

    private func bad(_ path: String) -> CommandLineFailure {
        CommandLineFailure("bad_input", "the input \(path) is neither a file nor a folder", status: .badData)
    }

    /// Links are followed, so that the worker meets content and no link; one that leads back up is refused.
    private mutating func walk(
        _ path: String, prefix: String, above: Set<FolderID>, into found: inout [FileTable.Entry]
    ) throws {
        guard let status = Disk.status(path) else {
            throw CommandLineFailure("bad_input", "the input \(path) cannot be read: \(Disk.words())", status: .badData)
        }
        let id = FolderID(device: status.st_dev, inode: status.st_ino)
        guard !above.contains(id), above.count < Self.maxDepth else {
            throw CommandLineFailure(
                "bad_input", "the input \(path) leads back into itself, or lies deeper than \(Self.maxDepth) folders",
                status: .badData)
        }
        for name in try names(in: path) {
            let child = "\(path)/\(name)"
            guard let status = Disk.status(child) else {
                throw CommandLineFailure(
                    "bad_input", "the input \(child) cannot be read: \(Disk.words())", status: .badData)
            }
            switch status.st_mode & S_IFMT {
            case S_IFREG: found.append(try entry(child, named: prefix + name, status))
            case S_IFDIR: try walk(child, prefix: prefix + name + "/", above: above.union([id]), into: &found)
            default: throw bad(child)
            }
            guard found.count <= FileTable.maxEntries else {
                throw CommandLineFailure(
                    "bad_input", "the inputs have more than \(FileTable.maxEntries) files", status: .badData)
            }
        }
    }

    /// Sorted, so that a scan reads in the same order everywhere.
    private func names(in path: String) throws -> [String] {
        guard let folder = opendir(path) else {
            throw CommandLineFailure(
                "bad_input", "the folder \(path) cannot be read: \(Disk.words())", status: .badData)
        }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let raw = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            guard let name = String(validating: raw, as: UTF8.self) else {
                throw CommandLineFailure(
                    "bad_input", "a name in \(path) is not UTF-8: \(String(decoding: raw, as: UTF8.self))",
                    status: .badData)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    private mutating func entry(_ path: String, named name: String, _ status: stat) throws -> FileTable.Entry {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw CommandLineFailure("bad_input", "the input \(path) cannot be read: \(Disk.words())", status: .badData)
        }
        defer { close(descriptor) }
        var stream = DigestStream()
        var size: Int64 = 0
        try Disk.readPieces(of: descriptor, name: path) { piece in
            stream.update(piece)
            size += Int64(piece.count)
        }
        let digest = stream.finish()
        places[digest] = path
        sizes[digest] = size
        count += 1
        bytes += size
        onFile(count, bytes)
        return FileTable.Entry(
            path: name, digest: digest, size: ByteCount(size), isExecutable: status.st_mode & S_IXUSR != 0)
    }
}
