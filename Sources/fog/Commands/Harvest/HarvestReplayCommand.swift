internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogWorker

/// `fog harvest replay`: a policy tried on yesterday.
struct HarvestReplayCommand: SessionCommand {
    static let configuration = CommandConfiguration(
        "replay", "Try a policy on a recorded trace: what would have changed when, and what it would have offered.",
        examples: ["fog harvest replay office.trace", "fog harvest replay office.trace --policy personal -o json"])

    @Argument(help: "What fog harvest record wrote.", completion: .file())
    var file: String

    @Option(help: "personal, lab, dedicated, or a file; default what this machine's worker goes by.")
    var policy: String?

    @Option(help: "Tasks that always wait or run there, 0 to 256; with 0 there is nothing to freeze.")
    var tasks = 1

    @OptionGroup var place: WorkerFolderOptions

    @OptionGroup var common: LocalOptions

    func validate() throws {
        guard (0...256).contains(tasks) else { throw ValidationError("--tasks must be 0 to 256, found \(tasks)") }
    }

    func run(_ session: Session) async throws {
        let policy = try policy.map { try PolicyFile.load($0) } ?? PolicyFile.usual(place.folder(session))
        let trace = try HarvestTrace.load(file)
        guard let first = trace.readings.first else {
            throw CommandLineFailure("bad_trace", "\(file) holds no reading", status: .badData)
        }
        // The trace knows only the offsets that were; what is foretold goes by the first.
        let replay = HarvestReplay(trace, policy, zone: .fixed(first.wall.offsetSeconds), tasks: tasks)
        switch session.mode {
        case .json: session.console.print(try document(replay, trace))
        case .quiet: session.console.print(WorkerHistory.span(replay.offered.seconds))
        case .table:
            if !replay.transitions.isEmpty { session.console.print(HarvestTable.table(replay.transitions)) }
            if replay.leftOut > 0 { session.console.note("\(Human.count(replay.leftOut, "change")) more") }
            var sheet = Sheet()
            sheet.add("policy", replay.policy)
            sheet.add("watched", replay.watched.brief)
            for phase in HarvestPhase.allCases { sheet.add(phase.rawValue, replay.times[phase].map(\.brief)) }
            sheet.add(
                "offered",
                "\(replay.offered.brief), \(WorkerHistory.hours(replay.offeredCoreSeconds)) core hours")
            let reasons = replay.refused.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            sheet.add("refused", reasons.map { "\($0.key) \(WorkerHistory.span($0.value))" }.joined(separator: ", "))
            session.console.print(sheet)
        }
    }

    private func document(_ replay: HarvestReplay, _ trace: HarvestTrace) throws -> JSON {
        let phases = HarvestPhase.allCases.map { phase in
            JSON.Member(phase.rawValue, .double((replay.times[phase] ?? .zero).seconds))
        }
        let refused = replay.refused.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .double($0.value)) }
        return .object([
            "policy": .string(replay.policy), "machine": .string(trace.machine.name),
            "readings": .integer(Int64(trace.readings.count)), "watched_seconds": .double(replay.watched.seconds),
            "seconds": .object(phases), "refused_seconds": .object(refused),
            "offered_hours": .double(replay.offered.seconds / 3600),
            "offered_core_hours": .double(replay.offeredCoreSeconds / 3600),
            "transitions": .array(try replay.transitions.map { try Documents.document(of: $0) }),
            "transitions_left_out": .integer(Int64(replay.leftOut)),
        ])
    }
}
