internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogWorker

/// `fog worker pause`
struct WorkerPause: SessionCommand {
    static let configuration = CommandConfiguration(
        "pause", "Take this machine back for a while.", examples: ["fog worker pause", "fog worker pause --for 3h"],
        more: """
            Tasks freeze at once. Those of a pause longer than the policy's evict_after move on to other machines half a \
            minute later. A pause outlives the worker's restart.
            """)

    @Option(name: .customLong("for"), help: "How long, 1s to 31d; default until fog worker resume.")
    var span: String?

    @OptionGroup var place: WorkerFolderOptions

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws {
        var pause = HarvestControls.Pause.untilResumed
        if let text = span {
            guard let span = try? TimeSpan(text), (TimeSpan.seconds(1)...(.days(31))).contains(span) else {
                throw CommandLineFailure("bad_time", "--for must be 1s to 31d, found `\(text)`", status: .usage)
            }
            pause = .until(session.now + span)
        }
        try session.tell(try await ControlSocket.ask(.pause(pause), in: place.folder(session)))
    }
}

/// `fog worker resume`
struct WorkerResume: SessionCommand {
    static let configuration = CommandConfiguration(
        "resume", "End a pause; the policy decides again.", examples: ["fog worker resume"])

    @OptionGroup var place: WorkerFolderOptions

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws {
        try session.tell(try await ControlSocket.ask(.pause(nil), in: place.folder(session)))
    }
}

extension Session {
    fileprivate func tell(_ report: GovernedMachine.Report) throws {
        try show(report, id: report.phase.rawValue) {
            console.print("\(report.phase.rawValue): \(DisplayText.clean(report.reason))")
        }
    }
}

/// `fog worker history`: what this machine gave.
struct WorkerHistory: SessionCommand {
    static let configuration = CommandConfiguration(
        "history", "Show what this machine offered, what was used, and why it was refused, a line a day.",
        examples: ["fog worker history", "fog worker history --days 7", "fog worker history --events 20"])

    @Option(help: "The newest days, 1 to 400.")
    var days = 14

    @Option(help: "Show the newest changes instead, 1 to 1000.")
    var events: Int?

    @OptionGroup var place: WorkerFolderOptions

    @OptionGroup var common: LocalOptions

    func validate() throws {
        guard (1...ContributionBook.maxDays).contains(days) else {
            throw ValidationError("--days must be 1 to \(ContributionBook.maxDays), found \(days)")
        }
        if let events, !(1...1000).contains(events) {
            throw ValidationError("--events must be 1 to 1000, found \(events)")
        }
    }

    func run(_ session: Session) async throws {
        let folder = HarvestFolder(place.folder(session))
        if let events { return try show(folder.events(limit: events), session) }
        let chosen = folder.book().days.sorted { $0.key > $1.key }.prefix(days)
        switch session.mode {
        case .json:
            session.console.print(
                .object(
                    try chosen.map { JSON.Member($0.key, try Documents.document(of: $0.value)) }))
        case .quiet: for day in chosen { session.console.print(day.key) }
        case .table:
            guard !chosen.isEmpty else { return session.console.note("nothing is on record yet") }
            var table = Table([
                .init("DAY"), .init("OFFERED", right: true), .init("CORE HOURS", right: true),
                .init("USED", right: true), .init("CORE HOURS", right: true), .init("REFUSED", right: true),
                .init("WHY", yields: true),
            ])
            for (date, day) in chosen {
                let reasons = day.refusedSeconds.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
                table.add([
                    Table.Cell(date), Table.Cell(Self.span(day.offeredSeconds)),
                    Table.Cell(Self.hours(day.offeredCoreSeconds)), Table.Cell(Self.span(day.usedSeconds)),
                    Table.Cell(Self.hours(day.usedCoreSeconds)),
                    Table.Cell(Self.span(reasons.reduce(0) { $0 + $1.value })),
                    Table.Cell(reasons.map { "\($0.key) \(Self.span($0.value))" }.joined(separator: ", ")),
                ])
            }
            session.console.print(table)
        }
    }

    private func show(_ events: [HarvestTransition], _ session: Session) throws {
        switch session.mode {
        case .json: for event in events { session.console.printLine(try Documents.document(of: event)) }
        case .quiet: for event in events { session.console.print(event.to.rawValue) }
        case .table:
            guard !events.isEmpty else { return session.console.note("nothing is on record yet") }
            session.console.print(HarvestTable.table(events))
        }
    }

    static func span(_ seconds: Double) -> String { TimeSpan.milliseconds(Int64(seconds * 1000)).brief }

    /// To two decimals.
    static func hours(_ coreSeconds: Double) -> String {
        let hundredths = Int((coreSeconds / 36).rounded())
        let fraction = String(hundredths % 100 + 100).dropFirst()
        return "\(hundredths / 100).\(fraction)"
    }
}

/// Changes of a machine, a line each.
enum HarvestTable {
    static func table(_ transitions: [HarvestTransition]) -> Table {
        var table = Table([.init("TIME"), .init("FROM"), .init("TO"), .init("WHY", yields: true)])
        for change in transitions {
            table.add([
                Table.Cell(change.time.plain), Table.Cell(change.from.rawValue), Table.Cell(change.to.rawValue),
                Table.Cell(change.reason),
            ])
        }
        return table
    }
}
