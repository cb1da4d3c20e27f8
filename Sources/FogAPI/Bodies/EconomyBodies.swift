package import FogCore

/// `POST /v1/ledger/transfers`: what an account's owner does with its credits.
package struct TransferBody: Hashable, Sendable, Codable {
    /// `transfer`, `stake` or `unstake`.
    package var kind: String
    /// Of a transfer: an account's id or the name of a principal.
    package var to: String?
    package var credits: Credits
    /// Chosen by the client and ordered by time; a repeated one is one movement.
    package var id: TransferID

    package init(kind: String, to: String? = nil, credits: Credits, id: TransferID) {
        self.kind = kind
        self.to = to
        self.credits = credits
        self.id = id
    }
}

/// `POST /v1/ledger/rewards`: something done that a person vouches for.
package struct RewardBody: Hashable, Sendable, Codable {
    /// `hosting`, `knowledge`, `governance`, `agent-development` or `bug-report`.
    package var rule: String
    /// An account's id or the name of a principal.
    package var account: String
    /// In the smallest parts of the rule's measure: seconds of hosting, else items.
    package var quantity: Int64
    /// Grades from 1 to 5.
    package var quality: Int64
    package var complexity: Int64
    /// SHA-256 of the file that shows it.
    package var evidence: Digest
    package var reason: String
    /// Chosen by the client; a repeated one is one reward.
    package var id: TransferID

    package init(
        rule: String, account: String, quantity: Int64, quality: Int64, complexity: Int64, evidence: Digest,
        reason: String, id: TransferID
    ) {
        self.rule = rule
        self.account = account
        self.quantity = quantity
        self.quality = quality
        self.complexity = complexity
        self.evidence = evidence
        self.reason = reason
        self.id = id
    }
}

/// `GET /v1/ledger/accounts/{account}/earnings`: what an account was paid, and why so much.
package struct EarningsBody: Hashable, Sendable, Codable {
    package struct Line: Hashable, Sendable, Codable {
        package var sequence: UInt64
        package var at: Timestamp
        /// `work` for the price of an attempt, else the rule.
        package var kind: String
        package var amount: Credits
        /// Of work, and of a reward for it.
        package var attempt: AttemptID?
        /// Of a reward: the version of the rule, its base, and what was counted.
        package var version: UInt32?
        package var base: Credits?
        package var measure: String?
        /// Of the measure, rounded down to thousandths.
        package var thousandths: Int64?
        /// In 1/10,000: for how long, how well, how hard.
        package var multipliers: [UInt32]?
        package var earned: Credits?
        /// `none`, `daily_limit` or `pool`.
        package var limit: String?
        /// `replicated`, `trusted` or `stated`.
        package var verification: String?
        package var reason: String?

        package init(sequence: UInt64, at: Timestamp, kind: String, amount: Credits) {
            self.sequence = sequence
            self.at = at
            self.kind = kind
            self.amount = amount
        }
    }

    package var account: AccountID
    /// Newest first.
    package var lines: [Line]
    /// Pass as `before` for the next page.
    package var next: UInt64?

    package init(account: AccountID, lines: [Line], next: UInt64?) {
        self.account = account
        self.lines = lines
        self.next = next
    }
}

/// `GET /v1/ledger/accounts/{account}/statement`: one month.
package struct StatementBody: Hashable, Sendable, Codable {
    package struct Sum: Hashable, Sendable, Codable {
        package var kind: String
        package var count: Int
        package var gained: Credits
        package var lost: Credits

        package init(kind: String, count: Int, gained: Credits, lost: Credits) {
            self.kind = kind
            self.count = count
            self.gained = gained
            self.lost = lost
        }
    }

    package var account: AccountID
    /// `2026-11`, in UTC.
    package var month: String
    package var opening: Credits
    package var closing: Credits
    package var sums: [Sum]

    package init(account: AccountID, month: String, opening: Credits, closing: Credits, sums: [Sum]) {
        self.account = account
        self.month = month
        self.opening = opening
        self.closing = closing
        self.sums = sums
    }
}

