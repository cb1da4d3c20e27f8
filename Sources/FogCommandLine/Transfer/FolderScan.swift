internal import FogCore
internal import FogJobs
internal import Glibc

/// Reads files and folders that are sent along, with one account of contents over all of them.
struct FolderScan {
    struct Found {
        var entries: [FileTable.Entry] = []
        /// Below the source, without a final slash.
        var emptyFolders: [String] = []
        var rules = IgnoreRules()

        var count: Int { entries.count + emptyFolders.count }
    }

    private(set) var places: [Digest: String] = [:]
    private(set) var sizes: [Digest: Int64] = [:]
    private let limits: InputScan.Limits
    private let onFile: (Int, Int64) -> Void
    private var fileCount = 0
    private var readBytes: Int64 = 0
    private var contentBytes: Int64 = 0

    /// Folders within folders.
    private static let maxDepth = 64

    private struct FolderID: Hashable {
        let device: dev_t
        let inode: ino_t
    }

    init(limits: InputScan.Limits, onFile: @escaping (Int, Int64) -> Void) {
        self.limits = limits
        self.onFile = onFile
    }

    mutating func scan(_ path: String) throws -> Found {
        var found = Found()
        let status = try status(path)
        switch status.st_mode & S_IFMT {
        case S_IFREG: found.entries = [try entry(path, named: "", status)]
        case S_IFDIR:
            guard let root = Self.real(path) else { throw unreadable(path) }
            try walk(path, prefix: "", root: root, above: [], into: &found)
            // The source's own emptiness needs no entry.
            found.emptyFolders.removeAll { $0.isEmpty }
        default: throw refused("the input \(path) is neither a file nor a folder")
        }
        return found
    }

    // MARK: - Folders

    /// Links within the source are followed, so that the worker meets content and no link; one that leads out of the
    /// source, or back up, is refused.
    private mutating func walk(
        _ path: String, prefix: String, root: String, above: Set<FolderID>, into found: inout Found
    ) throws {
        let status = try status(path)
        let id = FolderID(device: status.st_dev, inode: status.st_ino)
        guard !above.contains(id), above.count < Self.maxDepth else {
            throw refused(
                "the input \(path) leads back into itself, or lies deeper than \(Self.maxDepth) folders")
        }
        let names = try names(in: path)
        if names.contains(IgnoreRules.fileName) { try readRules(in: path, prefix: prefix, into: &found) }
        var isEmpty = true
        for name in names where name != IgnoreRules.fileName {
            let (child, inner) = ("\(path)/\(name)", prefix + name)
            let isLink = Self.isLink(child)
            // A link is judged as what it is before it is followed: an ignored one may lead anywhere.
            let followed = Disk.status(child)
            let isFolder = followed.map { $0.st_mode & S_IFMT == S_IFDIR } ?? false
            if found.rules.leavesOut(inner, isFolder: isFolder) { continue }
            isEmpty = false
            if isLink { try checkLink(child, root: root) }
            guard let followed else { throw unreadable(child) }
            switch followed.st_mode & S_IFMT {
            case S_IFREG:
                try checkRoom(for: child, found)
                found.entries.append(try entry(child, named: inner, followed))
            case S_IFDIR:
                try walk(child, prefix: inner + "/", root: root, above: above.union([id]), into: &found)
            default: throw refused("the input \(child) is neither a file nor a folder")
            }
        }
        if isEmpty {
            try checkRoom(for: path, found)
            found.emptyFolders.append(String(prefix.dropLast()))
        }
    }

    private func readRules(in path: String, prefix: String, into found: inout Found) throws {
        let file = "\(path)/\(IgnoreRules.fileName)"
        guard let status = Disk.status(file), status.st_mode & S_IFMT == S_IFREG,
            let text = try Disk.readSmall(file)
        else { throw refused("\(file) is no file that can be read") }
        try found.rules.add(text, in: String(prefix.dropLast()), path: file)
    }

    private func checkRoom(for path: String, _ found: Found) throws {
        guard found.count < limits.entries else {
            throw refused(
                "\(path) is one more than the \(limits.entries) files that one input may have",
                help: "leave some out by \(IgnoreRules.fileName), or send an archive")
        }
    }

    private func checkLink(_ path: String, root: String) throws {
        guard let real = Self.real(path) else {
            throw refused(
                "the link \(path) leads nowhere, or back to itself",
                help: "remove it, or leave it out by \(IgnoreRules.fileName)")
        }
        guard real == root || real.hasPrefix(root + "/") else {
            throw refused(
                "the link \(path) leads out of the folder, to \(real)",
                help: "give that an input of its own, or leave the link out by \(IgnoreRules.fileName)")
        }
    }

    /// Sorted, so that a scan reads in the same order everywhere.
    private func names(in path: String) throws -> [String] {
        guard let folder = opendir(path) else {
            throw refused("the folder \(path) cannot be read: \(Disk.words())")
        }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let raw = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            guard let name = String(validating: raw, as: UTF8.self) else {
                throw refused("a name in \(path) is not UTF-8: \(String(decoding: raw, as: UTF8.self))")
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    // MARK: - Files

    private mutating func entry(_ path: String, named name: String, _ status: stat) throws -> FileTable.Entry {
        let size = Int64(status.st_size)
        guard size <= limits.fileBytes.bytes else {
            throw refused("the input \(path) has \(ByteCount(size).brief), at most \(limits.fileBytes.brief)")
        }
        guard contentBytes + size <= limits.bytes.bytes else {
            throw refused(
                "with \(path) the inputs would have more than \(limits.bytes.brief), the most that a job may send")
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path) }
        defer { close(descriptor) }
        var stream = DigestStream()
        var read: Int64 = 0
        var header: [UInt8] = []
        try Disk.readPieces(of: descriptor, name: path) { piece in
            if read == 0 { header = Array(piece.prefix(MachineType.headerBytes)) }
            stream.update(piece)
            read += Int64(piece.count)
        }
        let digest = stream.finish()
        if places.updateValue(path, forKey: digest) == nil { contentBytes += read }
        sizes[digest] = read
        fileCount += 1
        readBytes += read
        onFile(fileCount, readBytes)
        return FileTable.Entry(
            path: name, digest: digest, size: ByteCount(read), isExecutable: status.st_mode & S_IXUSR != 0,
            machine: MachineType.name(ofHeader: header))
    }

    // MARK: - Words

    private func status(_ path: String) throws -> stat {
        guard let status = Disk.status(path) else { throw unreadable(path) }
        return status
    }

    private func unreadable(_ path: String) -> CommandLineFailure {
        refused("the input \(path) cannot be read: \(Disk.words())")
    }

    private func refused(_ message: String, help: String? = nil) -> CommandLineFailure {
        CommandLineFailure("bad_input", message, help: help, status: .badData)
    }

    private static func isLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    private static func real(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
