package import FogCore

/// What a caller asks of the ledger. A list of them is a linked chain: applied whole or not at all.
package struct LedgerEntry: Hashable, Sendable {
    package var action: LedgerAction
    /// What it concerns: an attempt, a job, a principal; opaque.
    package var subject: SubjectID
    /// Digest of the ``EvidenceDocument`` it rests on, zero for none.
    package var evidence: Digest
    /// None = the coordinator's own act: see ``Ledger/authority``.
    package var authorisation: Authorisation

    package init(
        _ action: LedgerAction, subject: SubjectID = .none, evidence: Digest = .zero,
        authorisation: Authorisation = .none
    ) {
        self.action = action
        self.subject = subject
        self.evidence = evidence
        self.authorisation = authorisation
    }

    /// Opens the three accounts every ledger has. Applied first; repeated, it answers `exists`.
    package static let systemAccounts: [LedgerEntry] = [
        LedgerEntry(.open(AccountOpening(id: .issuance, kind: .issuance))),
        LedgerEntry(.open(AccountOpening(id: .treasury, kind: .treasury))),
        LedgerEntry(.open(AccountOpening(id: .fees, kind: .fees))),
    ]

    /// Opens what rewards, fees and staking need beside them. Each is a chain of its own: a ledger of an earlier version
    /// has some of them.
    package static let economyAccounts: [LedgerEntry] =
        [
            LedgerEntry(.open(AccountOpening(id: .sovereign, kind: .sovereign))),
            LedgerEntry(.open(AccountOpening(id: .burn, kind: .burn))),
            LedgerEntry(.open(AccountOpening(id: .allowance, kind: .allowance, unit: .quota))),
        ] + RewardRule.allCases.map { LedgerEntry(.open(AccountOpening(id: .pool($0), kind: .pool))) }

    /// The transfer ids a caller has to look up before it applies the entry: its own, and the one it resolves.
    package var transferIDs: [TransferID] {
        switch action {
        case .transfer(let proposal): [proposal.id]
        case .resolve(let resolution): [resolution.id, resolution.pending]
        case .open, .close, .enrol, .setRoles, .revokeKey, .setRule: []
        }
    }
}

/// One change of the economy.
package enum LedgerAction: Hashable, Sendable {
    case open(AccountOpening)
    case close(AccountID)
    case transfer(TransferProposal)
    case resolve(ResolutionProposal)
    case enrol(KeyEnrolment)
    /// The whole set of roles from now on.
    case setRoles(KeyID, LedgerRoles)
    case revokeKey(KeyID)
    /// The next version of a rule.
    case setRule(LedgerRule)

    /// - Parameter ordinal: set when the id was derived (``TransferID/init(at:kind:subject:ordinal:)``).
    package static func move(
        _ kind: TransferKind, id: TransferID, from debit: AccountID, to credit: AccountID, amount: Credits,
        ordinal: UInt32? = nil
    ) -> LedgerAction {
        .transfer(TransferProposal(id: id, kind: kind, debit: debit, credit: credit, amount: amount, ordinal: ordinal))
    }

    package static func pending(
        id: TransferID, from debit: AccountID, to credit: AccountID, amount: Credits, expires: Timestamp? = nil,
        ordinal: UInt32? = nil
    ) -> LedgerAction {
        .transfer(
            TransferProposal(
                id: id, kind: .pending, debit: debit, credit: credit, amount: amount, expires: expires,
                ordinal: ordinal))
    }

    package static func post(
        id: TransferID, of pending: TransferID, amount: Credits, ordinal: UInt32? = nil
    ) -> LedgerAction {
        .resolve(ResolutionProposal(id: id, kind: .post, pending: pending, amount: amount, ordinal: ordinal))
    }

    package static func void(id: TransferID, of pending: TransferID, ordinal: UInt32? = nil) -> LedgerAction {
        .resolve(ResolutionProposal(id: id, kind: .void, pending: pending, amount: .zero, ordinal: ordinal))
    }

    package static func expire(id: TransferID, of pending: TransferID, ordinal: UInt32? = nil) -> LedgerAction {
        .resolve(ResolutionProposal(id: id, kind: .expire, pending: pending, amount: .zero, ordinal: ordinal))
    }
}

/// A new account.
package struct AccountOpening: Hashable, Sendable {
    package let id: AccountID
    package let kind: AccountKind
    package let unit: LedgerUnit
    package let owner: SubjectID

    package init(id: AccountID, kind: AccountKind, unit: LedgerUnit = .credit, owner: SubjectID = .none) {
        self.id = id
        self.kind = kind
        self.unit = unit
        self.owner = owner
    }
}

/// A transfer that names its two accounts: any kind but `post`, `void` and `expire`. The unit is the accounts'.
package struct TransferProposal: Hashable, Sendable {
    package let id: TransferID
    package let kind: TransferKind
    package let debit: AccountID
    package let credit: AccountID
    package let amount: Credits
    package let expires: Timestamp?
    package let ordinal: UInt32?

    package init(
        id: TransferID, kind: TransferKind, debit: AccountID, credit: AccountID, amount: Credits,
        expires: Timestamp? = nil, ordinal: UInt32? = nil
    ) {
        precondition(!kind.isResolution, "a \(kind) names a pending transfer, not two accounts")
        precondition(expires == nil || kind == .pending, "only a pending transfer expires")
        self.id = id
        self.kind = kind
        self.debit = debit
        self.credit = credit
        self.amount = amount
        self.expires = expires
        self.ordinal = ordinal
    }
}

/// The end of a pending transfer: `post`, `void` or `expire`. The accounts are the pending transfer's.
package struct ResolutionProposal: Hashable, Sendable {
    package let id: TransferID
    package let kind: TransferKind
    package let pending: TransferID
    /// What is posted; zero otherwise.
    package let amount: Credits
    package let ordinal: UInt32?

    package init(id: TransferID, kind: TransferKind, pending: TransferID, amount: Credits, ordinal: UInt32? = nil) {
        precondition(kind.isResolution, "a \(kind) resolves nothing")
        precondition(kind == .post || amount == .zero, "only a post moves an amount")
        self.id = id
        self.kind = kind
        self.pending = pending
        self.amount = amount
        self.ordinal = ordinal
    }
}
