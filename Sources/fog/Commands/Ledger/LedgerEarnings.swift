internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore

/// `fog ledger earnings`: what came in, and why so much.
struct LedgerEarnings: SessionCommand {
    static let configuration = CommandConfiguration(
        "earnings", "Show what an account was paid, and why so much.",
        examples: ["fog ledger earnings", "fog ledger earnings alice --limit 500 -o json"],
        more: "A reward is base x quantity x the three multipliers: for how long, how well, how hard.")

    @Argument(help: "An account's id or the name of who owns it; default your own.")
    var account: String?

    @Option(help: "At most so many.")
    var limit = 30

    @OptionGroup var common: CommonOptions

    private static let page = 500

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit must be above 0") }
    }

    func run(_ session: Session) async throws {
        let client = try await session.client()
        var earnings = try await client.earnings(account, limit: Self.page)
        while let next = earnings.next, earnings.lines.count < limit {
            let more = try await client.earnings(account, before: next, limit: Self.page)
            earnings.lines += more.lines
            earnings.next = more.next
        }
        if earnings.lines.count > limit {
            earnings.lines.removeLast(earnings.lines.count - limit)
            earnings.next = earnings.lines.last?.sequence
        }
        switch session.mode {
        case .json: session.console.print(try Documents.document(of: earnings))
        case .quiet: for line in earnings.lines { session.console.print("\(line.sequence)") }
        case .table: show(earnings, session)
        }
    }

    private func show(_ earnings: EarningsBody, _ session: Session) {
        guard !earnings.lines.isEmpty else { return session.console.note("nothing was earned yet") }
        var table = Table([
            .init("RECORD", right: true), .init("AGE", right: true), .init("FOR"), .init("CREDITS", right: true),
            .init("BASE", right: true), .init("QUANTITY", right: true), .init("BY"), .init("LIMIT"),
            .init("ABOUT", yields: true),
        ])
        for line in earnings.lines {
            table.add([
                "\(line.sequence)", Table.Cell(Human.age(of: line.at, at: session.now)), Table.Cell(line.kind),
                Table.Cell("+\(line.amount)", .good), Table.Cell(line.base?.description ?? ""),
                Table.Cell(Self.quantity(line)), Table.Cell(Self.multipliers(line)), Table.Cell(Self.limit(line)),
                Table.Cell(line.attempt?.description ?? line.reason ?? line.verification ?? ""),
            ])
        }
        session.console.print(table)
        let sum = earnings.lines.reduce(Int64(0)) { $0 + $1.amount.micro }
        session.console.note(
            "\(Credits(micro: sum)) credits in \(earnings.lines.count) line\(earnings.lines.count == 1 ? "" : "s")")
        if earnings.next != nil { session.console.note("there are more: --limit N") }
    }

    private static func quantity(_ line: EarningsBody.Line) -> String {
        guard let thousandths = line.thousandths, let measure = line.measure else { return "" }
        return "\(Credits(micro: thousandths * 1000)) \(measure)\(thousandths == 1000 ? "" : "s")"
    }

    /// `1.1 x 1 x 1.2`: for how long, how well, how hard.
    private static func multipliers(_ line: EarningsBody.Line) -> String {
        (line.multipliers ?? []).map { Credits(micro: Int64($0) * 100).description }.joined(separator: " x ")
    }

    private static func limit(_ line: EarningsBody.Line) -> String {
        guard let limit = line.limit, limit != "none" else { return "" }
        return "\(limit) (of \(line.earned ?? .zero))"
    }
}

/// `fog ledger statement`: a month's sums.
struct LedgerStatement: SessionCommand {
    static let configuration = CommandConfiguration(
        "statement", "Show what a month brought and took.",
        examples: ["fog ledger statement", "fog ledger statement alice --month 2026-11 -o json"])

    @Argument(help: "An account's id or the name of who owns it; default your own.")
    var account: String?

    @Option(help: "Which month, in UTC: 2026-11; default this one.")
    var month: String?

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let statement = try await session.client().statement(account, month: month)
        try session.show(statement, id: statement.closing.description) {
            var table = Table([
                .init(statement.month), .init("COUNT", right: true), .init("IN", right: true),
                .init("OUT", right: true),
            ])
            table.add(["opening balance", "", Table.Cell(statement.opening.description), ""])
            for sum in statement.sums {
                table.add([
                    Table.Cell(sum.kind), "\(sum.count)",
                    Table.Cell(sum.gained > .zero ? "+\(sum.gained)" : "", .good),
                    Table.Cell(sum.lost > .zero ? "-\(sum.lost)" : ""),
                ])
            }
            table.add(["closing balance", "", Table.Cell(statement.closing.description), ""])
            session.console.print(table)
        }
    }
}
