package import FogCore

/// What `FogLedger` throws: bytes that are no record, documents that do not decode, refusals a caller chose to throw.
package struct LedgerFailure: CodedFailure, Equatable {
    package let code: String
    package let message: String

    package init(_ code: String, _ message: String) {
        self.code = code
        self.message = message
    }

    /// A refusal as an error, for callers that have no better answer than to stop.
    package init(_ refusal: LedgerRefusal) {
        self.init(refusal.code, refusal.message)
    }

    /// The code of bytes that a later version wrote: not to be called tampering.
    package static let newerSoftware = "newer_software"
}

/// Why the ledger did not take an entry. An expected outcome, so a value and not an error; nothing was changed.
package enum LedgerRefusal: Hashable, Sendable {
    /// The chain is empty or longer than ``Ledger/maxChainLength``.
    case badChainLength(Int)
    /// Some entries of the chain were applied before and others not: it is not the chain that was sent then.
    case partlyApplied
    case unknownAccount(AccountID)
    case accountClosed(AccountID)
    /// An account of the system cannot be closed.
    case systemAccount(AccountID)
    /// Closing needs a balance of zero and no open pending transfer.
    case accountNotEmpty(AccountID, balance: Credits, openPendings: Int)
    /// `available` counts down to the account's floor.
    case insufficientFunds(AccountID, wanted: Credits, available: Credits)
    /// A counter would pass 2^63 - 1.
    case overflow(AccountID)
    case badAmount(Credits)
    case sameAccount(AccountID)
    case unitMismatch(debit: LedgerUnit, credit: LedgerUnit)
    /// The kind may not move between accounts of these kinds.
    case kindNotAllowed(TransferKind, debit: AccountKind, credit: AccountKind)
    /// The id does not derive from kind, subject and ordinal as the entry claims.
    case notDerived(TransferID)
    /// The same id stands in this chain already.
    case repeatedInChain(TransferID)
    case unknownPending(TransferID)
    case alreadyPosted(TransferID)
    case alreadyVoided(TransferID)
    /// The pending transfer's time is over, or an `expires` lies in the past.
    case expired(TransferID)
    case notExpiredYet(TransferID, expires: Timestamp?)
    case exceedsPending(TransferID, wanted: Credits, pending: Credits)
    /// A post was already made for this subject.
    case alreadyPaid(SubjectID)
    case evidenceMissing(TransferKind)
    case unknownKey(KeyID)
    case keyRevoked(KeyID)
    /// There is one issuance, and a quota is of one user, rule and day: the id must say so.
    case idNotOfKind(AccountID, AccountKind)
    case unitNotOfKind(AccountKind, LedgerUnit)
    /// A quota's day is over or has not come.
    case notToday(AccountID)
    case dailyLimit(AccountID, wanted: Credits, left: Credits)
    case poolExhausted(AccountID, wanted: Credits, left: Credits)
    /// A reward and the quota that it uses stand side by side in one chain.
    case notLinked(TransferKind)
    /// No version of the rule is in force.
    case noRule(String)
    case badRule(String, String)
    /// A rule in force says another amount.
    case notDue(TransferKind, wanted: Credits, due: Credits)
    case stillUnbonding(AccountID, until: Timestamp)
    /// Something is to hold from a time that has passed.
    case timeBackwards(stated: Timestamp, ledger: Timestamp)
    case unknownTransfer(TransferID)
    /// Only a whole transfer of some kinds is reversed, by one correction.
    case notCorrectable(TransferID, String)
    /// Nobody asked for what needs somebody's request.
    case authorisationMissing(String)
    /// The id is known with another body; the field that differs first.
    case differs(String)

    /// Stable and snake_case; what callers of the API switch on.
    package var code: String {
        switch self {
        case .badChainLength: "bad_chain_length"
        case .partlyApplied: "partly_applied"
        case .unknownAccount: "unknown_account"
        case .accountClosed: "account_closed"
        case .systemAccount: "system_account"
        case .accountNotEmpty: "account_not_empty"
        case .insufficientFunds: "insufficient_funds"
        case .overflow: "amount_overflow"
        case .badAmount: "bad_amount"
        case .sameAccount: "same_account"
        case .unitMismatch: "unit_mismatch"
        case .kindNotAllowed: "kind_not_allowed"
        case .notDerived: "id_not_derived"
        case .repeatedInChain: "id_repeated_in_chain"
        case .unknownPending: "unknown_pending"
        case .alreadyPosted: "already_posted"
        case .alreadyVoided: "already_voided"
        case .expired: "expired"
        case .notExpiredYet: "not_expired_yet"
        case .exceedsPending: "exceeds_pending"
        case .alreadyPaid: "already_paid"
        case .evidenceMissing: "evidence_missing"
        case .unknownKey: "unknown_key"
        case .keyRevoked: "key_revoked"
        case .idNotOfKind: "id_not_of_kind"
        case .unitNotOfKind: "unit_not_of_kind"
        case .notToday: "not_today"
        case .dailyLimit: "daily_limit_exceeded"
        case .poolExhausted: "pool_exhausted"
        case .notLinked: "not_linked"
        case .noRule: "no_rule_in_force"
        case .badRule: "bad_rule"
        case .notDue: "amount_not_due"
        case .stillUnbonding: "still_unbonding"
        case .timeBackwards: "time_backwards"
        case .unknownTransfer: "unknown_transfer"
        case .notCorrectable: "not_correctable"
        case .authorisationMissing: "authorisation_missing"
        case .differs(let field): "exists_with_different_\(field)"
        }
    }

    /// One sentence for people.
    package var message: String {
        switch self {
        case .badChainLength(let count): "a chain has 1 to \(Ledger.maxChainLength) entries, found \(count)"
        case .partlyApplied: "some entries of the chain exist and others do not; a retry repeats the whole chain"
        case .unknownAccount(let id): "there is no account \(id)"
        case .accountClosed(let id): "account \(id) is closed"
        case .systemAccount(let id): "account \(id) belongs to the system and stays open"
        case .accountNotEmpty(let id, let balance, let pendings):
            "account \(id) holds \(balance) with \(pendings) pending transfers; closing needs 0 and none"
        case .insufficientFunds(let id, let wanted, let available):
            "account \(id) has \(available) available, wanted \(wanted)"
        case .overflow(let id): "a counter of account \(id) would pass 2^63 - 1 micro-credits"
        case .badAmount(let amount): "an amount of \(amount) cannot be moved"
        case .sameAccount(let id): "a transfer needs two accounts, found \(id) twice"
        case .unitMismatch(let debit, let credit): "a transfer stays in one unit, found \(debit) and \(credit)"
        case .kindNotAllowed(let kind, let debit, let credit): "a \(kind) cannot go from \(debit) to \(credit)"
        case .notDerived(let id): "transfer id \(id) does not derive from kind, subject and ordinal"
        case .repeatedInChain(let id): "transfer id \(id) stands twice in the chain"
        case .unknownPending(let id): "there is no pending transfer \(id)"
        case .alreadyPosted(let id): "pending transfer \(id) was posted"
        case .alreadyVoided(let id): "pending transfer \(id) was voided"
        case .expired(let id): "pending transfer \(id) has expired"
        case .notExpiredYet(let id, let expires):
            "pending transfer \(id) expires \(expires.map { "at \($0)" } ?? "never")"
        case .exceedsPending(let id, let wanted, let pending):
            "pending transfer \(id) holds \(pending), wanted \(wanted)"
        case .alreadyPaid(let subject): "subject \(subject) was paid before"
        case .evidenceMissing(let kind): "a \(kind) must cite the digest of its evidence"
        case .unknownKey(let id): "key \(id) is not enrolled"
        case .keyRevoked(let id): "key \(id) is revoked"
        case .idNotOfKind(let id, let kind): "\(id) is not the id of such an account of kind \(kind)"
        case .unitNotOfKind(let kind, let unit): "an account of kind \(kind) counts \(kind.unit), not \(unit)"
        case .notToday(let id): "the day of quota \(id) is not today"
        case .dailyLimit(let id, let wanted, let left): "the daily limit leaves \(left), wanted \(wanted) (quota \(id))"
        case .poolExhausted(let id, let wanted, let left): "pool \(id) has \(left) left, wanted \(wanted)"
        case .notLinked(let kind):
            "a \(kind) stands in one chain with its counterpart: use, then reward, of one amount and subject"
        case .noRule(let name): "no version of the rule \(name) is in force"
        case .badRule(let name, let problem): "the rule \(name) does not hold: \(problem)"
        case .notDue(let kind, let wanted, let due): "a \(kind) of \(due) is due, found \(wanted)"
        case .stillUnbonding(let id, let until): "account \(id) is bound until \(until)"
        case .timeBackwards(let stated, let ledger): "time does not go back: \(stated) is not after \(ledger)"
        case .unknownTransfer(let id): "there is no transfer \(id)"
        case .notCorrectable(let id, let why): "transfer \(id) cannot be reversed so: \(why)"
        case .authorisationMissing(let what):
            "\(what) needs the signed request of somebody who may ask for it, found none"
        case .differs(let field): "the id is known with a different \(field)"
        }
    }
}
