internal import FogCore
internal import FogJobs
internal import FogLedger
internal import FogStore
import Testing

extension StoreConformance {
    static let queries = [
        StoreConformance("jobs are listed newest first, filtered and paged") { store async throws in
            var make = StoreFixture()
            let account: AccountID = make.id()
            var jobs: [StoredJob] = []
            for number in 0..<12 {
                var job = make.job(
                    account: number % 2 == 0 ? account : nil, name: number % 3 == 0 ? "third" : "other",
                    labels: number % 4 == 0 ? ["team": "red"] : ["team": "blue", "red": "team"])
                if number >= 10 { job.record.progress.cancelReason = "late" }
                if number == 11 {
                    job.record.progress.steps[0].counts = TaskCounts([.cancelled: 10])
                }
                jobs.append(job)
            }
            try await store.establish(jobs.map { .jobs($0) })
            let records = jobs.map(\.record)
            func list(_ filter: JobFilter, _ wanted: (JobRecord) -> Bool, _ what: Comment) async throws {
                #expect(try await store.jobs(filter).map(\.id) == records.filter(wanted).map(\.id).reversed(), what)
            }
            try await list(JobFilter(), { _ in true }, "all")
            try await list(JobFilter(account: account), { $0.account == account }, "by account")
            try await list(JobFilter(name: "third"), { $0.name == "third" }, "by name")
            try await list(JobFilter(states: [.pending]), { $0.state == .pending }, "by state")
            try await list(JobFilter(states: [.cancelled, .failed]), { $0.state == .cancelled }, "by states")
            try await list(JobFilter(states: []), { _ in false }, "by no state")
            var labelled = JobFilter(account: account, name: "third")
            labelled.label = ("team", "red")
            try await list(
                labelled, { $0.account == account && $0.name == "third" && $0.labels["team"] == "red" }, "by label")
            var page = JobFilter(limit: 5), seen: [JobID] = []
            while let last = try await store.jobs(page).last {
                seen += try await store.jobs(page).map(\.id)
                page.before = last.id
            }
            #expect(seen == records.map(\.id).reversed())
            #expect(try await store.jobs(JobFilter(limit: 0)).isEmpty)
        },
        StoreConformance("jobs are found by the beginning of their text") { store async throws in
            var make = StoreFixture()
            let jobs = (0..<200).map { _ in make.job() }
            try await store.establish(jobs.map { .jobs($0) })
            let sorted = jobs.map(\.record.id).sorted { $0.description < $1.description }
            for length in [0, 1, 2, 8, 26] {
                let prefix = String(jobs[0].record.id.description.prefix(length))
                let wanted = sorted.filter { $0.description.hasPrefix(prefix) }
                #expect(try await store.jobIDs(prefix: prefix, account: nil, limit: 1000) == wanted)
                #expect(try await store.jobIDs(prefix: prefix, account: nil, limit: 2) == Array(wanted.prefix(2)))
            }
            let mine = jobs[0].record
            #expect(try await store.jobIDs(prefix: "", account: mine.account, limit: 9) == [mine.id])
            for odd in ["%", "_", "A", "ü", mine.id.description + "0"] {
                #expect(try await store.jobIDs(prefix: odd, account: nil, limit: 9).isEmpty, "\(odd)")
            }
        },
        StoreConformance("tasks and attempts come in order, by page and by state") { store async throws in
            var make = StoreFixture()
            let job = make.job(), other = make.job()
            var change = Change.jobs(job, other)
            var attempts: [AttemptRecord] = []
            for number in 0..<20 as Range<UInt32> {
                let task = make.task(job, number, number % 5 == 0 ? .succeeded : .ready, token: 3)
                change.tasks[task.id] = task
                for token in 1...3 as ClosedRange<UInt32> { attempts.append(make.attempt(task.id, token: token)) }
            }
            let alien = make.task(other, 3)
            change.tasks[alien.id] = alien
            change.newAttempts = attempts + [make.attempt(alien.id)]
            #expect(try await store.commit(change) == .applied)
            let id = job.record.id
            #expect(try await store.tasks(of: id, after: nil, states: nil, limit: 99).map(\.id.number) == Array(0..<20))
            let page = try await store.tasks(of: id, after: 4, states: nil, limit: 3)
            #expect(page.map(\.id.number) == [5, 6, 7])
            let done = try await store.tasks(of: id, after: 0, states: [.succeeded, .failed], limit: 2)
            #expect(done.map(\.id.number) == [5, 10])
            #expect(try await store.attempts(of: id, task: nil, after: nil, limit: 99) == attempts)
            let middle = try await store.attempts(of: id, task: nil, after: attempts[7].id, limit: 4)
            #expect(middle == Array(attempts[8..<12]))
            let one = try await store.attempts(of: id, task: 6, after: nil, limit: 9)
            #expect(one == Array(attempts[18..<21]))
            let rest = try await store.attempts(of: id, task: 6, after: attempts[18].id, limit: 9)
            #expect(rest == Array(attempts[19..<21]))
        },
        StoreConformance("a restart finds what is open, and only that") { store async throws in
            var make = StoreFixture()
            var settled = make.job()
            settled.record.progress.settled = true
            let job = make.job(), old = settled
            let open = make.task(job, 0), final = make.task(job, 1, .succeeded), past = make.task(old, 0, .leased)
            let running = make.attempt(open.id), over = make.ended(make.attempt(final.id))
            let change = Change.make {
                $0.newJobs = [job, old]
                $0.tasks = [open.id: open, final.id: final, past.id: past]
                $0.newAttempts = [running, over]
            }
            #expect(try await store.commit(change) == .applied)
            #expect(try await store.openJobs() == [job])
            #expect(try await store.openTasks() == [open])
            #expect(try await store.openAttempts() == [running])
        },
        StoreConformance("events are read from a cursor, of all or of one job") { store async throws in
            var make = StoreFixture()
            let first: JobID = make.id(), second: JobID = make.id()
            let events = (0..<30).map { make.event("e\($0)", job: [first, second, nil][$0 % 3]) }
            try await store.establish(events.map { event in .make { $0.events = [event] } })
            #expect(try await store.events(after: 0, job: nil, limit: 99) == events)
            #expect(try await store.events(after: 10, job: nil, limit: 5) == Array(events[10..<15]))
            let mine = events.filter { $0.job == second }
            #expect(try await store.events(after: 0, job: second, limit: 99) == mine)
            #expect(try await store.events(after: mine[3].sequence, job: second, limit: 2) == Array(mine[4..<6]))
            #expect(try await store.lastEventSequence() == 30)
        },
    ]

