package import FogCore

/// What stood before the records that an audit judges: the log up to there was judged earlier, and is taken as it is.
package struct AuditBase: Sendable {
    package var head: LedgerHead
    /// The tree over these records.
    package var tree: CompactRange
    /// Accounts that later records name, as they were, with the last record that touched them.
    package var accounts: [(account: Account, lastSequence: UInt64)] = []
    /// Open pending transfers.
    package var pendings: [Pending] = []
    package var keys: [EnrolledKey] = []
    /// Versions of rules, in the order of the log.
    package var rules: [LedgerRule] = []
    /// Transfers that later records end or reverse.
    package var transfers: [LedgerRecord] = []
    /// Of the last record before: later ones are of no older form.
    package var form: UInt8 = 0
    /// Of open escrows, whose request opened them.
    package var payers: [AccountID: AccountID] = [:]

    /// What the epoch under way has put into the pools, by what its records are about.
    package var emitted: [SubjectID: Int128] = [:]

    package init(head: LedgerHead, tree: CompactRange) {
        self.head = head
        self.tree = tree
    }

    /// When the epoch under way began; nil while no terms are in force.
    package var epochStart: Timestamp? {
        let terms = rules.compactMap { rule in
            if case .economy(let terms) = rule, terms.from <= head.time { terms } else { nil }
        }.max { $0.version < $1.version }
        return terms.map { $0.start(ofEpoch: $0.epoch(at: head.time)) }
    }

    /// The key that was enrolled in that role.
    package var coordinator: PublicKey? { keys.first { $0.roles.contains(.coordinator) && !$0.isRevoked }?.key }
}

extension Audit {
    /// Judges what was added to a log since.
    ///
    /// Roles that were set later are not known as they were before, so a key that changes is taken as live until then.
    package init(since base: AuditBase, coordinator: PublicKey? = nil, sources: Sources) {
        self.init(coordinator: coordinator ?? base.coordinator, sources: sources)
        head = base.head
        attribution.form = base.form
        attribution.payers = base.payers
        replay.economy.emitted = base.emitted
        since = base.head.count
        tree.range = base.tree
        tree.roots[base.tree.size] = base.tree.root
        for (account, sequence) in base.accounts {
            replay.accounts[account.id] = Replay.Entry(
                account: account, recorded: account.counters, lastSequence: sequence)
            replay.named[account.id] = Replay.Span(first: account.firstRecord, last: account.lastRecord)
            guard account.kind == .quota, account.counters.debitsPosted > 0 else { continue }
            replay.economy.note(usedOf: account)
        }
        for pending in base.pendings { replay.pendings[pending.id] = pending }
        for key in base.keys {
            replay.keys[key.key.id] = Replay.KeyEntry(key: key, lastSequence: base.head.count &- 1)
        }
        for rule in base.rules { replay.economy.rules[rule.name, default: []].append(rule) }
        for record in base.transfers {
            guard let transfer = record.transfer else { continue }
            let print = Replay.print(transfer.kind, from: transfer.debit, to: transfer.credit, transfer.amount)
            replay.transfers[transfer.id] = Replay.Line(sequence: record.sequence, print: print)
        }
    }

}

extension EconomyReplay {
    /// What a quota has lost on its day was earned by its user.
    fileprivate mutating func note(usedOf quota: Account) {
        let user = AccountID(high: quota.owner.high, low: quota.owner.low)
        let day = LedgerDay(quota.id.time)
        guard let rule = RewardRule.allCases.first(where: { .quota(of: user, $0, on: day) == quota.id }) else { return }
        earned[Earning(user: user, rule: rule, day: day)] = Int128(quota.counters.debitsPosted)
    }
}
