import FogCore
import FogJobs
import FogSandbox
import Glibc

/// A private task whose bundle was opened: the lease that runs, and what seals what comes of it.
struct OpenedTask: Sendable {
    let seal: JobSeal
    let place: SealedPlace
    /// As it would be if the job were public.
    let lease: Lease
    /// Files in the clear, below the attempt's own folder, and what they are called in the work folder.
    var links: [InputTree.Link] = []
    var folders: [String] = []
}

/// Opens what only this machine's key opens. Slow for large bundles.
struct BundleOpening: Sendable {
    let receiver: ReceivingKey
    let machine: PublicKey
    let coordinator: PublicKey
    /// Where files in the clear go; this attempt's alone.
    let folder: String

    /// - Parameters:
    ///   - lease: the stand-in's.
    ///   - paths: where each of its inputs lies, sealed, by its digest.
    /// - Throws: `bad_seal` for a key that was sealed to another machine or for another job, a bundle that was changed or
    ///   does not hold; then nothing of it is run. `disk_failed`.
    func open(_ lease: Lease, paths: [Digest: String]) throws(WorkerFailure) -> OpenedTask {
        guard let sealed = lease.seal, let bundle = lease.inputs.first(where: { $0.name == StandIn.bundleName }) else {
            throw WorkerFailure("bad_seal", "the lease has no bundle or no key for it")
        }
        do {
            let seal = try JobSeal(
                unwrapping: sealed.key, of: sealed.id, bundle: bundle.digest, with: receiver, machine: machine,
                coordinator: coordinator)
            try Disk.makeFolder(folder)
            var reader = try reader(of: bundle, paths, seal, .bundle)
            let head = try PrivateBundle(head: reader.head)
            let task = try PrivateTask(of: head, for: lease)
            var opened = OpenedTask(seal: seal, place: task.place, lease: task.lease)
            try layOut(head, from: &reader, for: task, into: &opened)
            for (number, need) in task.needed.enumerated() {
                try layOut(need, number: number, paths, into: &opened)
            }
            return opened
        } catch let failure as WorkerFailure {
            throw failure
        } catch {
            throw WorkerFailure("bad_seal", (error as? any CodedFailure)?.message ?? "\(error)")
        }
    }

    private func reader(
        of input: LeaseInput, _ paths: [Digest: String], _ seal: JobSeal, _ part: JobSeal.Part
    ) throws -> ArchiveReader {
        let file = try OpenFile(paths[input.digest] ?? "")
        return try ArchiveReader(seal, part, size: input.size) { offset, count in
            try Disk.read(file.descriptor, at: offset, count: count)
        }
    }

    /// Writes the contents that the task reads, each once, and passes the others over.
    private func layOut(
        _ bundle: PrivateBundle, from reader: inout ArchiveReader, for task: PrivateTask, into opened: inout OpenedTask
    ) throws {
        var wanted: [Digest: Set<Bool>] = [:]
        for input in task.lease.inputs where !input.isFolder {
            wanted[input.digest, default: []].insert(input.executable)
        }
        var there: Set<Digest> = []
        for content in bundle.contents {
            let kinds = wanted[content.digest] ?? []
            guard !kinds.isEmpty else {
                try reader.read(content.size) { _ in }
                continue
            }
            let plain = path(content.digest, executable: kinds == [true])
            try write(content.size, content.digest, to: plain, executable: kinds == [true], from: &reader)
            if kinds.count == 2 {
                let file = try OpenFile(plain)
                try Disk.copy(from: file.descriptor, to: path(content.digest, executable: true), mode: 0o555)
            }
            there.insert(content.digest)
        }
        try reader.finish()
        for input in task.lease.inputs {
            if input.isFolder {
                opened.folders.append(String(input.name.dropLast()))
            } else {
                guard there.contains(input.digest) else {
                    throw WorkerFailure("bad_seal", "an input of the task is not in the bundle")
                }
                opened.links.append(.init(source: path(input.digest, executable: input.executable), name: input.name))
            }
        }
    }

    /// Opens the result of an earlier step into its folder.
    private func layOut(
        _ need: (input: LeaseInput, folder: String, part: JobSeal.Part), number: Int, _ paths: [Digest: String],
        into opened: inout OpenedTask
    ) throws {
        var reader = try reader(of: need.input, paths, opened.seal, need.part)
        for (place, file) in try SealedFiles(head: reader.head).files.enumerated() {
            let path = "\(folder)/need-\(number)-\(place)" + (file.executable ? ".x" : "")
            try write(file.size, file.digest, to: path, executable: file.executable, from: &reader)
            opened.links.append(.init(source: path, name: need.folder + file.name))
        }
        try reader.finish()
    }

