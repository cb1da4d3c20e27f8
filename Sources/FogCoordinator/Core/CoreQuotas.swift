package import FogCore
internal import FogJobs
package import FogStore

/// How much room the disk of the coordinator has.
package enum DiskLevel: Hashable, Sendable {
    case ample
    /// Nothing new is taken in; what was taken in goes on.
    case low(String)
    /// Only what ends running work and the ledger are written.
    case reserve(String)

    /// In words, unless there is room.
    package var reason: String? {
        switch self {
        case .ample: nil
        case .low(let words), .reserve(let words): words
        }
    }

    package init(_ space: DiskSpace?, rules: CoordinatorConfiguration) {
        guard let space else {
            self = .ample
            return
        }
        let words = "the coordinator's disk has \(space.free.brief) free of \(space.total.brief)"
        let share = Double(space.total.bytes) * Double(rules.diskFloorPercent) / 100
        if space.free < rules.diskReserve {
            self = .reserve("\(words); below \(rules.diskReserve.brief) only running work may end")
        } else if space.free < rules.diskFloor || Double(space.free.bytes) < share {
            self = .low(
                "\(words); nothing new is taken in below \(rules.diskFloor.brief) or \(rules.diskFloorPercent) %")
        } else {
            self = .ample
        }
    }
}

/// What one account may take, and what becomes of its jobs beyond it.
extension CoordinatorCore {
    /// How a reason begins that a quota holds a job for; such a job goes on by itself when there is room.
    package static let quotaPrefix = "quota: "
    private static let reviewEvery = TimeSpan.seconds(1)

    /// Why nothing more of the job may start, or nil.
    func quotaReason(for job: ActiveJob) -> String? {
        let account = job.record.account
        if let full = fullReason(of: account) { return Self.quotaPrefix + full }
        let own = Self.waiting(job)
        let others = jobs.values.reduce(0) { sum, other in
            guard other.record.account == account, other.record.id != job.record.id, !other.isHeldByQuota else {
                return sum
            }
            return sum + Self.waiting(other)
        }
        guard others + own > rules.queuedTasksPerAccount else { return nil }
        return Self.quotaPrefix
            + "the account would have \(others + own) tasks queued, at most \(rules.queuedTasksPerAccount); it goes on when there is room"
    }

    /// Why the account may keep nothing more, or nil.
    package func fullReason(of account: AccountID, adding bytes: Int64 = 0) -> String? {
        let limit = rules.storedBytesPerAccount
        let kept = usageBook.kept(by: account)
        guard bytes > 0 ? kept > limit.bytes - bytes : kept >= limit.bytes else { return nil }
        let more = bytes > 0 ? " and \(ByteCount(bytes).brief) more do not fit" : ""
        return "the account keeps \(ByteCount(kept).brief) of content and logs, at most \(limit.brief)\(more)"
    }

    private static func waiting(_ job: ActiveJob) -> Int {
        let counts = job.record.progress.counts
        return counts.total - counts.final
    }

    /// Tasks of the account that are not final; those of jobs that a quota holds are not queued.
    package func queuedTasks(of account: AccountID) -> Int {
        jobs.values.reduce(0) { $0 + ($1.record.account == account && !$1.isHeldByQuota ? Self.waiting($1) : 0) }
    }

    /// Holds what belongs to full accounts and lets go on what fits again, oldest first.
    package mutating func reviewQuotas(at now: Moment) {
        guard now.boot >= nextQuotaReview else { return }
        nextQuotaReview = now.boot + Self.reviewEvery
        let full = usageBook.accounts(keeping: rules.storedBytesPerAccount.bytes)
        let concerned = jobs.values.filter { job in
            job.isHeldByQuota || job.mayStart && full.contains(job.record.account)
        }
        for id in concerned.map(\.record.id).sorted() {
            guard let job = jobs[id] else { continue }
            let reason = quotaReason(for: job)
            if job.isHeldByQuota, reason == nil {
                _ = withJob(id) { core, job in
                    job.record.progress.held = nil
                    core.note("job_released", at: now, job: id)
                    core.saveProgress(of: job)
                    core.placementWanted = true
                }
            } else if let reason, job.mayStart {
                _ = withJob(id) { core, job in core.hold(&job, because: reason, at: now) }
            }
        }
    }

    /// Counts the logs of an attempt that ended. Of one that did not report them, what it sent meanwhile.
    mutating func endLogs(of attempt: inout AttemptRecord, account: AccountID) {
        let streamed = usageBook.end(attempt.id)
        if attempt.receipt == nil { (attempt.stdoutSize, attempt.stderrSize) = streamed }
        let logs = min(attempt.stdoutSize, ContentUsage.logLimit) + min(attempt.stderrSize, ContentUsage.logLimit)
        usageBook.add(logs, to: account)
    }

    /// - Throws: `quota` with the time to wait, or `disk_low`.
    mutating func checkRate(of account: AccountID, at now: Moment) throws(CoordinatorFailure) {
        try checkDisk()
        let limit = rules.jobsPerMinute
        if let wait = usageBook.takeSubmit(of: account, perMinute: limit, at: now.boot) {
            var failure = CoordinatorFailure("quota", "the account submits faster than \(limit) jobs a minute")
            failure.retryAfterSeconds = wait
            throw failure
        }
    }

    /// - Parameter isRunningWork: what ends running work is taken for longer.
    /// - Throws: `disk_low`.
    package func checkDisk(isRunningWork: Bool = false) throws(CoordinatorFailure) {
        let reason: String
        switch disk {
        case .ample: return
        case .low(let words):
            if isRunningWork { return }
            reason = words
        case .reserve(let words): reason = words
        }
        var failure = CoordinatorFailure("disk_low", reason)
        failure.retryAfterSeconds = 60
        throw failure
    }
}

extension ActiveJob {
    var isHeldByQuota: Bool { record.progress.held?.hasPrefix(CoordinatorCore.quotaPrefix) ?? false }
}
