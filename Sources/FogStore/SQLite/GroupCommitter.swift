internal import FogCore
internal import GRDB
internal import Synchronization

/// The one writer: what waits when the disk is free goes into one transaction and shares one flush.
///
/// There is no time window: while one batch is being flushed the next one gathers by itself, and a lone caller never
/// waits. A flush costs 0.15 to 4 ms, so this is worth far more than anything that could be done to a single commit.
final class GroupCommitter: Sendable {
    /// The most changes in one transaction, unless one caller brings more at once.
    static let batchLimit = 256
    /// The most changes that may wait; a caller beyond that is told `overloaded`.
    static let waitingLimit = 65_536

    private typealias Answer = CheckedContinuation<Result<[CommitResult], StoreFailure>, Never>

    /// One caller's changes. They stay together: all of them reach the disk with one flush, or none.
    private struct Submission {
        let changes: [Change]
        let answer: Answer
    }

    private struct Queue {
        var waiting: [Submission] = []
        var count = 0
        var isDraining = false
    }

    private let pool: DatabasePool
    private let path: String
    private let queue = Mutex(Queue())

    init(pool: DatabasePool, path: String) {
        self.pool = pool
        self.path = path
    }

    func commit(_ changes: [Change]) async throws(StoreFailure) -> [CommitResult] {
        guard !changes.isEmpty else { return [] }
        let result = await withCheckedContinuation { (answer: Answer) in
            let admitted = queue.withLock { queue -> Bool? in
                guard queue.count + changes.count <= Self.waitingLimit || queue.count == 0 else { return nil }
                queue.waiting.append(Submission(changes: changes, answer: answer))
                queue.count += changes.count
                defer { queue.isDraining = true }
                return !queue.isDraining
            }
            switch admitted {
            case nil:
                answer.resume(
                    returning: .failure(
                        StoreFailure("overloaded", "\(path): over \(Self.waitingLimit) changes wait to be written")))
            case true?: drainSoon()
            case false?: break
            }
        }
        return try result.get()
    }

    /// One batch a turn on the writer's queue, so that a backup or a prune gets its turn under steady load too.
    private func drainSoon() {
        pool.asyncWriteWithoutTransaction { [self] database in
            let batch = takeBatch()
            guard !batch.isEmpty else { return }
            let result = Result { () throws(StoreFailure) in try write(batch.flatMap(\.changes), to: database) }
            let more = queue.withLock { queue in
                queue.isDraining = !queue.waiting.isEmpty
                return queue.isDraining
            }
            if more { drainSoon() }
            answer(batch, result)
        }
    }

    private func takeBatch() -> [Submission] {
        queue.withLock { queue in
            var size = 0
            let end = queue.waiting.firstIndex { submission in
                defer { size += submission.changes.count }
                return size > 0 && size + submission.changes.count > Self.batchLimit
            }
            let batch = Array(queue.waiting[..<(end ?? queue.waiting.endIndex)])
            queue.waiting.removeFirst(batch.count)
            queue.count -= batch.reduce(0) { $0 + $1.changes.count }
            return batch
        }
    }

    private func answer(_ batch: [Submission], _ result: Result<[CommitResult], StoreFailure>) {
        var start = 0
        for submission in batch {
            let end = start + submission.changes.count
            submission.answer.resume(returning: result.map { Array($0[start..<end]) })
            start = end
        }
    }

    // MARK: - One transaction

    private func write(_ changes: [Change], to database: Database) throws(StoreFailure) -> [CommitResult] {
        do {
            // A stale or known change is found out before anything of it is written. Only a refused one must be taken
            // back, and that is a defect somewhere: so savepoints (a fifth of a batch's time) are laid the second time.
            if let results = try attempt(changes, savepoints: false, on: database) { return results }
            return try attempt(changes, savepoints: true, on: database) ?? []
        } catch {
            throw StoreFailure(storage: error, path: path)
        }
    }

    /// Nil when a change was refused and there is no savepoint to go back to; then nothing is written.
    private func attempt(_ changes: [Change], savepoints: Bool, on database: Database) throws -> [CommitResult]? {
        try Prepared(database, "BEGIN IMMEDIATE").run()
        do {
            var results: [CommitResult] = []
            results.reserveCapacity(changes.count)
            let writer = ChangeWriter(database: database)
            for change in changes {
                if savepoints { try Prepared(database, "SAVEPOINT change").run() }
                let result = try writer.apply(change)
                if case .refused = result, !savepoints {
                    try Prepared(database, "ROLLBACK").run()
                    return changes.count == 1 ? [result] : nil
                }
                if case .refused = result { try Prepared(database, "ROLLBACK TO change").run() }
                if savepoints { try Prepared(database, "RELEASE change").run() }
                results.append(result)
            }
            try Prepared(database, "COMMIT").run()
            return results
        } catch {
            // A full disk may have ended the transaction already.
            if database.isInsideTransaction { _ = try? Prepared(database, "ROLLBACK").run() }
            throw error
        }
    }
}