    private func path(_ digest: Digest, executable: Bool) -> String { "\(folder)/\(digest)" + (executable ? ".x" : "") }

    private func write(
        _ size: Int64, _ digest: Digest, to path: String, executable: Bool, from reader: inout ArchiveReader
    ) throws {
        let file = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, executable ? 0o555 : 0o444)
        guard file >= 0 else { throw Disk.failure("could not be made", path) }
        defer { close(file) }
        var stream = DigestStream()
        try reader.read(size) { bytes in
            bytes.withUnsafeBytes { stream.update($0) }
            try Disk.write(bytes, to: file, path: path)
        }
        guard stream.finish() == digest else {
            throw WorkerFailure("bad_seal", "a content is not what its digest says")
        }
        fchmod(file, executable ? 0o555 : 0o444)
    }
}

/// A descriptor that is closed with its last reader.
private final class OpenFile {
    let descriptor: Int32

    init(_ path: String) throws(WorkerFailure) {
        descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw Disk.failure("could not be read", path) }
    }

    deinit { close(descriptor) }
}

extension OpenedTask {
    static let resultName = StandIn.resultName

    /// The files of the task as the one sealed file that the coordinator gets; the plain ones go. Slow for large ones.
    func seal(_ plain: ResultFiles, as part: JobSeal.Part, name: String, in spool: String, salt: Digest?)
        throws(WorkerFailure) -> ResultFiles
    {
        let sources = Dictionary(
            zip(plain.files, plain.contents).enumerated().map { ($1.0.name, $1.1) }, uniquingKeysWith: { $1 })
        let files = SealedFiles(plain.files)
        var writer = ArchiveWriter(seal, part, head: files.head, contentBytes: files.bytes, salt: salt)
        let size = writer.sealedSize
        try Disk.makeFolder(spool)
        let path = spool + "/" + name
        unlink(path)
        let target = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard target >= 0 else { throw Disk.failure("could not be made", path) }
        defer { close(target) }
        let places = Dictionary(plain.uploads.map { ($0.digest, spool + "/" + $0.name) }) { first, _ in first }
        for file in files.files {
            if let bytes = sources[file.name] ?? nil {
                try Disk.write(writer.add(bytes.bytes)[...], to: target, path: path)
            } else {
                let source: OpenFile
                source = try OpenFile(places[file.digest] ?? "")
                var offset: Int64 = 0
                while offset < file.size {
                    let piece = try Disk.read(
                        source.descriptor, at: offset, count: Int(min(Int64(Disk.pieceBytes), file.size - offset)))
                    guard !piece.isEmpty else { throw Disk.failure("became shorter", file.name) }
                    offset += Int64(piece.count)
                    try Disk.write(writer.add(piece)[...], to: target, path: path)
                }
            }
        }
        while let more = writer.finish() { try Disk.write(more[...], to: target, path: path) }
        for upload in plain.uploads { unlink(spool + "/" + upload.name) }
        return try Self.sealed(path, name: name, size: size)
    }

    private static func sealed(_ path: String, name: String, size: Int64) throws(WorkerFailure) -> ResultFiles {
        let (digest, found) = try Disk.digest(path: path)
        guard found == size else { throw WorkerFailure("disk_failed", "\(path) has \(found) bytes, wanted \(size)") }
        var sealed = ResultFiles()
        sealed.files = [OutputFile(name: name, size: size, executable: false, digest: digest)]
        sealed.contents = [nil]
        sealed.uploads = [.init(digest: digest, size: size, name: name)]
        return sealed
    }
}

/// Where this machine keeps the key that others seal to.
enum ReceivingKeyFile {
    /// The key of the file, made first when there is none.
    /// - Throws: `disk_failed`, `bad_key`.
    static func readOrCreate(in folder: String) throws(WorkerFailure) -> ReceivingKey {
        let path = folder + "/receiving.key"
        if let text = Disk.text(path, limit: 256) {
            let secret = Hex.decode(text.prefix { $0 != "\n" }) ?? []
            do throws(CoreFailure) { return try ReceivingKey(secret: secret) } catch {
                throw WorkerFailure(
                    "bad_key", "\(path): \(error.message); without it jobs that were sealed to it do not open here")
            }
        }
        let key = ReceivingKey.generate()
        try Disk.writeDurably(Array((Hex.encode(key.secret) + "\n").utf8), to: path, in: folder)
        return key
    }
}
