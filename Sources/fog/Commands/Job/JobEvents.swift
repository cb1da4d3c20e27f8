internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// `fog job events`: everything that happened to a job.
struct JobEvents: SessionCommand {
    static let configuration = CommandConfiguration(
        "events", "Print a job's history.", examples: ["fog job events 7fa3", "fog job events 7fa3 -f -o json"])

    @Argument(help: "The job: id, unique prefix, or name.")
    var job: String

    @Flag(name: .shortAndLong, help: "Go on until the job has ended.")
    var follow = false

    @Option(help: "Only what came after this cursor.")
    var after: UInt64 = 0

    @OptionGroup var common: CommonOptions

    private static let longPoll = TimeSpan.seconds(20)

    func run(_ session: Session) async throws {
        let client = try await session.client()
        let id = try await client.job(job).id
        var cursor = after
        while true {
            let (at, wait) = (cursor, follow ? Self.longPoll : .zero)
            let answer = try await Patience.long { try await client.events(id, after: at, wait: wait) }
            for event in answer.events { try show(event, session) }
            cursor = answer.cursor
            if !answer.events.isEmpty { continue }
            guard follow else { return }
            if try await Patience.long({ try await client.job(id.description) }).state.isFinal { return }
        }
    }

    private func show(_ event: EventBody, _ session: Session) throws {
        guard session.mode == .table else {
            return session.mode == .json
                ? session.console.printLine(try Documents.document(of: event))
                : session.console.print("\(event.sequence)")
        }
        let place =
            event.task.map { "task \($0)\(event.token.map { token in token > 0 ? " attempt \(token)" : "" } ?? "")" }
            ?? ""
        let detail = event.detail.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        let words = [
            event.at.plain, DisplayText.padded(DisplayText.clean(event.kind), to: 18), place, DisplayText.clean(detail),
        ]
        session.console.print(words.filter { !$0.isEmpty }.joined(separator: "  "))
    }
}
