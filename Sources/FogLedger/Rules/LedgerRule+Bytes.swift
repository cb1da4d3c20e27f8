internal import FogCore

/// The canonical bytes of a rule: what stands in its record.
extension LedgerRule {
    /// The longest rule, in bytes.
    static let maxBytes = 32_768

    var type: UInt16 {
        switch self {
        case .reward: RecordType.rewardRule
        case .economy: RecordType.economyRule
        case .jurisdiction: RecordType.jurisdictionRule
        }
    }

    var bytes: [UInt8] {
        var out = CanonicalWriter()
        out.write(version)
        out.write(from)
        switch self {
        case .reward(let terms):
            out.write(terms.rule.rawValue)
            out.write(terms.base.micro)
            out.write(terms.measure.rawValue)
            out.write(terms.minimum)
            for steps in [terms.duration, terms.quality, terms.complexity] {
                out.write(UInt8(clamping: steps.steps.count))
                for step in steps.steps {
                    out.write(step.from)
                    out.write(step.multiplier)
                }
            }
            out.write(terms.dailyLimit.micro)
        case .economy(let terms):
            out.write(terms.epochDays)
            out.write(terms.emission.micro)
            out.write(UInt8(clamping: terms.poolShares.count))
            for share in terms.poolShares { out.write(share) }
            out.write(terms.feeRate)
            out.write(terms.sovereignShare)
            out.write(terms.unbondingDays)
        case .jurisdiction(let terms):
            out.write(UInt16(clamping: terms.regions.count))
            for region in terms.regions { out.write(region) }
        }
        return out.bytes
    }

    /// Nil for a type that is no rule.
    /// - Throws: `bad_record` for bytes that are no rule of the type, `newer_software` for one that is not known here.
    init?(type: UInt16, bytes: [UInt8]) throws(LedgerFailure) {
        do throws(CoreFailure) {
            var reader = CanonicalReader(bytes)
            switch type {
            case RecordType.rewardRule: self = .reward(try RewardTerms(&reader))
            case RecordType.economyRule: self = .economy(try EconomyTerms(&reader))
            case RecordType.jurisdictionRule: self = .jurisdiction(try JurisdictionTerms(&reader))
            default: return nil
            }
            try reader.end()
        } catch {
            let isNewer = error.code == LedgerFailure.newerSoftware
            throw LedgerFailure(isNewer ? error.code : "bad_record", error.message)
        }
    }
}

extension RewardTerms {
    fileprivate init(_ reader: inout CanonicalReader) throws(CoreFailure) {
        let version: UInt32 = try reader.read()
        let from = try reader.readTimestamp()
        let rawRule: UInt8 = try reader.read()
        let base: Int64 = try reader.read()
        let rawMeasure: UInt8 = try reader.read()
        guard let rule = RewardRule(rawValue: rawRule), let measure = RewardMeasure(rawValue: rawMeasure) else {
            throw CoreFailure(
                LedgerFailure.newerSoftware, "rule \(rawRule) with measure \(rawMeasure) is not known here")
        }
        let minimum: Int64 = try reader.read()
        let duration = try MultiplierSteps(&reader)
        let quality = try MultiplierSteps(&reader)
        let complexity = try MultiplierSteps(&reader)
        self.init(
            rule: rule, version: version, from: from, base: Credits(micro: base), measure: measure, minimum: minimum,
            duration: duration, quality: quality, complexity: complexity,
            dailyLimit: Credits(micro: try reader.read()))
    }
}

extension MultiplierSteps {
    fileprivate init(_ reader: inout CanonicalReader) throws(CoreFailure) {
        let count: UInt8 = try reader.read()
        guard count <= Self.maxSteps else {
            throw CoreFailure("bad_rule", "a multiplier has at most \(Self.maxSteps) steps, found \(count)")
        }
        var steps: [(Int64, UInt32)] = []
        for _ in 0..<count { steps.append((try reader.read(), try reader.read())) }
        self.init(steps)
    }
}

extension EconomyTerms {
    fileprivate init(_ reader: inout CanonicalReader) throws(CoreFailure) {
        let version: UInt32 = try reader.read()
        let from = try reader.readTimestamp()
        let epochDays: UInt32 = try reader.read()
        let emission: Int64 = try reader.read()
        let count: UInt8 = try reader.read()
        var shares: [UInt32] = []
        for _ in 0..<count { shares.append(try reader.read()) }
        self.init(
            version: version, from: from, epochDays: epochDays, emission: Credits(micro: emission), poolShares: shares,
            feeRate: try reader.read(), sovereignShare: try reader.read(), unbondingDays: try reader.read())
    }
}

extension JurisdictionTerms {
    fileprivate init(_ reader: inout CanonicalReader) throws(CoreFailure) {
        let version: UInt32 = try reader.read()
        let from = try reader.readTimestamp()
        let count: UInt16 = try reader.read()
        guard count <= Self.maxRegions else {
            throw CoreFailure("bad_rule", "at most \(Self.maxRegions) regions, found \(count)")
        }
        var regions: [String] = []
        for _ in 0..<count { regions.append(try reader.readString(limit: Self.maxRegionBytes)) }
        self.init(version: version, from: from, regions: regions)
    }
}
