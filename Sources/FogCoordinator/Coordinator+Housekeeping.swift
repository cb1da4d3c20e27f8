internal import FogCore
package import FogJobs
package import FogStore
internal import Logging

/// What retention lets go of.
package struct Housekeeping: Sendable, Hashable {
    /// Things of one kind, and the bytes they hold.
    package struct Amount: Sendable, Hashable {
        package var count = 0
        package var bytes: Int64 = 0

        package init() {}

        mutating func add(_ size: Int64) {
            count += 1
            bytes += size
        }
    }

    /// Rows of the store, and the content that they alone named.
    package var rows = Prunable()
    /// Folders of streamed logs, one a job.
    package var logs = Amount()
    /// Uploads that were never finished.
    package var uploads = Amount()
    /// Files of content that no row names: a crash between the two leaves such a one.
    package var strays = Amount()

    package init() {}
}

extension Coordinator {
    /// Counts what retention would remove, and removes it at once unless it is only asked.
    ///
    /// - Throws: `forbidden` for everybody but operators.
    package func keepHouse(isDryRun: Bool, by principal: Principal) async throws -> Housekeeping {
        guard principal.may(.administer) else {
            throw CoordinatorFailure("forbidden", "only an admin keeps house")
        }
        let now = clock.now
        let (endedBefore, unusedBefore) = (now - core.rules.retention, now - core.rules.unusedBlobAge)
        var found = Housekeeping()
        found.rows = try await store.prunable(endedBefore: endedBefore, keptBefore: now, unusedBefore: unusedBefore)
        for job in try content.logs.jobs() where core.jobs[job] == nil {
            if let record = try await store.job(job)?.record {
                guard record.progress.isDue(endedBefore: endedBefore, keptBefore: now) else { continue }
            }
            found.logs.add(try content.logs.size(job: job))
        }
        for (name, size) in try content.blobs.uploads(untouchedSince: unusedBefore) {
            found.uploads.add(size)
            if !isDryRun { try content.blobs.cancel(name) }
        }
        for (digest, size) in try content.blobs.content(olderThan: unusedBefore) {
            // Nothing else runs here between this look and the removal.
            guard try await store.blob(digest) == nil, !arriving.contains(digest) else { continue }
            found.strays.add(size)
            if !isDryRun { try content.blobs.delete(digest) }
        }
        guard !isDryRun else { return found }
        // Each round is bounded, so that commits pass between them.
        var left = found.rows
        while left.jobs > 0 || left.blobs > 0 {
            try await prune()
            let next = try await store.prunable(endedBefore: endedBefore, keptBefore: now, unusedBefore: unusedBefore)
            guard next != left else { break }
            left = next
        }
        try await prune()
        logger.info(
            "kept house",
            metadata: [
                "jobs": "\(found.rows.jobs)", "blobs": "\(found.rows.blobs)", "uploads": "\(found.uploads.count)",
                "strays": "\(found.strays.count)",
            ])
        return found
    }
}
