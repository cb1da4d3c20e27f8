internal import FogCommandLine
internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import FogLedger
internal import FogStore

/// The coordinator's decisions without its doors: what they cost alone, and the changes they make for the store.
struct BenchCore {
    var core: CoordinatorCore
    /// What the client signed, for transfers that need somebody's word.
    let asked: Authorisation
    let key = SigningKey.generate()
    let clock = SystemClock()
    private let client: Principal
    /// The client's.
    private let asker: SigningKey
    private var workers: [NodeID: SigningKey] = [:]

    var now: Moment { Moment(clock) }
    /// The submitter's.
    var account: AccountID { client.account }

    /// - Parameter credits: what the submitter gets.
    init(credits: Credits = .credits(10_000_000)) throws {
        var rules = CoordinatorConfiguration()
        rules.economy = true
        rules.trustAllNodes = true
        rules.leasesPerPoll = 1024
        let now = Moment(SystemClock())
        core = CoordinatorCore(rules: rules, key: key.publicKey, ledger: Ledger(), eventSequence: 0, seed: 1, at: now)
        core.sealer = LedgerSealer(key: key)
        core.attributeRecords(at: now)
        if let refusal = core.openBooks(at: now) {
            throw CommandLineFailure("bench_failed", "\(refusal)")
        }
        let (coordinator, submitter) = (key.publicKey, SigningKey.generate())
        asker = submitter
        func signed(_ act: String) throws -> Authorisation {
            try LocalStatement(act, of: submitter.publicKey, to: coordinator, at: now.wall).signed(by: submitter)
        }
        client = try core.enrol(
            key: submitter.publicKey, name: "bench", roles: [.client, .admin], account: nil,
            authorisation: try signed("enrol"), at: now)
        asked = try signed("a transfer")
        let document = try GrantDocument(
            account: client.account, amount: credits, time: now.wall, reason: "for the bench",
            signedBy: key)
        _ = try core.grant(document, by: client, authorisation: try signed("credits"), at: now)
    }

    mutating func addNode(_ name: String, slots: Int) throws -> NodeID {
        let worker = SigningKey.generate()
        _ = try core.enrol(
            key: worker.publicKey, name: name, roles: [.worker], account: client.account,
            authorisation: try statement("enrol", by: worker), at: now)
        let report = NodeReport(
            name: name, architecture: "x86_64", cpu: .cores(Int64(slots)), memory: .gibibytes(Int64(slots)),
            disk: .gibibytes(100))
        let terms = try core.hello(
            WorkerHello(report: report, allowance: Self.allowance(slots), incarnation: name, holding: []),
            from: worker.publicKey.id, at: now)
        workers[terms.node] = worker
        return terms.node
    }

    static func allowance(_ slots: Int) -> Allowance {
        Allowance(
            state: .open, reason: "dedicated", cpuCap: .cores(Int64(slots)), memoryCap: .gibibytes(Int64(slots)),
            slots: slots)
    }

    func key(of node: NodeID) -> KeyID? { workers[node]?.publicKey.id }

    mutating func submit(_ spec: JobSpec) throws {
        let document = ManifestDocument(of: spec).canonical
        var submission = FogCoordinator.Submission(
            spec: spec, document: document, documentDigest: .blake2b(Array(document.utf8)), files: .empty,
            fileTable: nil, idempotencyKey: nil, submitter: client)
        submission.request = try statement("submit", by: asker)
        _ = try core.submit(submission, at: now)
    }

    private func statement(_ act: String, by asker: SigningKey) throws -> Authorisation {
        try LocalStatement(act, of: asker.publicKey, to: key.publicKey, at: now.wall).signed(by: asker)
    }

    /// Leases for a node, at most so many.
    mutating func grant(_ node: NodeID, want: Int) -> [Lease] {
        core.nodes[node]?.want = want
        core.placementWanted = true
        _ = core.place(at: now, clock: clock)
        let leases = core.grant(to: node, at: now)
        core.nodes[node]?.want = 0
        return leases
    }

    /// Reports success of leases, each with its signed receipt.
    mutating func complete(_ leases: [Lease], from node: NodeID) throws {
        guard let worker = workers[node] else { return }
        for lease in leases {
            let receipt = Receipt(
                coordinator: key.publicKey, attempt: lease.attempt, node: worker.publicKey, profileDigest: .zero,
                missingIsolation: [], inputDigest: lease.inputDigest, outputDigest: manifestDigest([]),
                stdoutDigest: .zero, stderrDigest: .zero, exitCode: 0, signal: nil, outcome: .success,
                usage: Usage(
                    cpuNanoseconds: 1_000_000, wallNanoseconds: 1_000_000, peakBytes: 1 << 20, source: .cgroupV1),
                priceBound: lease.priceBound)
            let signed = SignedReceipt(receipt, signedWith: worker)
            let report = AttemptReport(
                receipt: signed, outputs: [], contents: [], stdout: nil, stderr: nil, stdoutSize: 0, stderrSize: 0,
                detail: nil)
            let verdict = core.complete(
                VerifiedReport(receipt: signed, report: report, blobs: []), from: worker.publicKey.id, at: now)
            guard verdict?.verdict == .accepted else {
                throw CommandLineFailure("bench_failed", "a result was not accepted: \(verdict?.detail ?? "")")
            }
        }
    }
}
