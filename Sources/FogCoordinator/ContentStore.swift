package import FogCore
package import FogJobs
package import FogStore

/// Blobs and logs as the coordinator serves them: who may read what, small content in the store, large in files.
package struct ContentStore: Sendable {
    let store: any Store
    let blobs: BlobFiles
    let logs: LogFiles
    /// Nil: jobs with secrets are refused.
    let secrets: SecretFiles?

    package init(store: any Store, blobs: BlobFiles, logs: LogFiles, secrets: SecretFiles? = nil) {
        self.store = store
        self.blobs = blobs
        self.logs = logs
        self.secrets = secrets
    }

    /// A blob that the account may read, or nil: unknown and foreign look alike.
    package func blob(_ digest: Digest, readableBy account: AccountID) async throws -> BlobRecord? {
        guard try await store.mayRead(digest, account: account) else { return nil }
        return try await store.blob(digest)
    }

    /// The whole of a blob that is read into memory: tables and lists.
    package func bytes(of digest: Digest, readableBy account: AccountID) async throws -> [UInt8]? {
        guard let record = try await blob(digest, readableBy: account) else { return nil }
        return try await bytes(of: record)
    }

    package func bytes(of record: BlobRecord) async throws -> [UInt8] {
        guard record.size <= Int64(ManifestLimits.maxTableBytes) else {
            throw CoordinatorFailure(
                "too_large", "the blob has \(record.size) bytes, at most \(ManifestLimits.maxTableBytes)")
        }
        var out: [UInt8] = []
        while Int64(out.count) < record.size {
            let piece = try await read(record, offset: Int64(out.count), length: BlobFiles.readLimit)
            guard !piece.isEmpty else {
                throw CoordinatorFailure(
                    "corrupt", "the blob \(record.digest) has \(out.count) of \(record.size) bytes")
            }
            out += piece
        }
        return out
    }

    package func read(_ record: BlobRecord, offset: Int64, length: Int) async throws -> [UInt8] {
        if let inline = record.inline { return Self.piece(of: inline, offset: offset, length: length) }
        return try blobs.read(record.digest, at: offset, count: length)
    }

    func appendLog(_ attempt: AttemptID, stream: LogStream, offset: Int64, bytes: [UInt8]) async throws -> Int64 {
        try logs.append(bytes, to: attempt, stream: stream, at: offset)
    }

    /// A piece of a log and how much there is; streamed and whole logs look alike.
    func readLog(_ attempt: AttemptID, stream: LogStream, offset: Int64, length: Int) async throws -> (
        bytes: [UInt8], size: Int64
    ) {
        if let whole = try await store.log(attempt, stream: stream) {
            return (Self.piece(of: whole, offset: offset, length: length), Int64(whole.count))
        }
        let size = try logs.size(attempt, stream: stream)
        guard offset < size else { return ([], size) }
        return (try logs.read(attempt, stream: stream, at: offset, count: length), size)
    }

    /// Nothing for a place outside the bytes, whatever the numbers are.
    static func piece(of bytes: [UInt8], offset: Int64, length: Int) -> [UInt8] {
        guard offset >= 0, offset < bytes.count, length > 0 else { return [] }
        return Array(bytes.dropFirst(Int(offset)).prefix(length))
    }
}

extension Coordinator {
    /// Takes a piece of a blob; the last piece makes it whole.
    ///
    /// Small content goes into the store with its row; large content is flushed as a file before its row is written.
    package func upload(
        _ digest: Digest, total: Int64, offset: Int64, bytes: [UInt8], by principal: Principal
    ) async throws -> (received: Int64, isComplete: Bool) {
        let (end, overflows) = offset.addingReportingOverflow(Int64(bytes.count))
        guard total >= 0, offset >= 0, !overflows, end <= total else {
            throw CoordinatorFailure("bad_range", "offset \(offset) and \(bytes.count) bytes do not fit into \(total)")
        }
        if try await content.blob(digest, readableBy: principal.account) != nil { return (total, true) }
        // A blob that does not fit is refused with its first piece, not with its last.
        try await admit(total - offset, of: principal)
        let now = clock.now
        var record = BlobRecord(digest: digest, size: total, inline: nil, createdAt: now)
        if total <= Int64(BlobRecord.inlineLimit) {
            guard offset == 0, Int64(bytes.count) == total else {
                throw CoordinatorFailure("bad_range", "a blob of \(total) bytes is sent in one piece")
            }
            guard Digest.blake2b(bytes) == digest else {
                throw CoordinatorFailure("bad_digest", "the content is not what its digest says")
            }
            record.inline = bytes
            core.usageBook.add(total, to: principal.account)
        } else {
            // One principal's unfinished upload is not another's: no "already have" across accounts.
            let name = "\(principal.account)-\(digest)"
            let received = try content.blobs.append(bytes, to: name, at: offset)
            core.usageBook.add(Int64(bytes.count), to: principal.account)
            guard received == total else { return (received, false) }
            arriving.insert(digest)
            do {
                // Reading a large file again takes seconds, in which the coordinator goes on.
                let blobs = content.blobs
                try await Task.detached { try blobs.finish(name, digest: digest, size: total) }.value
            } catch {
                arriving.remove(digest)
                // What is not what it should be is gone.
                if (error as? StoreFailure)?.code == "bad_digest" {
                    core.usageBook.add(-total, to: principal.account)
                }
                throw error
            }
        }
        defer { arriving.remove(digest) }
        let use = BlobUse(digest: digest, account: principal.account, job: nil, at: now)
        try await perform { core, _ throws(CoordinatorFailure) in
            core.change.blobs.append(record)
            core.change.blobUses.append(use)
            core.hasChange = true
        }
        return (total, true)
    }

