internal import FogCommandLine
internal import FogCoordinator
internal import FogCore
internal import FogLedger
internal import FogStore

/// Books of a thousand accounts in a file of their own, and transfers between them: decided, signed and committed as a
/// coordinator does it. What waits while a commit is under way shares the next one.
actor LedgerLoad {
    static let accountCount = 1000
    private static let funds = Credits(micro: 1_000_000_000_000)

    let store: SQLiteStore
    private var core: BenchCore
    private let accounts: [AccountID]
    private var random = SeededGenerator(seed: 1)
    /// Whether some call is writing.
    private var isFlushing = false
    private var waiters: [(ticket: Int, continuation: CheckedContinuation<Void, Never>)] = []
    private var taken = 0
    private var failure: (any Error)?

    init(path: String) async throws {
        store = try SQLiteStore(path: path)
        core = try BenchCore(credits: .credits(10_000_000_000))
        let now = core.now.wall
        var random = SystemRandomNumberGenerator()
        accounts = (0..<Self.accountCount).map { _ in AccountID(at: now, using: &random) }
        for account in accounts {
            let opening = AccountOpening(id: account, kind: .user, owner: account.asOwner)
            try Self.post([LedgerEntry(.open(opening))], to: &core)
            try Self.post(
                [Self.move(from: core.account, to: account, Self.funds, core.now.wall, &random, asked: core.asked)],
                to: &core)
        }
        try await Self.commit(core.core.takeChange(), to: store)
    }

    private static func move(
        from debit: AccountID, to credit: AccountID, _ amount: Credits, _ time: Timestamp,
        _ random: inout some RandomNumberGenerator, asked: Authorisation
    ) -> LedgerEntry {
        LedgerEntry(
            .move(.move, id: TransferID(at: time, using: &random), from: debit, to: credit, amount: amount),
            authorisation: asked)
    }

    private static func post(_ entries: [LedgerEntry], to core: inout BenchCore) throws {
        guard let refusal = core.core.post(entries, at: core.now) else { return }
        throw CommandLineFailure("bench_failed", "a transfer was refused: \(refusal)")
    }

    private static func commit(_ change: Change?, to store: SQLiteStore) async throws {
        guard let change else { return }
        let results = try await store.commit([change])
        guard results == [.applied] else {
            throw CommandLineFailure("bench_failed", "a commit was not applied: \(results)")
        }
    }

    /// Decides a transfer of a random amount between two random accounts.
    private func decide() throws {
        let debit = Int.random(in: 0..<accounts.count, using: &random)
        let step = Int.random(in: 1..<accounts.count, using: &random)
        let amount = Credits(micro: .random(in: 1...1_000_000, using: &random))
        let credit = accounts[(debit + step) % accounts.count]
        try Self.post(
            [Self.move(from: accounts[debit], to: credit, amount, core.now.wall, &random, asked: core.asked)], to: &core
        )
    }

    /// So many transfers, so many in each commit.
    ///
    /// - Parameter callers: of one, each commit is on the disk before the next is decided; of two in turn, one's transfers
    ///   are decided while the other's are committed, as a coordinator does it.
    func run(_ count: Int, batch: Int, callers: Int = 1) async throws {
        var left = count
        var writing: Task<Void, any Error>?
        while left > 0 {
            for _ in 0..<min(batch, left) { try decide() }
            left -= min(batch, left)
            let change = core.core.takeChange()
            try await writing?.value
            // Waited for before the next begins, and at the end.
            writing = Task { [store] in try await Self.commit(change, to: store) }
            if callers == 1 { try await writing?.value }
        }
        try await writing?.value
    }

    /// One transfer, answered when it is on the disk.
    func one() async throws {
        try decide()
        let ticket = taken + 1
        if isFlushing {
            await withCheckedContinuation { waiters.append((ticket, $0)) }
        } else {
            await flush()
        }
        if let failure { throw failure }
    }

    private func flush() async {
        isFlushing = true
        while failure == nil, let change = core.core.takeChange() {
            taken += 1
            let ticket = taken
            do { try await Self.commit(change, to: store) } catch { failure = error }
            let done = waiters.filter { failure != nil || $0.ticket <= ticket }
            waiters.removeAll { failure != nil || $0.ticket <= ticket }
            for waiter in done { waiter.continuation.resume() }
        }
        isFlushing = false
    }
}
