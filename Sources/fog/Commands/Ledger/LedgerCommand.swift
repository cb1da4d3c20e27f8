internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogLedger
internal import FogNet

/// `fog ledger`: credits and their proof.
struct LedgerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "ledger", "See credits, give them, and check the books.", examples: ["fog ledger balance", "fog ledger audit"],
        subcommands: [
            LedgerBalance.self, LedgerHistory.self, LedgerStatement.self, LedgerEarnings.self, LedgerTransfer.self,
            LedgerStake.self, LedgerUnstake.self, LedgerRuleCommand.self, LedgerGrant.self, LedgerReward.self,
            LedgerCorrect.self, LedgerReceipt.self, LedgerVerify.self, LedgerCheckpoint.self, LedgerConsistency.self,
            LedgerAudit.self, LedgerExportCommand.self,
        ])
}

/// `fog ledger balance`: what an account has.
struct LedgerBalance: SessionCommand {
    static let configuration = CommandConfiguration(
        "balance", "Show what an account has.", examples: ["fog ledger balance", "fog ledger balance alice -q"])

    @Argument(help: "An account's id or the name of who owns it; default your own.")
    var account: String?

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let balance = try await session.ledgerClient().balance(account)
        try session.show(balance, id: balance.available.description) {
            var sheet = Sheet()
            sheet.add("account", "\(balance.account) (\(balance.kind))")
            sheet.add("balance", "\(balance.balance) credits")
            sheet.add("reserved", balance.pending == .zero ? nil : "\(balance.pending) credits by running work")
            sheet.add("available", "\(balance.available) credits")
            sheet.add("at risk", balance.staked.map { "\($0) credits staked" })
            for part in balance.unbonding ?? [] {
                sheet.add("unbonding", "\(part.credits) credits, free \(part.free.plain)")
            }
            session.console.print(sheet)
        }
    }
}

/// `fog ledger history`: an account's transfers.
struct LedgerHistory: SessionCommand {
    static let configuration = CommandConfiguration(
        "history", "Show an account's transfers, the newest first.",
        examples: [
            "fog ledger history", "fog ledger history alice --limit 500 -o json", "fog ledger history --job render",
        ])

    @Argument(help: "An account's id or the name of who owns it; default your own.")
    var account: String?

    @Option(
        help: "Every step of a job's money instead; who was paid sees their own attempts (name the job's whole id).")
    var job: String?

    @Option(help: "At most so many.")
    var limit = 30

    @OptionGroup var common: CommonOptions

    private static let page = 500

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit must be above 0") }
        guard job == nil || account == nil else { throw ValidationError("name an account or a job, not both") }
    }

    func run(_ session: Session) async throws {
        if let job { return try await JobMoney(job: job, limit: limit).run(session) }
        let client = try await session.ledgerClient()
        var history = try await client.history(account, limit: min(Self.page, limit))
        while let next = history.next, history.lines.count < limit {
            let more = try await client.history(
                account, before: next, limit: min(Self.page, limit - history.lines.count))
            history.lines += more.lines
            history.next = more.next
        }
        switch session.mode {
        case .json: session.console.print(try Documents.document(of: history))
        case .quiet: for line in history.lines { session.console.print("\(line.sequence)") }
        case .table: show(history, session)
        }
    }

    private func show(_ history: HistoryBody, _ session: Session) {
        guard !history.lines.isEmpty else { return session.console.note("no transfers yet") }
        var table = Table([
            .init("RECORD", right: true), .init("AGE", right: true), .init("KIND"), .init("CREDITS", right: true),
            .init("WITH"), .init("ABOUT", yields: true),
        ])
        for line in history.lines {
            table.add([
                "\(line.sequence)", Table.Cell(Human.age(of: line.at, at: session.now)), Table.Cell(line.kind),
                Self.cell(line), Table.Cell(line.other.map(AccountWords.short) ?? ""), Table.Cell(line.subject),
            ])
        }
        session.console.print(table)
        if history.lines.contains(where: { $0.reserved != nil }) {
            session.console.note("in brackets: reserved for work under way; what is paid of it is a line of its own")
        }
        if history.next != nil { session.console.note("there are more: --limit N") }
    }

    /// What moved, with its sign; what is only reserved in brackets, for nobody has it yet.
    private static func cell(_ line: HistoryBody.Line) -> Table.Cell {
        if let reserved = line.reserved { return Table.Cell("(\(reserved))", .faint) }
        let gained = line.amount > .zero
        return Table.Cell((gained ? "+" : "") + line.amount.description, gained ? .good : .plain)
    }
}

/// `fog ledger grant`: credits from issuance.
struct LedgerGrant: SessionCommand {
    static let configuration = CommandConfiguration(
        "grant", "Issue credits to an account (role admin).",
        examples: ["fog ledger grant alice 100 --reason 'lab budget 2027'", "fog ledger grant 3k9v… 0.5 --reason test"])

    @Argument(help: "An account's id or the name of who owns it.")
    var account: String

    @Argument(help: "How many credits.")
    var credits: String

    @Option(help: "Why: it stands in the evidence.")
    var reason: String

    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard let amount = try? Credits(credits), amount > .zero else {
            throw ValidationError("credits read 100 or 0.25, found `\(credits)`")
        }
    }

    func run(_ session: Session) async throws {
        let body = GrantBody(account: account, credits: try Credits(credits), reason: reason)
        let balance = try await session.ledgerClient().grant(body)
        try session.show(balance, id: balance.account.description) {
            session.console.print(
                "granted \(body.credits) credits to \(DisplayText.clean(account)); it has \(balance.balance)")
        }
    }
}