    /// Lets go of what nobody needs any more: the history of jobs that ended long ago with their logs, and content that
    /// nothing uses; invitations that are over. The ledger and its evidence stay for ever.
    package func prune() async throws {
        let now = clock.now
        lastPrune = max(lastPrune ?? now, now)
        core.dropExpired(at: self.now)
        // What was promised to be kept until now is on the disk before it is asked what is due.
        try await durable(ticket())
        let unused = try await store.prune(
            endedBefore: now - core.rules.retention, keptBefore: now, unusedBefore: now - core.rules.unusedBlobAge,
            limit: 200)
        for digest in unused {
            // It may have come again meanwhile. Nothing else runs here between this look and the removal.
            guard try await store.blob(digest) == nil, !arriving.contains(digest) else { continue }
            try content.blobs.delete(digest)
        }
        for job in try content.logs.jobs() where core.jobs[job] == nil {
            guard try await store.job(job) == nil else { continue }
            try content.logs.delete(job: job)
        }
        try await makeSums()
    }

    package func missing(_ digests: [Digest], for principal: Principal) async throws -> [Digest] {
        var missing: [Digest] = []
        for digest in digests where try await content.blob(digest, readableBy: principal.account) == nil {
            missing.append(digest)
        }
        return missing
    }

    /// A piece of a blob: for the account that has a use of it, or for a worker whose live lease lists it.
    package func download(_ digest: Digest, offset: Int64, length: Int, by principal: Principal) async throws -> [UInt8]
    {
        var record = try await content.blob(digest, readableBy: principal.account)
        if record == nil, let node = core.nodeOfKey[principal.key.id], isListed(digest, by: node) {
            record = try await store.blob(digest)
        }
        guard let record else { throw CoordinatorFailure.notFound }
        return try await content.read(record, offset: offset, length: length)
    }

    private func isListed(_ digest: Digest, by node: NodeID) -> Bool {
        (core.nodes[node]?.leases ?? []).contains { id in
            core.jobs[id.task.job]?.tasks[id.task.number]?.attempt?.readable.contains(digest) == true
        }
    }

    /// A piece of a task's log.
    /// - Returns: bytes, size by now, whether that is all there will be, and how much of the size is not shown
    ///   (``CoordinatorCore/shownLogBytes(of:in:)``).
    package func log(
        of id: JobID, task: UInt32, token: UInt32?, stream: LogStream, offset: Int64, length: Int, wait: TimeSpan,
        for principal: Principal
    ) async throws -> (bytes: [UInt8], size: Int64, isComplete: Bool, withheld: Int64) {
        guard offset >= 0, length >= 0 else {
            throw CoordinatorFailure("bad_range", "`offset` and `limit` begin with 0, found \(offset) and \(length)")
        }
        let record = try await job(id, for: principal, asking: .readJobs)
        let deadline = clock.sinceBoot + wait
        while true {
            let seen = eventCommits
            let shown = try await attemptToShow(of: id, task: task, for: principal)
            let wanted = token.map { AttemptID(task: TaskID(job: id, number: task), token: $0) } ?? shown?.id
            guard let wanted else { return ([], 0, core.jobs[id] == nil, 0) }
            let attempt = wanted == shown?.id ? shown : try await store.attempt(wanted)
            let isComplete = attempt?.isOpen == false
            var piece = try await content.readLog(wanted, stream: stream, offset: offset, length: length)
            let shownSize = attempt.map { min(piece.size, core.shownLogBytes(of: $0, in: record)) } ?? piece.size
            piece.bytes = Array(piece.bytes.prefix(Int(max(0, shownSize - offset))))
            let left = deadline - clock.sinceBoot
            if !piece.bytes.isEmpty || isComplete || left <= .zero || Task.isCancelled {
                return (
                    piece.bytes, piece.size, isComplete && offset + Int64(piece.bytes.count) >= shownSize,
                    piece.size - shownSize
                )
            }
            await waitForEvent(after: seen, atMost: min(left, .milliseconds(250)))
        }
    }
}
