import FogCore
import FogJobs
import FogLedger
import FogPlacement
import FogStore
import Testing

@testable import FogCoordinator

/// A core with people and machines, a clock turned by hand, and a memory store that everything is committed to.
struct Bench {
    var core: CoordinatorCore
    let store: MemoryStore
    let clock = StillClock()
    let key = SigningKey.generate()
    var now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: .hours(1))
    var client: Principal
    private(set) var workers: [SigningKey] = []
    /// Whether machines that say hello take private jobs.
    var statements = false

    /// - Parameter credits: what the client has.
    init(rules: CoordinatorConfiguration = Bench.rules, credits: Credits = .credits(1000)) throws {
        store = MemoryStore()
        core = CoordinatorCore(rules: rules, key: key.publicKey, ledger: Ledger(), eventSequence: 0, seed: 1, at: now)
        core.sealer = LedgerSealer(key: key)
        #expect(core.openBooks(at: now) == nil)
        let admin = SigningKey.generate()
        client = try core.enrol(
            key: admin.publicKey, name: "ada", roles: [.client, .admin], account: nil, at: now)
        if credits > .zero {
            let document = try GrantDocument(
                account: client.account, amount: credits, time: now.wall, reason: "to begin with", signedBy: key)
            _ = try core.grant(document, by: client, at: now)
        }
        commit()
    }

    static var rules: CoordinatorConfiguration {
        var rules = CoordinatorConfiguration()
        rules.economy = true
        return rules
    }

    /// Stores what was decided; a change that does not apply is a broken invariant.
    mutating func commit() {
        guard let change = core.takeChange() else { return }
        let result = store.apply(change)
        #expect(result == .applied)
    }

    mutating func pass(_ span: TimeSpan) {
        now = Moment(wall: now.wall + span, boot: now.boot + span)
    }

    /// Time passes in small steps, as it does for a coordinator that is awake.
    mutating func live(_ span: TimeSpan, beating nodes: [NodeID] = []) {
        var left = span
        while left > .zero {
            let step = min(left, .seconds(5))
            pass(step)
            for node in nodes { beat(node) }
            core.tick(at: now)
            left = left - step
        }
        commit()
    }

    // MARK: Machines

    /// A machine of the client's own account, unless another owner is named.
    mutating func addNode(
        _ name: String, cores: Int64 = 4, memory: ByteCount = .gibibytes(8), owner: AccountID? = nil
    ) throws -> NodeID {
        let key = SigningKey.generate()
        workers.append(key)
        _ = try core.enrol(key: key.publicKey, name: name, roles: [.worker], account: owner ?? client.account, at: now)
        return try hello(name, cores: cores, memory: memory, key: key)
    }

    /// A stranger's machine, and the account that is paid for its work.
    mutating func addStranger(_ name: String) throws -> (node: NodeID, owner: AccountID) {
        let owner = try core.enrol(
            key: SigningKey.generate().publicKey, name: "owner of \(name)", roles: [.client], account: nil, at: now
        ).account
        return (try addNode(name, owner: owner), owner)
    }

    /// Gives an owner credits and lets him put them at risk.
    mutating func stake(_ amount: Credits, of owner: AccountID) throws {
        let principal = try core.enrol(
            key: SigningKey.generate().publicKey, name: "second key", roles: [.client], account: owner, at: now)
        commit()
        for (movement, who, number) in [
            (CoordinatorCore.Movement.transfer(to: owner), client, 1), (.stake, principal, 2),
        ] {
            _ = try core.move(
                amount, movement, id: TransferID(high: 1 << 20, low: UInt64(number)), by: who, authorisation: .none,
                known: [:], at: now)
        }
        commit()
    }

    @discardableResult
    mutating func hello(
        _ name: String, cores: Int64 = 4, memory: ByteCount = .gibibytes(8), key: SigningKey? = nil,
        holding: [AttemptID] = [], speaking protocolVersion: Int = 2,
        privacy: PrivacyLevel = .public, mix: PrivacyLevel? = nil, from origin: NetworkAddress? = nil
    ) throws -> NodeID {
        let key = key ?? self.key(of: name)
        var report = NodeReport(
            name: name, architecture: "x86_64", cpu: .cores(cores), memory: memory, disk: .gibibytes(100),
            protocolVersion: protocolVersion, privacy: statements ? max(privacy, .confidential) : privacy, mix: mix)
        report.statement = statements ? statement(of: key) : nil
        let terms = try core.hello(
            WorkerHello(report: report, allowance: Self.open(cores, memory), incarnation: name, holding: holding),
            from: key.publicKey.id, origin: origin, at: now)
        commit()
        return terms.node
    }

    /// What a machine says of itself to submitters; what is sealed to it is opened by no test of the core.
    private func statement(of worker: SigningKey) -> String {
        let statement = CandidateStatement(
            machine: worker.publicKey, coordinator: key.publicKey, receiver: ReceivingKey.generate().publicBytes,
            capability: .cpu, region: "", at: now.wall)
        return Base64.encode(statement.signed(with: worker).bytes)
    }

    static func open(_ cores: Int64 = 4, _ memory: ByteCount = .gibibytes(8)) -> Allowance {
        Allowance(state: .open, reason: "dedicated", cpuCap: .cores(cores), memoryCap: memory, slots: Int(cores))
    }

    private func key(of name: String) -> SigningKey {
        let node = core.nodes.values.first { $0.row.report.name == name }
        return workers.first { $0.publicKey == node?.row.key } ?? SigningKey.generate()
    }

    func key(of node: NodeID) -> SigningKey {
        workers.first { $0.publicKey == core.nodes[node]?.row.key } ?? SigningKey.generate()
    }

    @discardableResult
    mutating func beat(_ node: NodeID, _ items: [Heartbeat.Item]? = nil) -> HeartbeatAnswer {
        let held =
            items ?? (core.nodes[node]?.leases ?? []).sorted().map { Heartbeat.Item(attempt: $0, state: .running) }
        return core.heartbeat(
            Heartbeat(allowance: Self.open(), attempts: held), from: key(of: node).publicKey.id, at: now)
    }

    // MARK: Work

    /// Submits a job of one step.
    mutating func submit(
        _ name: String = "job", count: Int = 1, by principal: Principal? = nil, key: String? = nil,
        keys: SealedKeys? = nil, _ shape: (inout JobSpec) -> Void = { _ in }
    ) throws -> JobID {
        let elements: Elements = count == 1 ? .single : .array(first: 0, last: count - 1, stride: 1)
        var spec = JobSpec(name: name, steps: [StepSpec(action: .command(["true"]), elements: elements)])
        shape(&spec)
        var submission = Submission(
            spec: spec, document: ManifestDocument(of: spec).canonical, documentDigest: .blake2b(Array(name.utf8)),
            files: .empty, fileTable: nil, idempotencyKey: key, submitter: principal ?? client)
        submission.keys = keys
        let record = try core.submit(submission, at: now).record
        commit()
        return record.id
    }

    /// What a poll of the node brings.
    mutating func poll(_ node: NodeID, want: Int = 4) -> [Lease] {
        core.hear(node, allowance: core.nodes[node]?.allowance ?? Self.open(), at: now)
        core.nodes[node]?.want = want
        core.placementWanted = true
        _ = core.place(at: now, clock: clock)
        let leases = core.grant(to: node, at: now)
        core.nodes[node]?.want = 0
        commit()
        return leases
    }

    /// A worker's report, as an honest worker signs it.
    func report(
        _ lease: Lease, from node: NodeID, outcome: Outcome = .success, exitCode: Int? = 0, cpu: TimeSpan = .seconds(1),
        outputs: [OutputFile] = [], checkpoint: [OutputFile]? = nil
    ) -> VerifiedReport {
        let key = key(of: node)
        let receipt = Receipt(
            coordinator: self.key.publicKey, attempt: lease.attempt, node: key.publicKey, profileDigest: .zero,
            missingIsolation: [], inputDigest: lease.inputDigest, outputDigest: manifestDigest(outputs),
            stdoutDigest: .zero, stderrDigest: .zero, exitCode: exitCode, signal: nil, outcome: outcome,
            usage: Usage(
                cpuNanoseconds: cpu.milliseconds * 1_000_000, wallNanoseconds: cpu.milliseconds * 1_000_000,
                peakBytes: 1 << 20, source: .cgroupV1),
            priceBound: lease.priceBound)
        let signed = SignedReceipt(receipt, signedWith: key)
        let report = AttemptReport(
            receipt: signed, outputs: outputs, contents: outputs.map { _ in nil }, stdout: nil, stderr: nil,
            stdoutSize: 0, stderrSize: 0, detail: nil, checkpoint: checkpoint)
        let blobs = (outputs + (checkpoint ?? [])).map {
            BlobRecord(digest: $0.digest, size: $0.size, inline: nil, createdAt: now.wall)
        }
        return VerifiedReport(receipt: signed, report: report, blobs: blobs)
    }

    @discardableResult
    mutating func finish(
        _ lease: Lease, on node: NodeID, outcome: Outcome = .success, exitCode: Int? = 0, cpu: TimeSpan = .seconds(1),
        outputs: [OutputFile] = [], checkpoint: [OutputFile]? = nil
    ) -> CompletionVerdict? {
        let verified = report(
            lease, from: node, outcome: outcome, exitCode: exitCode, cpu: cpu, outputs: outputs, checkpoint: checkpoint)
        let verdict = core.complete(verified, from: key(of: node).publicKey.id, at: now)
        commit()
        return verdict
    }

    /// The coordinator dies and starts again from what was committed.
    mutating func restart() async throws {
        let state = try await Self.state(of: store)
        core = CoordinatorCore(recovering: state, rules: core.rules, key: key.publicKey, seed: 2, at: now)
        core.sealer = try await LedgerSealer.open(store, key: key)
    }

    /// What a coordinator reads when it starts, of jobs without files.
    static func state(of store: MemoryStore) async throws -> StoredState {
        var state = StoredState()
        for stored in try await store.openJobs() {
            let (json, selection) = Retrial.split(try JSON(parsing: stored.document))
            let outcome = try SubmissionBundle.spec(document: json, files: nil) { _ in nil }
            let spec = try #require(outcome.spec)
            state.jobs.append(
                ParsedJob(record: stored.record, spec: spec, files: .empty, selection: selection))
        }
        state.tasks = try await store.openTasks()
        state.attempts = try await store.openAttempts()
        for job in state.jobs where job.spec.steps.count > 1 {
            state.results += try await store.attempts(of: job.record.id, task: nil, after: nil, limit: 1000)
                .filter { $0.outcome == .success }
        }
        state.nodes = try await store.nodes()
        state.reputations = try await store.reputations()
        state.marketEpochs = try await store.marketEpochs(of: nil, since: Timestamp(microseconds: 0), limit: 10_000)
        state.principals = try await store.principals()
        state.ledger = try await store.ledgerState()
        state.eventSequence = try await store.lastEventSequence()
        state.settings = try await store.settings()
        return state
    }

    // MARK: What must always hold

    /// The job as it is now, in memory or in the store.
    func job(_ id: JobID) async throws -> JobRecord {
        if let active = core.jobs[id] { return active.record }
        return try #require(try await store.job(id)).record
    }

    func audit() async throws -> AuditReport { try await LedgerAuditor(store: store).run() }
}

/// Stands still: only what is turned by hand moves.
struct StillClock: FogClock {
    var now: Timestamp { .zero }
    var sinceBoot: TimeSpan { .zero }
}
