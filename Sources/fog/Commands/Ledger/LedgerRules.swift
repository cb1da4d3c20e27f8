internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore

/// `fog ledger rule`: what credits are earned for.
struct LedgerRuleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "rule", "See what credits are earned for, and change it.",
        examples: ["fog ledger rule list", "fog ledger rule set compute --daily-limit 2000"],
        subcommands: [LedgerRuleList.self, LedgerRuleSet.self])
}

/// `fog ledger rule list`: versions of rules.
struct LedgerRuleList: SessionCommand {
    static let configuration = CommandConfiguration(
        "list", "Show the rules in force, and those to come.",
        examples: ["fog ledger rule list", "fog ledger rule list --all -o json"])

    @Flag(help: "Also versions that are over.")
    var all = false

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        var list = try await session.client().rules()
        let now = session.now
        if !all { list.rules.removeAll { !$0.isInForce && $0.from <= now } }
        switch session.mode {
        case .json: session.console.print(try Documents.document(of: list))
        case .quiet: for rule in list.rules { session.console.print("\(rule.rule) \(rule.version)") }
        case .table: RuleTables.show(list.rules, session)
        }
    }
}

/// `fog ledger rule set`: the next version of a rule.
struct LedgerRuleSet: SessionCommand {
    static let configuration = CommandConfiguration(
        "set", "Make the next version of a rule, in force from the next UTC midnight (role admin).",
        examples: ["fog ledger rule set bug-report --base 25", "fog ledger rule set economy --fee-rate 100"],
        more: "What is not named stays. Shares and rates are in 1/10,000.")

    @Argument(help: "compute, hosting, knowledge, governance, agent-development, bug-report, economy or jurisdiction.")
    var rule: String

    @Option(help: "Credits for one of what the rule counts.")
    var base: String?

    @Option(help: "Less earns nothing: in ns of a core, in seconds of hosting, in items.")
    var minimum: Int64?

    @Option(help: "The most one account earns by the rule in a UTC day.")
    var dailyLimit: String?

    @Option(help: "Economy: days of an epoch.")
    var epochDays: UInt32?

    @Option(help: "Economy: credits into all pools together in an epoch.")
    var emission: String?

    @Option(help: "Economy: each pool's share of it, six numbers with commas, 10000 together.")
    var poolShares: String?

    @Option(help: "Economy: what the pool keeps of a payment.")
    var feeRate: UInt32?

    @Option(help: "Economy: of the fees, to the sovereign fund.")
    var sovereignShare: UInt32?

    @Option(help: "Economy: days that what is unstaked stays at risk.")
    var unbondingDays: UInt32?

    @Option(help: "Jurisdiction: where work may go, with commas, as workers name their --region; empty = everywhere.")
    var regions: String?

    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard (rule == "jurisdiction") == (regions != nil) else {
            throw ValidationError("--regions belongs to the rule jurisdiction, and that needs it")
        }
        for text in [base, dailyLimit, emission].compactMap({ $0 }) where (try? Credits(text)) == nil {
            throw ValidationError("credits read 100 or 0.25, found `\(text)`")
        }
        if let poolShares, shares.contains(where: { $0 == nil }) {
            throw ValidationError("shares read 6000,1000,1000,500,1000,500; found `\(poolShares)`")
        }
    }

    private var shares: [UInt32?] { (poolShares ?? "").split(separator: ",").map { UInt32($0) } }

    func run(_ session: Session) async throws {
        var body = RuleChangeBody(rule: rule)
        body.base = try base.map { try Credits($0) }
        body.minimum = minimum
        body.dailyLimit = try dailyLimit.map { try Credits($0) }
        body.epochDays = epochDays
        body.emission = try emission.map { try Credits($0) }
        body.poolShares = poolShares == nil ? nil : shares.compactMap { $0 }
        body.feeRate = feeRate
        body.sovereignShare = sovereignShare
        body.unbondingDays = unbondingDays
        body.regions = regions.map { $0.split(separator: ",").map(String.init) }
        let made = try await session.client().setRule(body)
        try session.show(made, id: "\(made.rule) \(made.version)") {
            session.console.print(
                "version \(made.version) of \(made.rule) is in force \(made.isInForce ? "now" : "from \(made.from.plain)")"
            )
        }
    }
}

