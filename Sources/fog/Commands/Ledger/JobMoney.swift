internal import FogAPI
internal import FogCommandLine
internal import FogCore

/// `fog ledger history --job`: every step of a job's money, for who pays and for who is paid.
struct JobMoney {
    let job: String
    let limit: Int

    private static let page = 500

    func run(_ session: Session) async throws {
        let client = try await session.client()
        var history = try await client.history(ofJob: job, limit: min(Self.page, limit))
        while let next = history.next, history.lines.count < limit {
            let more = try await client.history(
                ofJob: job, before: next, limit: min(Self.page, limit - history.lines.count))
            history.lines += more.lines
            history.next = more.next
        }
        switch session.mode {
        case .json: session.console.print(try Documents.document(of: history))
        case .quiet: for line in history.lines { session.console.print("\(line.sequence)") }
        case .table: show(history, session)
        }
    }

    private func show(_ history: JobHistoryBody, _ session: Session) {
        guard !history.lines.isEmpty else { return session.console.note("no transfers yet") }
        var table = Table([
            .init("RECORD", right: true), .init("AGE", right: true), .init("STEP"), .init("CREDITS", right: true),
            .init("FROM"), .init("TO"), .init("ATTEMPT"), .init("WHY", yields: true),
        ])
        func name(_ account: AccountID) -> String {
            account == history.escrow ? "escrow" : account == history.payer ? "payer" : AccountWords.short(account)
        }
        for line in history.lines {
            let amount = line.kind == "pending" ? "(\(line.amount))" : line.amount.description
            table.add([
                "\(line.sequence)", Table.Cell(Human.age(of: line.at, at: session.now)), Table.Cell(line.kind),
                Table.Cell(line.kind == "void" || line.kind == "expire" ? "" : amount),
                Table.Cell(name(line.from)), Table.Cell(name(line.to)),
                // The job stands in the question.
                Table.Cell(line.attempt.map { "\($0.task.number).\($0.token)" } ?? ""),
                Table.Cell(DisplayText.clean(line.why ?? "")),
            ])
        }
        session.console.print(table)
        session.console.note("in brackets: reserved for work under way; what is paid of it is a line of its own")
        if history.next != nil { session.console.note("there are more: --limit N") }
    }
}
