package import FogCore

/// One version of what holds for the whole economy: emission, fees, staking. Data in the log, never changed.
package struct EconomyTerms: Hashable, Sendable {
    /// Counts from 1.
    package let version: UInt32
    /// In force from this moment; a UTC midnight, except of the first version.
    package let from: Timestamp
    /// The length of an epoch in days.
    package let epochDays: UInt32
    /// What is issued into the pools in one epoch, together.
    package let emission: Credits
    /// Of the emission to each pool, in the order of the rules, in 1/10,000; 10,000 together.
    package let poolShares: [UInt32]
    /// Of each payment, in 1/10,000.
    package let feeRate: UInt32
    /// Of the fees to the sovereign fund, in 1/10,000; the rest goes to the treasury.
    package let sovereignShare: UInt32
    /// How long what is unstaked stays at risk, in days.
    package let unbondingDays: UInt32

    package init(
        version: UInt32, from: Timestamp, epochDays: UInt32, emission: Credits, poolShares: [UInt32], feeRate: UInt32,
        sovereignShare: UInt32, unbondingDays: UInt32
    ) {
        self.version = version
        self.from = from
        self.epochDays = epochDays
        self.emission = emission
        self.poolShares = poolShares
        self.feeRate = feeRate
        self.sovereignShare = sovereignShare
        self.unbondingDays = unbondingDays
    }

    /// What a new ledger begins with: 70,000 credits a week into the pools, no fee, a week to unbond.
    package static let genesis = EconomyTerms(
        version: 1, from: .zero, epochDays: 7, emission: .credits(70_000),
        poolShares: [6000, 1000, 1000, 500, 1000, 500], feeRate: 0, sovereignShare: 2000, unbondingDays: 7)

    /// The whole, in the unit of every share.
    package static let whole: UInt32 = 10_000

    /// Epochs count from 1970-01-01.
    package func epoch(at time: Timestamp) -> Int64 {
        LedgerDay(time).number.dividedRoundingDown(by: Int64(epochDays))
    }

    /// What a record of an epoch is about: its number and length, since a later version may count otherwise.
    package func subject(ofEpoch epoch: Int64) -> SubjectID {
        SubjectID(high: 0xe90c_0000_0000_0000 | UInt64(epochDays), low: UInt64(bitPattern: epoch))
    }

    package func start(ofEpoch epoch: Int64) -> Timestamp { LedgerDay(number: epoch * Int64(epochDays)).start }

    /// What each pool gets in an epoch, in the order of the rules.
    package var poolAmounts: [Credits] { Shares.split(emission, by: poolShares) }

    package func fee(of amount: Credits) -> Credits { Shares.part(amount, feeRate) }

    /// What is wrong with the terms themselves, or nil.
    var problem: String? {
        guard version >= 1 else { return "versions count from 1" }
        guard (1...366).contains(epochDays) else { return "an epoch has 1 to 366 days, found \(epochDays)" }
        guard emission.micro >= 0, emission.micro <= AccountKind.issuanceCap / 1024 else {
            return "the emission of an epoch is 0 to 2^52 micro-credits, found \(emission)"
        }
        guard poolShares.count == RewardRule.allCases.count, poolShares.allSatisfy({ $0 <= Self.whole }),
            poolShares.reduce(0, +) == Self.whole
        else { return "the \(RewardRule.allCases.count) pools share 10000 / 10000, found \(poolShares)" }
        guard feeRate <= Self.whole / 2 else { return "the fee is at most half, found \(feeRate) / 10000" }
        guard sovereignShare <= Self.whole else { return "a share is at most 10000 / 10000, found \(sovereignShare)" }
        guard unbondingDays <= 366 else { return "unbonding takes at most 366 days, found \(unbondingDays)" }
        return nil
    }
}

/// Parts of an amount that add up to it.
package enum Shares {
    /// `rate` / 10,000 of an amount that is not below 0, rounded down.
    package static func part(_ amount: Credits, _ rate: UInt32) -> Credits {
        Credits(micro: Int64(clamping: Int128(amount.micro) * Int128(rate) / Int128(EconomyTerms.whole)))
    }

    /// Splits by the largest remainder (Hamilton's method): each gets its part rounded down, and what is left goes by
    /// single micro-credits to the largest fractions, the first of equal ones first.
    ///
    /// - Parameter weights: not all zero; their sum is the whole.
    package static func split(_ amount: Credits, by weights: [UInt32]) -> [Credits] {
        let whole = weights.reduce(0) { $0 + Int128($1) }
        precondition(whole > 0 && amount.micro >= 0, "something is shared among somebody")
        var parts: [Int64] = []
        var fractions: [(index: Int, rest: Int128)] = []
        for (index, weight) in weights.enumerated() {
            let (part, rest) = (Int128(amount.micro) * Int128(weight)).quotientAndRemainder(dividingBy: whole)
            parts.append(Int64(clamping: part))
            fractions.append((index, rest))
        }
        let left = Int(amount.micro - parts.reduce(0, +))
        let order = fractions.sorted { ($1.rest, $0.index) < ($0.rest, $1.index) }
        for (index, _) in order.prefix(left) { parts[index] += 1 }
        return parts.map { Credits(micro: $0) }
    }
}