/// `fog ledger reward`: something done that a person vouches for.
struct LedgerReward: SessionCommand {
    static let configuration = CommandConfiguration(
        "reward", "Pay for something done, by a rule (role admin).",
        examples: ["fog ledger reward bug-report alice --evidence report.md --reason 'found the leak'"],
        more: "Work is rewarded by itself. Of the file only its digest is sent: keep it.")

    @Argument(help: "hosting, knowledge, governance, agent-development or bug-report.")
    var rule: String

    @Argument(help: "An account's id or the name of who owns it.")
    var account: String

    @Option(help: "A file that shows what was done, at most 1 MiB.", completion: .file())
    var evidence: String

    @Option(help: "What was done: it stands in the evidence.")
    var reason: String

    @Option(help: "How much: seconds of hosting, else how many.")
    var quantity: Int64 = 1

    @Option(help: "How well, 1 to 5.")
    var quality: Int64 = 3

    @Option(help: "How hard, 1 to 5.")
    var complexity: Int64 = 3

    @OptionGroup var request: RequestID
    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        guard let file = try Disk.readSmall(evidence) else {
            throw CommandLineFailure("unreadable", "there is no file \(evidence)", status: .usage)
        }
        let body = RewardBody(
            rule: rule, account: account, quantity: quantity, quality: quality, complexity: complexity,
            evidence: .sha256(file), reason: reason, id: try request.value())
        let line = try await session.client().reward(body)
        try session.show(line, id: body.id.description) {
            let cut = line.limit == "none" ? "" : " of \(line.earned ?? .zero) earned (\(line.limit ?? ""))"
            session.console.print("paid \(line.amount) credits\(cut) to \(DisplayText.clean(account)) by \(rule)")
        }
    }
}

/// Rules for people.
private enum RuleTables {
    static func show(_ rules: [RuleBody], _ session: Session) {
        var table = Table([
            .init("RULE"), .init("VERSION", right: true), .init("BASE", right: true), .init("FOR A"),
            .init("LEAST", right: true), .init("A DAY", right: true), .init("LONG"), .init("WELL"), .init("HARD"),
            .init("FROM"),
        ])
        for rule in rules {
            guard let base = rule.base, let measure = rule.measure else { continue }
            table.add([
                Table.Cell(rule.rule), "\(rule.version)", Table.Cell(base.description), Table.Cell(measure),
                Table.Cell(least(rule)), Table.Cell(rule.dailyLimit?.description ?? ""),
                Table.Cell(steps(rule.duration)), Table.Cell(steps(rule.quality)), Table.Cell(steps(rule.complexity)),
                Table.Cell(from(rule)),
            ])
        }
        session.console.print(table)
        for rule in rules where rule.rule == "economy" {
            let shares = (rule.poolShares ?? []).map { percent($0) }.joined(separator: ", ")
            var sheet = Sheet()
            sheet.add("economy", "version \(rule.version), \(from(rule))")
            sheet.add("emission", "\(rule.emission ?? .zero) credits in \(rule.epochDays ?? 0) days: \(shares)")
            sheet.add(
                "fee", "\(percent(rule.feeRate ?? 0)); of it \(percent(rule.sovereignShare ?? 0)) to the sovereign fund"
            )
            sheet.add("unbonding", "\(rule.unbondingDays ?? 0) days")
            session.console.print("")
            session.console.print(sheet)
        }
        for rule in rules where rule.rule == "jurisdiction" {
            var sheet = Sheet()
            sheet.add("jurisdiction", "version \(rule.version), \(from(rule))")
            sheet.add("regions", (rule.regions ?? []).isEmpty ? "all" : (rule.regions ?? []).joined(separator: ", "))
            session.console.print("")
            session.console.print(sheet)
        }
    }

    private static func from(_ rule: RuleBody) -> String { rule.isInForce ? "in force" : rule.from.plain }
    private static func percent(_ share: UInt32) -> String { "\(Credits(micro: Int64(share) * 10_000)) %" }

    private static func least(_ rule: RuleBody) -> String {
        guard let minimum = rule.minimum else { return "" }
        switch rule.measure {
        case "core-hour": return "\(Credits(micro: minimum / 1000)) s"
        case "hour": return "\(minimum) s"
        default: return "\(minimum)"
        }
    }

    /// `1, 1.1 from 3600`.
    private static func steps(_ steps: [RuleBody.Step]?) -> String {
        (steps ?? []).map { step in
            let factor = Credits(micro: Int64(step.multiplier) * 100).description
            return step.from == 0 ? factor : "\(factor) from \(step.from)"
        }.joined(separator: ", ")
    }
}
