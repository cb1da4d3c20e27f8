package import FogCore
internal import Glibc

/// The secrets of jobs that are not over: one file a job, sealed under a key of this coordinator.
///
/// A file is whole on the disk before the job that needs it is committed, and removed when the job is final. What a crash
/// leaves between is a file without a job, which ``sweep(keeping:)`` removes.
package final class SecretFiles: Sendable {
    private let folder: String
    private let key: [UInt8]
    /// Of one job, sealed.
    private static let maxBytes = 2 << 20

    /// - Parameter folder: is made when there is none, with the key in it; its parent must be there.
    /// - Throws: `bad_key` when the key's file is not what was written.
    package init(folder: String) throws(StoreFailure) {
        self.folder = folder
        try Folder.make(folder)
        let path = folder + "/key"
        if access(path, F_OK) != 0 { try Self.write(SecureRandom.bytes(SecretBox.keyBytes), to: path, in: folder) }
        let file = try File(path, O_RDONLY)
        key = try file.read(at: 0, count: SecretBox.keyBytes + 1)
        guard key.count == SecretBox.keyBytes else {
            throw StoreFailure("bad_key", "\(path) has \(key.count) bytes, wanted \(SecretBox.keyBytes)")
        }
    }

    private func path(_ job: JobID) -> String { "\(folder)/\(job)" }

    /// - Throws: `too_large`, and what the disk says.
    package func put(_ values: [String: String], for job: JobID) throws(StoreFailure) {
        let members = values.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .string($0.value)) }
        // Within the sealed bytes stands whose they are, so that two files cannot be exchanged.
        let document: JSON = .object(["job": .string(job.description), "values": .object(members)])
        let sealed = SecretBox.seal(Array(document.canonical.utf8), key: key)
        guard sealed.count <= Self.maxBytes else {
            throw StoreFailure("too_large", "the secrets have \(sealed.count) bytes, at most \(Self.maxBytes)")
        }
        try Self.write(sealed, to: path(job), in: folder)
    }

    /// - Throws: `not_found`, `bad_secrets` for a file that was changed, or is of another key.
    package func read(_ job: JobID) throws(StoreFailure) -> [String: String] {
        let sealed = try File(path(job), O_RDONLY).read(at: 0, count: Self.maxBytes)
        do throws(CoreFailure) {
            let document = try JSON(parsing: try SecretBox.open(sealed, key: key))
            guard document["job"]?.string == job.description, let members = document["values"]?.members else {
                throw CoreFailure("bad_box", "they are another job's")
            }
            return Dictionary(members.compactMap { member in member.value.string.map { (member.name, $0) } }) { $1 }
        } catch {
            throw StoreFailure("bad_secrets", "the secrets of job \(job) do not open: \(error.message)")
        }
    }

    /// Removes a job's secrets; none is no failure.
    package func delete(_ job: JobID) throws(StoreFailure) { try Folder.remove(path(job)) }

    /// Removes the secrets of all other jobs, and half-written files.
    package func sweep(keeping jobs: Set<JobID>) throws(StoreFailure) {
        guard let stream = opendir(folder) else { throw Folder.failure("could not be read", folder) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        for name in names where ![".", "..", "key"].contains(name) {
            if let job = try? JobID(name), jobs.contains(job) { continue }
            try Folder.remove(folder + "/" + name)
        }
    }

    private static func write(_ bytes: [UInt8], to path: String, in folder: String) throws(StoreFailure) {
        let draft = path + ".new"
        try Folder.remove(draft)
        do {
            let file = try File(draft, O_WRONLY | O_CREAT | O_EXCL)
            try file.write(bytes, at: 0)
            try file.sync()
        }
        guard rename(draft, path) == 0 else { throw Folder.failure("could not be renamed", draft) }
        try Folder.sync(folder)
    }
}
