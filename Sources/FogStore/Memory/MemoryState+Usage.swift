internal import FogCore
internal import FogJobs

extension MemoryState {
    /// What each account keeps; the same sums as the database makes.
    func contentUsage() -> [AccountID: ContentUsage] {
        var usage: [AccountID: ContentUsage] = [:]
        var counted: Set<UseKey> = []
        for use in uses.keys {
            guard counted.insert(UseKey(digest: use.digest, account: use.account, job: nil)).inserted else { continue }
            usage[use.account, default: ContentUsage()].blobs += blobs[use.digest]?.size ?? 0
        }
        for attempt in attempts.values where !attempt.isOpen {
            guard let account = jobs[attempt.id.task.job]?.record.account else { continue }
            usage[account, default: ContentUsage()].logs +=
                min(attempt.stdoutSize, ContentUsage.logLimit) + min(attempt.stderrSize, ContentUsage.logLimit)
        }
        return usage
    }

    /// Takes back uses by no job.
    mutating func release(_ releases: [BlobUse], _ undo: inout Undo) {
        for use in releases {
            let key = UseKey(digest: use.digest, account: use.account, job: use.job)
            guard let old = uses.removeValue(forKey: key) else { continue }
            undo.append { $0.uses[key] = old }
        }
    }
}