    static let housekeeping = [
        StoreConformance("history of old, settled jobs goes; the ledger and event numbers stay") { store async throws in
            var make = StoreFixture()
            var jobs: [StoredJob] = []
            for number in 0..<5 {
                var job = make.job(key: "k\(number)")
                job.record.progress.finishedAt = make.tick()
                job.record.progress.settled = number != 1
                jobs.append(job)
            }
            let blob = BlobRecord(digest: make.digest(), size: 1 << 20, inline: nil, createdAt: make.tick())
            var change = Change.ledger(make.genesis())
            change.newJobs = jobs
            change.blobs = [blob]
            change.evidence = [EvidenceDocument(kind: .receipt, bytes: [7])]
            for job in jobs {
                let task = make.task(job, 0), attempt = make.attempt(task.id)
                change.tasks[task.id] = task
                change.newAttempts.append(attempt)
                change.logs.append(StoredLog(attempt: attempt.id, stream: .stdout, bytes: [1]))
                change.events.append(make.event(job: job.record.id))
                change.blobUses.append(
                    BlobUse(digest: blob.digest, account: job.record.account, job: job.record.id, at: make.now))
            }
            #expect(try await store.commit(change) == .applied)
            let cut = jobs[4].record.progress.finishedAt ?? .zero
            func prune(limit: Int) async throws -> [Digest] {
                try await store.prune(endedBefore: cut, keptBefore: cut, unusedBefore: make.tick(), limit: limit)
            }
            #expect(try await prune(limit: 1).isEmpty)
            #expect(try await store.jobs(JobFilter()).map(\.id) == [4, 3, 2, 1].map { jobs[$0].record.id })
            #expect(try await prune(limit: 9).isEmpty)
            #expect(try await store.jobs(JobFilter()).map(\.id) == [4, 1].map { jobs[$0].record.id })
            let gone = jobs[2].record.id
            #expect(try await store.tasks(of: gone, after: nil, states: nil, limit: 9).isEmpty)
            #expect(try await store.attempts(of: gone, task: nil, after: nil, limit: 9).isEmpty)
            let attempt = AttemptID(task: TaskID(job: gone, number: 0), token: 1)
            #expect(try await store.log(attempt, stream: .stdout) == nil)
            #expect(try await store.events(after: 0, job: nil, limit: 9).map(\.sequence) == [2, 5])
            #expect(try await store.mayRead(blob.digest, account: jobs[2].record.account) == false)
            #expect(try await store.mayRead(blob.digest, account: jobs[4].record.account))
            // The key of a job that is gone may be used again.
            #expect(try await store.job(account: jobs[0].record.account, idempotencyKey: "k0") == nil)
            #expect(try await store.rows(of: .records).count == 3)
            #expect(try await store.evidence(change.evidence[0].digest) == change.evidence[0])
            var last = jobs[1].record
            last.progress.settled = true
            let progress = last.progress
            try await store.establish([.make { $0.progress[last.id] = progress }])
            let after = make.tick()
            let counted = try await store.prunable(endedBefore: after, keptBefore: after, unusedBefore: after)
            #expect(counted.jobs == 2 && counted.tasks == 2 && counted.events == 2 && counted.blobs == 1)
            let unused = try await store.prune(endedBefore: after, keptBefore: after, unusedBefore: after, limit: 9)
            #expect(unused == [blob.digest])
            #expect(try await store.blob(blob.digest) == nil)
            #expect(try await store.events(after: 0, job: nil, limit: 9).isEmpty)
            #expect(try await store.lastEventSequence() == 5, "a number is never given twice")
        },
        StoreConformance("a job that is kept stays with its history until that time has come") { store async throws in
            var make = StoreFixture()
            var jobs: [StoredJob] = []
            let ended = make.tick()
            for kept in [nil, ended + .days(30), ended + .days(2)] as [Timestamp?] {
                var job = make.job()
                job.record.progress.finishedAt = ended
                job.record.progress.settled = true
                job.record.progress.keptUntil = kept
                jobs.append(job)
            }
            var change = Change()
            change.newJobs = jobs
            for job in jobs { change.events.append(make.event(job: job.record.id)) }
            #expect(try await store.commit(change) == .applied)
            #expect(try await store.job(jobs[1].record.id) == jobs[1])
            func left(after span: TimeSpan) async throws -> [JobID] {
                let now = ended + span
                let due = try await store.prunable(
                    endedBefore: now - .days(7), keptBefore: now, unusedBefore: now - .days(1))
                let before = try await store.jobs(JobFilter()).count
                _ = try await store.prune(
                    endedBefore: now - .days(7), keptBefore: now, unusedBefore: now - .days(1), limit: 9)
                let left = try await store.jobs(JobFilter())
                #expect(due.jobs == before - left.count && due.events == due.jobs)
                #expect(try await store.events(after: 0, job: nil, limit: 9).count == left.count)
                return left.map(\.id).sorted()
            }
            let (plain, month) = (jobs[0].record.id, jobs[1].record.id)
            // Kept for two days only is no less than all jobs are.
            #expect(try await left(after: .days(7)) == [plain, month, jobs[2].record.id].sorted())
            #expect(try await left(after: .days(8)) == [month])
            #expect(try await left(after: .days(30)) == [month])
            #expect(try await left(after: .days(31)).isEmpty)
        },
        StoreConformance("content that no job names goes after its time") { store async throws in
            var make = StoreFixture()
            let account: AccountID = make.id(), job: JobID = make.id()
            let blobs = (0..<4).map { number in
                BlobRecord(
                    digest: make.digest(), size: 9, inline: number == 3 ? [1] : nil, createdAt: make.tick())
            }
            let uploaded = make.tick()
            let change = Change.make {
                $0.blobs = blobs
                $0.blobUses = [
                    BlobUse(digest: blobs[0].digest, account: account, job: nil, at: uploaded),
                    BlobUse(digest: blobs[1].digest, account: account, job: job, at: uploaded),
                ]
            }
            #expect(try await store.commit(change) == .applied)
            let gone = try await store.prune(
                endedBefore: .zero, keptBefore: .zero, unusedBefore: uploaded, limit: 9)
            #expect(gone == [blobs[2].digest], "one is newly uploaded, one is in use, one has no file")
            #expect(try await store.blob(blobs[3].digest) == nil)
            let later = try await store.prune(
                endedBefore: .zero, keptBefore: .zero, unusedBefore: make.tick(), limit: 9)
            #expect(later == [blobs[0].digest])
            #expect(try await store.blob(blobs[1].digest) == blobs[1])
        },
    ]
}
