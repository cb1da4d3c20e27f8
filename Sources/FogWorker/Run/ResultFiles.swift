import FogCore
import FogJobs
import FogSandbox
import Glibc

/// A task's files, taken out of the folder it worked in: small ones read, others moved to the spool folder.
struct ResultFiles: Sendable {
    var files: [OutputFile] = []
    /// In the order of `files`; nil = to be uploaded.
    var contents: [Base64Bytes?] = []
    var uploads: [FinishedAttempt.Upload] = []

    var bytes: Int64 { files.reduce(0) { $0 + $1.size } }

    /// - Parameter inlineLimit: how many bytes in all may travel inside the report.
    /// - Parameter prefix: of names in the spool folder.
    /// - Parameter keepsSource: copies instead of moving: the task still runs.
    static func take(
        _ collected: [CollectedFile], from root: String, to spool: String, prefix: String, inlineLimit: Int,
        keepsSource: Bool = false
    ) throws(WorkerFailure) -> ResultFiles {
        var result = ResultFiles()
        var inlineLeft = inlineLimit
        for (number, file) in collected.enumerated() {
            let (folder, name) = try openParent(of: file.name, below: root)
            defer { close(folder) }
            let taken: (digest: Digest, size: Int64)
            if file.size.bytes <= Int64(inlineLeft), let bytes = try readSmall(name, in: folder, limit: inlineLeft) {
                inlineLeft -= bytes.count
                taken = (Digest.blake2b(bytes), Int64(bytes.count))
                result.contents.append(Base64Bytes(bytes))
            } else {
                try Disk.makeFolder(spool)
                let target = "\(prefix)\(number)"
                taken = try take(name, in: folder, to: spool + "/" + target, copies: keepsSource)
                result.contents.append(nil)
                result.uploads.append(.init(digest: taken.digest, size: taken.size, name: target))
            }
            result.files.append(
                OutputFile(
                    name: file.name, size: taken.size, executable: file.isExecutable, digest: taken.digest))
        }
        return result
    }

    /// The folder that holds a file, reached step by step without following a link: a process of the task that is
    /// still dying could put one in the way.
    private static func openParent(of name: String, below root: String) throws(WorkerFailure) -> (Int32, String) {
        var folder = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        let parts = name.split(separator: "/").map(String.init)
        for part in parts.dropLast() where folder >= 0 {
            let next = openat(folder, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            close(folder)
            folder = next
        }
        guard folder >= 0, let last = parts.last else { throw Disk.failure("could not be reached", name) }
        return (folder, last)
    }

    private static func openFile(_ name: String, in folder: Int32) throws(WorkerFailure) -> Int32 {
        let file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        var status = stat()
        guard file >= 0, fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            if file >= 0 { close(file) }
            throw Disk.failure("could not be read", name)
        }
        return file
    }

    /// Nil when it has grown beyond the limit.
    private static func readSmall(_ name: String, in folder: Int32, limit: Int) throws(WorkerFailure) -> [UInt8]? {
        let file = try openFile(name, in: folder)
        defer { close(file) }
        let bytes = try Disk.read(file, at: 0, count: limit + 1)
        return bytes.count <= limit ? bytes : nil
    }

    private static func take(
        _ name: String, in folder: Int32, to target: String, copies: Bool
    ) throws(WorkerFailure) -> (digest: Digest, size: Int64) {
        if copies {
            let file = try openFile(name, in: folder)
            defer { close(file) }
            unlink(target)
            try Disk.copy(from: file, to: target, mode: 0o600)
        } else {
            guard renameat(folder, name, AT_FDCWD, target) == 0 else { throw Disk.failure("could not be moved", name) }
            chmod(target, 0o600)
        }
        return try Disk.digest(path: target)
    }
}
