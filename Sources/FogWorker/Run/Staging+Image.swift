import FogAPI
import FogCore
import FogJobs
import FogSandbox
import Glibc

/// Images: fetched like any input, unpacked once for all tasks, kept in the cache as long as there is room.
extension Staging {
    /// Makes a lease's image available; in use until the inputs are released.
    func stage(image: LeaseInput, into staged: inout StagedInputs) async throws(WorkerFailure) {
        let key = ContentCache.Key.image(image.digest)
        while cache[key] == nil {
            if let unpacking = fetches[key] {
                if case .failure(let failure) = await unpacking.value { throw failure }
                continue
            }
            // Waited for right below, and by every other task of the same image.
            let unpacking = Task { await self.unpack(image) }
            fetches[key] = unpacking
            let result = await unpacking.value
            fetches[key] = nil
            staged.downloaded += try result.get()
        }
        cache.use(key, at: client.clock.sinceBoot)
        staged.keys.append(key)
        staged.image = cache.path(key)
    }

    /// The number of bytes that came over the wire.
    private func unpack(_ image: LeaseInput) async -> Result<Int64, WorkerFailure> {
        let fetched = await obtain(image)
        guard case .success(let bytes) = fetched else { return fetched }
        let archive = Self.key(image)
        defer {
            cache.release(archive)
            // Unpacked it is of no more use, and would take its room twice.
            if cache[.image(image.digest)] != nil, cache[archive]?.users == 0 { cache.remove(archive) }
        }
        do throws(WorkerFailure) {
            try await unpack(image.digest, from: cache.path(archive))
            return .success(bytes)
        } catch {
            return .failure(error)
        }
    }

    /// Reads the archive through before anything is written; then its room is reserved.
    private func unpack(_ digest: Digest, from path: String) async throws(WorkerFailure) {
        var limits = ImageLimits()
        limits.bytes = min(limits.bytes, cache.limit)
        let (bounds, draft) = (limits, cache.imageDraft(digest))
        let plan = try await Self.reading(digest) { () throws(SandboxFailure) in
            try ImagePlan(try ImageArchive(path: path, limits: bounds), architecture: MachineFacts.architecture)
        }
        try cache.reserve(plan.bytes)
        do throws(WorkerFailure) {
            try await Disk.offload { () throws(WorkerFailure) in
                Disk.removeTree(draft)
                try Disk.makeFolder(draft)
                try Disk.makeFolder(draft + "/root", mode: 0o755)
            }
            try await Self.reading(digest) { () throws(SandboxFailure) in
                try ImageUnpacker.unpack(
                    plan, from: try ImageArchive(path: path, limits: bounds), into: draft + "/root")
            }
            try cache.addImage(digest, size: plan.bytes, at: client.clock.sinceBoot)
        } catch {
            cache.giveBack(plan.bytes)
            _ = try? await Disk.offload { () throws(WorkerFailure) in Disk.removeTree(draft) }
            throw error
        }
    }

    private static func reading<Value: Sendable>(
        _ digest: Digest, _ body: @escaping @Sendable () throws(SandboxFailure) -> Value
    ) async throws(WorkerFailure) -> Value {
        try await Disk.offload { () throws(WorkerFailure) in
            do throws(SandboxFailure) {
                return try body()
            } catch {
                let short = digest.description.prefix(12)
                throw WorkerFailure(
                    error.code == "bad_image" ? "bad_image" : "disk_failed", "the image \(short): \(error.message)")
            }
        }
    }
}