/// `GET /v1/ledger/jobs/{job}/history`: every step of a job's money.
package struct JobHistoryBody: Hashable, Sendable, Codable {
    package struct Line: Hashable, Sendable, Codable {
        package var sequence: UInt64
        package var at: Timestamp
        package var kind: String
        package var from: AccountID
        package var to: AccountID
        /// Reserved for a `pending`, moved for the rest; nothing for a `void`.
        package var amount: Credits
        package var attempt: AttemptID?
        /// SHA-256 of the receipt or decision that it rests on: also of a `void`, whose receipt shows what was not paid.
        package var evidence: Digest?
        /// What brought the step about: how the attempt ended, or what was due. Absent from older coordinators.
        package var why: String?

        package init(
            sequence: UInt64, at: Timestamp, kind: String, from: AccountID, to: AccountID, amount: Credits,
            attempt: AttemptID?, evidence: Digest?, why: String? = nil
        ) {
            self.why = why
            self.sequence = sequence
            self.at = at
            self.kind = kind
            self.from = from
            self.to = to
            self.amount = amount
            self.attempt = attempt
            self.evidence = evidence
        }
    }

    package var job: JobID
    package var payer: AccountID
    package var escrow: AccountID
    /// Newest first.
    package var lines: [Line]
    /// Pass as `before` for the next page.
    package var next: UInt64?

    package init(job: JobID, payer: AccountID, escrow: AccountID, lines: [Line], next: UInt64?) {
        self.job = job
        self.payer = payer
        self.escrow = escrow
        self.lines = lines
        self.next = next
    }
}

/// One version of a rule. What belongs to another kind of rule is absent.
package struct RuleBody: Hashable, Sendable, Codable {
    package struct Step: Hashable, Sendable, Codable {
        package var from: Int64
        /// In 1/10,000.
        package var multiplier: UInt32

        package init(from: Int64, multiplier: UInt32) {
            self.from = from
            self.multiplier = multiplier
        }
    }

    /// A rule of earning, `economy` or `jurisdiction`.
    package var rule: String
    package var version: UInt32
    package var from: Timestamp
    package var isInForce: Bool
    package var base: Credits?
    package var measure: String?
    package var minimum: Int64?
    package var dailyLimit: Credits?
    package var duration: [Step]?
    package var quality: [Step]?
    package var complexity: [Step]?
    package var epochDays: UInt32?
    package var emission: Credits?
    /// In 1/10,000, in the order of the rules of earning.
    package var poolShares: [UInt32]?
    package var feeRate: UInt32?
    package var sovereignShare: UInt32?
    package var unbondingDays: UInt32?
    package var regions: [String]?

    package init(rule: String, version: UInt32, from: Timestamp, isInForce: Bool) {
        self.rule = rule
        self.version = version
        self.from = from
        self.isInForce = isInForce
    }

    private enum CodingKeys: String, CodingKey {
        case rule, version, from, base, measure, minimum, duration, quality, complexity, emission, regions
        case isInForce = "in_force"
        case dailyLimit = "daily_limit"
        case epochDays = "epoch_days"
        case poolShares = "pool_shares"
        case feeRate = "fee_rate"
        case sovereignShare = "sovereign_share"
        case unbondingDays = "unbonding_days"
    }
}

package struct RuleListBody: Hashable, Sendable, Codable {
    package var rules: [RuleBody]

    package init(rules: [RuleBody]) { self.rules = rules }
}

/// `POST /v1/ledger/rules`: the next version of a rule; what is absent stays as it is.
package struct RuleChangeBody: Hashable, Sendable, Codable {
    package var rule: String
    package var base: Credits?
    package var minimum: Int64?
    package var dailyLimit: Credits?
    package var duration: [RuleBody.Step]?
    package var quality: [RuleBody.Step]?
    package var complexity: [RuleBody.Step]?
    package var epochDays: UInt32?
    package var emission: Credits?
    package var poolShares: [UInt32]?
    package var feeRate: UInt32?
    package var sovereignShare: UInt32?
    package var unbondingDays: UInt32?
    /// Of the rule `jurisdiction`: where work may go; none = everywhere.
    package var regions: [String]?

    package init(rule: String) { self.rule = rule }

    private enum CodingKeys: String, CodingKey {
        case rule, base, minimum, duration, quality, complexity, emission, regions
        case dailyLimit = "daily_limit"
        case epochDays = "epoch_days"
        case poolShares = "pool_shares"
        case feeRate = "fee_rate"
        case sovereignShare = "sovereign_share"
        case unbondingDays = "unbonding_days"
    }
}

/// `POST /v1/ledger/corrections`: a transfer is reversed.
package struct CorrectionBody: Hashable, Sendable, Codable {
    package var transfer: TransferID
    package var reason: String

    package init(transfer: TransferID, reason: String) {
        self.transfer = transfer
        self.reason = reason
    }
}

/// What came of it.
package struct CorrectedBody: Hashable, Sendable, Codable {
    package var transfer: TransferID
    package var credits: Credits
    /// Who had it, and who has it again.
    package var from: AccountID
    package var to: AccountID

    package init(transfer: TransferID, credits: Credits, from: AccountID, to: AccountID) {
        self.transfer = transfer
        self.credits = credits
        self.from = from
        self.to = to
    }
}
