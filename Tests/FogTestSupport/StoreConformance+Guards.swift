internal import FogCore
internal import FogJobs
internal import FogLedger
internal import FogStore
import Testing

extension StoreConformance {
    /// Invariants that hold whoever writes: a change that breaks one is refused and leaves nothing.
    static let guards = [
        StoreConformance("a final task keeps its state; token and winner never go back") { store async throws in
            var make = StoreFixture()
            let job = make.job()
            try await store.establish([.jobs(job)])
            for (number, state) in TaskState.allCases.enumerated() {
                var task = make.task(job, UInt32(number), state, token: 5)
                #expect(try await store.commit(.task(task)) == .applied)
                task.state = state == .failed ? .succeeded : .failed
                let word = try await store.commit(.task(task)).word
                #expect(word == (state.isFinal ? "refused" : "applied"), "\(state)")
            }
            var task = make.task(job, 100, .succeeded, token: 5)
            task.winner = 5
            let won = task
            task.heldReason = "noted"
            let noted = task
            task.winner = 4
            let robbed = task
            task.winner = nil
            let forgotten = task
            task = won
            task.token = 4
            let results = try await store.commit([
                .task(won), .task(noted), .task(robbed), .task(forgotten), .task(task),
            ])
            #expect(results.map(\.word) == ["applied", "applied", "refused", "refused", "refused"])
            #expect(try await store.task(won.id) == noted)
        },
        StoreConformance("an attempt ends once, begins once, and belongs to a task") { store async throws in
            var make = StoreFixture()
            let job = make.job(), task = make.task(job, 0)
            let attempt = make.attempt(task.id), ended = make.ended(attempt)
            let later = make.ended(attempt, .exitNonzero)
            let orphan = make.attempt(TaskID(job: job.record.id, number: 9))
            let unfenced = make.attempt(task.id, token: 0)
            let results = try await store.commit([
                .make { ($0.newJobs, $0.tasks, $0.newAttempts) = ([job], [task.id: task], [attempt]) },
                .make { $0.endedAttempts = [attempt] },
                .make { $0.endedAttempts = [ended] }, .make { $0.endedAttempts = [later] },
                .make { $0.newAttempts = [attempt] }, .make { $0.newAttempts = [orphan] },
                .make { $0.endedAttempts = [orphan] }, .make { $0.newAttempts = [unfenced] },
            ])
            let words = ["applied", "refused", "applied"] + [String](repeating: "refused", count: 5)
            #expect(results.map(\.word) == words, "\(results)")
            #expect(try await store.attempt(attempt.id) == ended)
        },
        StoreConformance("an ended attempt is paid later once, within its bound, and nothing else of it changes") {
            store async throws in
            var make = StoreFixture()
            let job = make.job(), task = make.task(job, 0)
            let attempt = make.attempt(task.id), open = make.attempt(task.id, token: 2)
            var ended = make.ended(attempt, .evictedUser)
            ended.paid = .zero
            let unpaid = ended
            let bound = attempt.priceBound, above = Credits(micro: bound.micro + 1)
            let results = try await store.commit([
                .make { ($0.newJobs, $0.tasks, $0.newAttempts) = ([job], [task.id: task], [attempt, open]) },
                .make { $0.endedAttempts = [unpaid] },
                .make { $0.latePayments = [attempt.id: above] }, .make { $0.latePayments = [attempt.id: .zero] },
                .make { $0.latePayments = [open.id: bound] }, .make { $0.latePayments = [attempt.id: bound] },
                .make { $0.latePayments = [attempt.id: bound] },
            ])
            let words = ["applied", "applied", "refused", "refused", "refused", "applied", "refused"]
            #expect(results.map(\.word) == words, "\(results)")
            ended.paid = bound
            #expect(try await store.attempt(attempt.id) == ended)
        },
        StoreConformance("the grant's terms stay as they were granted") { store async throws in
            var make = StoreFixture()
            let job = make.job(), task = make.task(job, 0)
            let attempt = make.attempt(task.id)
            var ended = make.ended(attempt)
            ended.node = make.id()
            ended.payee = make.id()
            ended.priceBound = .credits(99)
            let greedy = ended
            try await store.establish([
                .make { ($0.newJobs, $0.tasks, $0.newAttempts) = ([job], [task.id: task], [attempt]) },
                .make { $0.endedAttempts = [greedy] },
            ])
            let stored = try #require(try await store.attempt(attempt.id))
            #expect(stored.node == attempt.node && stored.payee == attempt.payee)
            #expect(stored.priceBound == attempt.priceBound && stored.outcome == .success)
        },
        StoreConformance("nothing hangs in the air and nothing is there twice") { store async throws in
            var make = StoreFixture()
            let job = make.job(account: make.id(), key: "k"), lost = make.job()
            let twin = make.job(account: job.record.account, key: "k")
            let task = make.task(job, 0)
            let attempt = make.attempt(task.id)
            let event = make.event()
            let log = StoredLog(attempt: attempt.id, stream: .stdout, bytes: [1])
            let use = BlobUse(digest: make.digest(), account: make.id(), job: nil, at: make.tick())
            let unnumbered = EventRecord("no_number", at: make.tick())
            let progress = job.record.progress
            let results = try await store.commit([
                .make {
                    ($0.newJobs, $0.tasks, $0.events, $0.newAttempts) = ([job], [task.id: task], [event], [attempt])
                },
                .jobs(job), .jobs(twin), .task(make.task(lost, 0)), .make { $0.progress[lost.record.id] = progress },
                .make { $0.events = [event] }, .make { $0.events = [unnumbered] }, .make { $0.blobUses = [use] },
                .make { $0.logs = [log] }, .make { $0.logs = [log] },
                .make {
                    $0.logs = [StoredLog(attempt: AttemptID(task: task.id, token: 7), stream: .stdout, bytes: [])]
                },
            ])
            let words = ["applied"] + [String](repeating: "refused", count: 7) + ["applied", "refused", "refused"]
            #expect(results.map(\.word) == words, "\(results)")
            #expect(try await store.job(twin.record.id) == nil)
        },
        StoreConformance("a refused change leaves nothing, and its neighbours in the batch stand") {
            store async throws in
            var make = StoreFixture()
            let genesis = make.genesis()
            let job = make.job(key: "k"), task = make.task(job, 0), node = make.node()
            let attempt = make.attempt(task.id)
            let blob = BlobRecord(digest: make.digest(), size: 1, inline: [1], createdAt: make.tick())
            let document = EvidenceDocument(kind: .receipt, bytes: [1, 2])
            let event = make.event()
            let whole = Change.make {
                ($0.newJobs, $0.tasks, $0.newAttempts, $0.events) = ([job], [task.id: task], [attempt], [event])
                ($0.nodes, $0.blobs, $0.evidence) = ([node.id: node], [blob], [document])
                $0.blobUses = [BlobUse(digest: blob.digest, account: job.record.account, job: nil, at: event.at)]
                $0.logs = [StoredLog(attempt: attempt.id, stream: .stdout, bytes: [1])]
                $0.principals = [
                    Principal(
                        key: node.key, name: "n", roles: [], account: node.owner, enrolledAt: event.at)
                ]
                // Records 0 to 2 are there already: the last part fails when all others are written.
                $0.ledger = genesis
            }
            let results = try await store.commit([
                .ledger(genesis), .settings(["before": "1"]), whole, .settings(["after": "1"]),
            ])
            #expect(results.map(\.word) == ["applied", "applied", "refused", "applied"])
            #expect(try await store.settings() == ["before": "1", "after": "1"])
            #expect(try await store.job(job.record.id) == nil)
            #expect(try await store.job(account: job.record.account, idempotencyKey: "k") == nil)
            #expect(try await store.task(task.id) == nil)
            #expect(try await store.attempt(attempt.id) == nil)
            #expect(try await store.nodes().isEmpty)
            #expect(try await store.principals().isEmpty)
            #expect(try await store.blob(blob.digest) == nil)
            #expect(try await store.mayRead(blob.digest, account: job.record.account) == false)
            #expect(try await store.log(attempt.id, stream: .stdout) == nil)
            #expect(try await store.evidence(document.digest) == nil)
            #expect(try await store.events(after: 0, job: nil, limit: 9).isEmpty)
            #expect(try await store.lastEventSequence() == 0)
            #expect(try await store.rows(of: .records).count == 3)
            // And alone, where there is no neighbour to protect.
            #expect(try await store.commit(whole).word == "refused")
            #expect(try await store.job(job.record.id) == nil)
        },
        StoreConformance("changes that wait together keep their order and their own results") { store async throws in
            let count = 600
            let words = try await withThrowingTaskGroup(of: (Int, [CommitResult]).self) { group in
                for number in 0..<count {
                    group.addTask {
                        let stale = Change.make { $0.preconditions = [.ledgerHead(7)] }
                        let mine = Change.settings(["\(number)": "\(number)"])
                        return (number, try await store.commit(number % 3 == 0 ? [mine, stale] : [mine]))
                    }
                }
                return try await group.reduce(into: [Int: [String]]()) { $0[$1.0] = $1.1.map(\.word) }
            }
            for number in 0..<count {
                #expect(words[number] == (number % 3 == 0 ? ["applied", "stale"] : ["applied"]))
            }
            #expect(try await store.settings().count == count)
        },
    ]
}
