package import FogCore
package import FogJobs
package import FogStore
internal import Logging

/// Asked now and then for the free space where the coordinator keeps everything; nil when nobody can tell.
package typealias SpaceProbe = @Sendable () -> DiskSpace?

/// When the figures behind the bounds were last made.
struct QuotaKeeping {
    var nextLook = TimeSpan.zero
    var nextSums = TimeSpan.zero
    var isSumming = false
}

extension Coordinator {
    private static let lookEvery = TimeSpan.seconds(2)
    /// Sums over the whole store are not made more often, however often an account seems full.
    private static let sumsEvery = TimeSpan.seconds(10)

    /// One amount beside what is allowed of it.
    package struct Amount: Hashable, Sendable {
        package var used: Int64
        package var limit: Int64

        package init(_ used: some BinaryInteger, of limit: some BinaryInteger) {
            self.used = Int64(clamping: used)
            self.limit = Int64(clamping: limit)
        }
    }

    /// What an account takes of each bound.
    package struct Usage: Sendable {
        package var account: AccountID
        package var name: String
        /// Bytes.
        package var stored: Amount
        package var queuedTasks: Amount
        package var openJobs: Amount
        package var jobsPerMinute: Amount
        /// Jobs that a quota holds.
        package var heldJobs: Int
        /// Why nothing more is taken in, of this account or of anybody; nil = it is.
        package var closed: String?
    }

    package func usage(of account: AccountID) -> Usage {
        let own = core.jobs.values.filter { $0.record.account == account }
        let rules = core.rules
        let name = core.principals.values.filter { $0.account == account }
            .min { ($0.enrolledAt, $0.name) < ($1.enrolledAt, $1.name) }?.name
        return Usage(
            account: account, name: name ?? account.description,
            stored: Amount(core.usageBook.kept(by: account), of: rules.storedBytesPerAccount.bytes),
            queuedTasks: Amount(core.queuedTasks(of: account), of: rules.queuedTasksPerAccount),
            openJobs: Amount(own.count, of: rules.openJobsPerAccount),
            jobsPerMinute: Amount(
                core.usageBook.submitsCounted(of: account, perMinute: rules.jobsPerMinute, at: now.boot),
                of: rules.jobsPerMinute),
            heldJobs: own.filter(\.isHeldByQuota).count,
            closed: core.disk.reason ?? core.fullReason(of: account))
    }

    /// Of every account that a key was enrolled for, those that keep most first.
    package func usageOfAll() -> [Usage] {
        Set(core.principals.values.map(\.account)).map(usage).sorted {
            ($1.stored.used, $1.queuedTasks.used, $0.name) < ($0.stored.used, $0.queuedTasks.used, $1.name)
        }
    }

    // MARK: Keeping the figures

    /// Looks at the disk, has sums made where an account seems full, and holds or lets go on what they are about.
    func keepQuotas(at now: Moment) {
        if now.boot >= quotaKeeping.nextLook {
            quotaKeeping.nextLook = now.boot + Self.lookEvery
            look()
        }
        if now.boot >= quotaKeeping.nextSums,
            !core.usageBook.accounts(keeping: core.rules.storedBytesPerAccount.bytes).isEmpty
        {
            // Ends by itself when the sums are made; whoever needs them asks for them.
            Task { try? await makeSums() }
        }
        core.reviewQuotas(at: now)
    }

    private func look() {
        let level = DiskLevel(space(), rules: core.rules)
        guard level != core.disk else { return }
        if let reason = level.reason, core.disk.reason == nil {
            logger.warning("nothing new is taken in", metadata: ["reason": "\(reason)"])
        } else if level.reason == nil {
            logger.info("the disk has room again")
        }
        core.disk = level
        core.placementWanted = true
    }

    /// Puts what the store and the uploads under way really hold in the place of the running figures.
    func makeSums() async throws {
        guard !quotaKeeping.isSumming else { return }
        quotaKeeping.isSumming = true
        quotaKeeping.nextSums = clock.sinceBoot + Self.sumsEvery
        defer { quotaKeeping.isSumming = false }
        core.usageBook.beginSums()
        core.usageBook.replace(try await exactUsage())
    }

    func exactUsage() async throws -> [AccountID: Int64] {
        var sums = try await store.contentUsage().mapValues(\.sum)
        for upload in try content.blobs.uploads(untouchedSince: clock.now + .days(1)) {
            guard let name = upload.name.split(separator: "-").first, let account = try? AccountID(name) else {
                continue
            }
            sums[account, default: 0] += upload.size
        }
        return sums
    }

    // MARK: Admitting content

    /// Whether the principal brings what running work made: its key is a node's that holds leases.
    func isDelivering(_ principal: Principal) -> Bool {
        guard let node = core.nodeOfKey[principal.key.id] else { return false }
        return core.nodes[node]?.leases.isEmpty == false
    }

    /// Admits so many bytes more of an account's content, or says why not.
    ///
    /// What a worker brings of running work is taken up to twice the quota: a result that was computed is not thrown
    /// away because its owner's account is full, and still nobody fills the disk that way.
    func admit(_ bytes: Int64, of principal: Principal) async throws {
        let isDelivering = isDelivering(principal)
        try core.checkDisk(isRunningWork: isDelivering)
        func refusal() -> String? {
            let account = principal.account
            guard isDelivering else { return core.fullReason(of: account, adding: bytes) }
            let room = core.rules.storedBytesPerAccount.bytes
            guard core.usageBook.kept(by: account) > room else { return nil }
            return core.fullReason(of: account, adding: max(0, bytes - room))
        }
        guard refusal() != nil else { return }
        if clock.sinceBoot >= quotaKeeping.nextSums { try await makeSums() }
        guard let reason = refusal() else { return }
        var failure = CoordinatorFailure("quota", reason)
        failure.retryAfterSeconds = 60
        throw failure
    }

    // MARK: What a result may name

    /// How large the content is that a worker may name in its reports: what its own account brought, and what the
    /// account of the job can read already (it was taken over with an earlier copy of the same report).
    ///
    /// - Parameter attempt: counts only when its lease is, or was, the asker's own.
    package func nameable(_ digests: [Digest], for principal: Principal, reporting attempt: AttemptID?) async throws
        -> [Digest: Int64]
    {
        var accounts = [principal.account]
        if let attempt, let node = core.nodeOfKey[principal.key.id], try await store.attempt(attempt)?.node == node,
            let owner = try await store.job(attempt.task.job)?.record.account, owner != principal.account
        {
            accounts.append(owner)
        }
        var sizes: [Digest: Int64] = [:]
        for account in accounts {
            for digest in digests where sizes[digest] == nil {
                sizes[digest] = try await content.blob(digest, readableBy: account)?.size
            }
        }
        return sizes
    }
}
