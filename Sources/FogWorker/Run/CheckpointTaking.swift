import FogCore
import FogJobs
import FogSandbox
import Glibc

/// Takes the files of FOG_CHECKPOINT_DIR.
enum CheckpointTaking {
    static let maxFiles = 1000
    /// A checkpoint that changes under the copy is taken again, so often.
    static let tries = 3

    static func isEmpty(_ folder: String) -> Bool {
        guard let stream = opendir(folder) else { return true }
        defer { closedir(stream) }
        for _ in 0..<3 where readdir(stream) == nil { return true }
        return false
    }

    /// The files, moved or copied to the spool folder; nil when there are none.
    ///
    /// While the task runs its files may change during the copy, so the folder is listed again afterwards. Programs that
    /// write beside and rename are always caught whole.
    /// - Throws: `checkpoint_too_large`, `checkpoint_unstable`, `disk_failed`.
    static func take(
        from folder: String, to spool: String, maxSize: ByteCount, running: Bool
    ) throws(WorkerFailure) -> ResultFiles? {
        for _ in 0..<(running ? tries : 1) {
            let before = try list(folder, maxSize)
            guard !before.isEmpty else { return nil }
            let stamps = before.map { stamp($0.path) }
            let taken: ResultFiles
            do throws(WorkerFailure) {
                taken = try ResultFiles.take(
                    before, from: folder, to: spool, prefix: "checkpoint-", inlineLimit: 0, keepsSource: running)
            } catch {
                // A file that was there a moment ago: the next look sees what stands in its place.
                if running { continue }
                throw error
            }
            guard running else { return taken }
            let after = try list(folder, maxSize)
            if after == before, after.map({ stamp($0.path) }) == stamps { return taken }
        }
        throw WorkerFailure(
            "checkpoint_unstable", "the files of FOG_CHECKPOINT_DIR changed during each of \(tries) copies")
    }

    private static func list(_ folder: String, _ maxSize: ByteCount) throws(WorkerFailure) -> [CollectedFile] {
        var limits = OutputCollector.Limits()
        limits.files = maxFiles
        limits.bytes = maxSize
        do throws(SandboxFailure) {
            return try OutputCollector.collect(workFolder: folder, patterns: ["**"], limits: limits)
        } catch {
            throw WorkerFailure("checkpoint_too_large", error.message)
        }
    }

    /// What changes when a file does.
    private static func stamp(_ path: String) -> [Int64] {
        var status = stat()
        guard lstat(path, &status) == 0 else { return [] }
        return [
            Int64(bitPattern: UInt64(status.st_ino)), Int64(status.st_size), Int64(status.st_mtim.tv_sec),
            Int64(status.st_mtim.tv_nsec),
        ]
    }
}
