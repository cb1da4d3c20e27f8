internal import FogCore
internal import FogJobs
internal import FogPlacement
package import FogStore
import Testing

/// What every ``Store`` must do: one suite, run by each implementation's tests on a new, empty store.
package struct StoreConformance: Sendable, CustomTestStringConvertible {
    package let testDescription: String
    package let run: @Sendable (any Store) async throws -> Void

    init(_ description: String, _ run: @escaping @Sendable (any Store) async throws -> Void) {
        testDescription = description
        self.run = run
    }

    package static var all: [StoreConformance] {
        parts + enrolment + preconditions + guards + queries + decisions + economy + housekeeping
    }

    // MARK: - Parts

    static let parts = [
        StoreConformance("a new store is empty") { store async throws in
            #expect(try await store.openJobs().isEmpty)
            #expect(try await store.lastEventSequence() == 0)
            #expect(try await store.ledgerState() == nil)
            #expect(try await store.commit([]) == [])
            #expect(try await store.settings().isEmpty)
        },
        StoreConformance("a job comes back as it was submitted, and as it moved") { store async throws in
            var make = StoreFixture()
            var job = make.job(key: "k", labels: ["team": "a\"b", "x": ""])
            job.record.fileTable = make.digest()
            job.record.priority = -7
            #expect(try await store.commit(.jobs(job)) == .applied)
            #expect(try await store.job(job.record.id) == job)
            job.record.progress.steps[0].counts.move(3, from: .ready, to: .succeeded)
            job.record.progress.steps[0].cursor = 4
            job.record.progress.steps.append(StepProgress(name: "\u{1}\"ü", base: 10, count: 2, blocked: true))
            job.record.progress.held = "budget"
            job.record.progress.cancelReason = "no more"
            job.record.progress.firstGrantAt = make.tick()
            job.record.progress.finishedAt = make.tick()
            job.record.progress.spent = .credits(2)
            job.record.progress.escrowOpen = true
            job.record.progress.deadlineMissed = true
            job.record.progress.keptUntil = make.tick()
            job.record.progress.keys = try SealedKeys([
                SigningKey.generate().publicKey.id.description: Base64Bytes(SecureRandom.bytes(KeyWrap.byteCount))
            ])
            let progress = job.record.progress, id = job.record.id
            #expect(try await store.commit(.make { $0.progress[id] = progress }) == .applied)
            #expect(try await store.job(id) == job)
            #expect(try await store.openJobs() == [job])
        },
        StoreConformance("a task's row is written and written over, every column") { store async throws in
            var make = StoreFixture()
            let job = make.job()
            var task = make.task(job, .max, .backoff, token: 2)
            try await store.establish([.jobs(job), .task(task)])
            #expect(try await store.task(task.id) == task)
            task.state = .held
            task.token = .max
            (task.taskFailures, task.hostFailures, task.evictions) = (1, 2, 3)
            task.notBefore = make.tick()
            task.heldReason = "look at it"
            task.memory = .gibibytes(3)
            task.checkpoint = make.digest()
            task.finishedAt = make.tick()
            task.winner = 2
            #expect(try await store.commit(.task(task)) == .applied)
            #expect(try await store.task(task.id) == task)
        },
        StoreConformance("an attempt is written when it begins and once more when it ends") { store async throws in
            var make = StoreFixture()
            let job = make.job(), task = make.task(job, 0)
            var granted = make.attempt(task.id)
            granted.coreRate = .credits(2)
            granted.gibRate = Credits(micro: 7)
            granted.sellerRate = .credits(1)
            let attempt = granted
            try await store.establish([.jobs(job), .make { ($0.tasks, $0.newAttempts) = ([task.id: task], [attempt]) }])
            #expect(try await store.attempt(attempt.id) == attempt)
            #expect(try await store.openAttempts() == [attempt])
            let ended = make.ended(attempt)
            #expect(try await store.commit(.make { $0.endedAttempts = [ended] }) == .applied)
            #expect(try await store.attempt(attempt.id) == ended)
            #expect(try await store.openAttempts().isEmpty)
        },
        StoreConformance("keys and nodes are written and written over") { store async throws in
            var make = StoreFixture()
            var node = make.node()
            var principal = Principal(
                key: node.key, name: "Ada", roles: [.client, .admin], account: make.id(), enrolledAt: make.tick())
            for _ in 0..<2 {
                let (nodeNow, principalNow) = (node, principal)
                let change = Change.make {
                    $0.nodes[nodeNow.id] = nodeNow
                    $0.principals = [principalNow]
                }
                #expect(try await store.commit(change) == .applied)
                #expect(try await store.nodes() == [node])
                #expect(try await store.principals() == [principal])
                node.coreAsk = .credits(3)
                node.gibAsk = .zero
                node.standing = .draining
                node.lastSeen = make.tick()
                node.recentFaults = []
                node.probationUntil = nil
                node.report.programs = [:]
                node.trusted = false
                principal.revokedAt = make.tick()
                principal.roles = []
            }
        },
        StoreConformance("what is known of nodes' results is written and written over") { store async throws in
            var make = StoreFixture()
            let keys = [CapabilityClass.cpu, .gpu].map { Reputation.Key(node: make.id(), capability: $0) }
            var wanted: [Reputation.Key: Reputation] = [:]
            for round in 0..<3 {
                for (place, key) in keys.enumerated() {
                    var reputation = wanted[key] ?? Reputation(asOf: make.tick())
                    for verdict in Evidence.Verdict.allCases.prefix(3 + round * 4 + place) {
                        reputation.add(verdict, at: make.tick())
                    }
                    wanted[key] = reputation
                }
                let written = wanted
                #expect(try await store.commit(.make { $0.reputations = written }) == .applied)
                #expect(try await store.reputations() == written)
            }
        },
        StoreConformance("epochs of the market are kept by end and segment, and old ones go") { store async throws in
            var make = StoreFixture()
            let segments = [("", CapabilityClass.cpu), ("east", .cpu), ("east", .gpu)].map {
                MarketSegment(region: $0.0, capability: $0.1)
            }
            var wanted: [MarketEpoch] = []
            for round in 0..<4 {
                let at = make.tick()
                for (place, segment) in segments.enumerated() {
                    wanted.append(
                        MarketEpoch(
                            segment: segment, at: at, open: .credits(2), high: .credits(3), low: Credits(micro: 5),
                            close: Credits(micro: Int64(10 * round + place + 5)), volume: Int64(round),
                            utilisation: 0.25))
                }
            }
            let written = wanted
            #expect(try await store.commit(.make { $0.marketEpochs = written }) == .applied)
            #expect(try await store.marketEpochs(of: nil, since: wanted[0].at, limit: 99) == wanted)
            #expect(try await store.marketEpochs(of: nil, since: wanted[3].at, limit: 4) == Array(wanted.suffix(4)))
            let east = try await store.marketEpochs(of: segments[2], since: wanted[0].at, limit: 2)
            #expect(east == [wanted[8], wanted[11]])
            wanted[11].volume = 77
            let changed = wanted[11], from = wanted[6].at
            #expect(
                try await store.commit(
                    .make {
                        $0.marketEpochs = [changed]
                        $0.marketKeptFrom = from
                    }) == .applied)
            #expect(try await store.marketEpochs(of: nil, since: written[0].at, limit: 99) == Array(wanted[6...]))
        },
        StoreConformance("content is read by who uploaded it or whose job names it") { store async throws in
            var make = StoreFixture()
            let (owner, other): (AccountID, AccountID) = (make.id(), make.id())
            let job = make.job(account: other)
            let small = BlobRecord(digest: make.digest(), size: 3, inline: [1, 2, 3], createdAt: make.tick())
            let large = BlobRecord(digest: make.digest(), size: 1 << 40, inline: nil, createdAt: make.tick())
            let uses = [
                BlobUse(digest: small.digest, account: owner, job: nil, at: make.tick()),
                BlobUse(digest: small.digest, account: other, job: job.record.id, at: make.tick()),
                BlobUse(digest: small.digest, account: other, job: job.record.id, at: make.tick()),
            ]
            let change = Change.make { ($0.blobs, $0.blobUses, $0.newJobs) = ([small, large], uses, [job]) }
            #expect(try await store.commit(change) == .applied)
            #expect(try await store.blob(small.digest) == small)
            #expect(try await store.blob(large.digest) == large)
            #expect(try await store.blob(.zero) == nil)
            #expect(try await store.mayRead(small.digest, account: owner))
            #expect(try await store.mayRead(small.digest, account: other))
            #expect(try await store.mayRead(large.digest, account: owner) == false)
            var later = small
            later.createdAt = make.tick()
            let again = later
            #expect(try await store.commit(.make { $0.blobs = [again] }) == .applied)
            #expect(try await store.blob(small.digest) == small, "equal content keeps its first row")
        },
        StoreConformance("logs, events and settings come back") { store async throws in
            var make = StoreFixture()
            let job = make.job(), task = make.task(job, 0)
            let attempt = make.attempt(task.id)
            var plain = make.event("coordinator_started")
            plain.detail = ["reason": "a \"b\""]
            let event = plain, second = make.event(job: job.record.id)
            let change = Change.make {
                ($0.newJobs, $0.tasks, $0.newAttempts) = ([job], [task.id: task], [attempt])
                $0.logs = [StoredLog(attempt: attempt.id, stream: .stdout, bytes: [0, 255])]
                $0.logs.append(StoredLog(attempt: attempt.id, stream: .stderr, bytes: []))
                $0.events = [event, second]
                $0.settings = ["economy": "on", "": ""]
            }
            #expect(try await store.commit(change) == .applied)
            #expect(try await store.log(attempt.id, stream: .stdout) == [0, 255])
            #expect(try await store.log(attempt.id, stream: .stderr) == [])
            #expect(try await store.events(after: 0, job: nil, limit: 9) == [event, second])
            #expect(try await store.lastEventSequence() == 2)
            #expect(try await store.commit(.settings(["economy": "off"])) == .applied)
            #expect(try await store.settings() == ["economy": "off", "": ""])
        },
    ]

    // MARK: - Preconditions

    static let preconditions = [
        StoreConformance("a job is new once, by id and by its account's idempotency key") { store async throws in
            var make = StoreFixture()
            let first = make.job(key: "k"), second = make.job(account: first.record.account, key: "k")
            let other = make.job(key: "k"), plain = make.job(account: first.record.account)
            func submit(_ job: StoredJob) -> Change {
                .make {
                    let record = job.record
                    $0.preconditions = [
                        .jobIsNew(record.id, account: record.account, idempotencyKey: record.idempotencyKey)
                    ]
                    $0.newJobs = [job]
                }
            }
            let results = try await store.commit([first, first, second, other, plain].map(submit))
            #expect(results.map(\.word) == ["applied", "exists", "exists", "applied", "applied"])
            let account = first.record.account
            #expect(try await store.job(account: account, idempotencyKey: "k") == first.record)
            #expect(try await store.job(account: account, idempotencyKey: "l") == nil)
            #expect(try await store.job(second.record.id) == nil)
        },
        StoreConformance("a task's token is checked, and that it is not final") { store async throws in
            var make = StoreFixture()
            let job = make.job()
            let open = make.task(job, 0, .leased, token: 3), final = make.task(job, 1, .failed, token: 3)
            try await store.establish([.make { ($0.newJobs, $0.tasks) = ([job], [open.id: open, final.id: final]) }])
            let untouched = TaskID(job: job.record.id, number: 2)
            let cases: [(TaskID, UInt32, String)] = [
                (open.id, 3, "applied"), (open.id, 2, "stale"), (open.id, 0, "stale"), (final.id, 3, "stale"),
                (untouched, 0, "applied"), (untouched, 1, "stale"),
            ]
            for (id, token, word) in cases {
                let result = try await store.commit(.make { $0.preconditions = [.taskToken(id, token)] })
                #expect(result.word == word, "task \(id.number), token \(token): \(result)")
            }
        },
        StoreConformance("an attempt is open until it ends") { store async throws in
            var make = StoreFixture()
            let job = make.job(), task = make.task(job, 0)
            let attempt = make.attempt(task.id), ended = make.ended(attempt)
            let check = Change.make { $0.preconditions = [.attemptOpen(attempt.id)] }
            let results = try await store.commit([
                check, .make { ($0.newJobs, $0.tasks, $0.newAttempts) = ([job], [task.id: task], [attempt]) }, check,
                .make { ($0.preconditions, $0.endedAttempts) = ([.attemptOpen(attempt.id)], [ended]) },
                .make { ($0.preconditions, $0.endedAttempts) = ([.attemptOpen(attempt.id)], [ended]) },
            ])
            #expect(results.map(\.word) == ["stale", "applied", "applied", "applied", "stale"])
        },
        StoreConformance("the ledger's head and a node's standing are checked") { store async throws in
            var make = StoreFixture()
            let node = make.node(), genesis = make.genesis()
            func at(_ precondition: Precondition) -> Change { .make { $0.preconditions = [precondition] } }
            let results = try await store.commit([
                at(.ledgerHead(nil)), at(.ledgerHead(0)), at(.nodeStanding(node.id, .active)),
                .make { ($0.nodes, $0.ledger) = ([node.id: node], genesis) },
                at(.ledgerHead(nil)), at(.ledgerHead(2)), at(.nodeStanding(node.id, .active)),
                at(.nodeStanding(node.id, .cordoned)),
            ])
            let words = ["applied", "stale", "stale", "applied", "stale", "applied", "applied", "stale"]
            #expect(results.map(\.word) == words)
        },
        StoreConformance("a stale change writes nothing, and all its preconditions count") { store async throws in
            var make = StoreFixture()
            let job = make.job()
            let change = Change.make {
                $0.preconditions = [
                    .ledgerHead(nil), .attemptOpen(AttemptID(task: TaskID(job: job.record.id, number: 0), token: 1)),
                ]
                $0.newJobs = [job]
            }
            #expect(try await store.commit(change).word == "stale")
            #expect(try await store.job(job.record.id) == nil)
        },
    ]
}
