internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogWorker
internal import ServiceLifecycle

/// `fog worker try`: a while of work, and what it came to.
struct WorkerTry: SessionCommand {
    static let configuration = CommandConfiguration(
        "try", "Work for a while, then say what it came to.",
        examples: ["fog worker try", "fog worker try --for 1h -- --slots 2 --cpu 1"],
        more: "It is real work for real credits. What stands behind -- goes to fog worker run.")

    @Option(name: .customLong("for"), help: "How long, 1s to 7d.")
    var span = "10m"

    @Argument(parsing: .postTerminator, help: "Flags of fog worker run.")
    var arguments: [String] = []

    @OptionGroup var common: CommonOptions

    func validate() throws { _ = try WorkerRun.parse(arguments) }

    func run(_ session: Session) async throws {
        guard let span = try? TimeSpan(span), (TimeSpan.seconds(1)...(.days(7))).contains(span) else {
            throw CommandLineFailure("bad_time", "--for must be 1s to 7d, found `\(self.span)`", status: .usage)
        }
        let run = try WorkerRun.parse(arguments)
        let logger = ServiceRun.logger("fog.worker", run.log, verbose: common.verbose, quietly: session.mode != .table)
        let prepared = try await run.prepare(session, logger: logger)
        let (agent, context) = (prepared.agent, prepared.context)
        defer { withExtendedLifetime(prepared.lock) {} }
        let client = try await session.client()
        let before = try await client.history(limit: 1).lines.first?.sequence ?? 0
        let clock = session.clock
        let started = clock.sinceBoot
        let control = prepared.machine.map { [WorkerControl.socket($0, prepared.folder, logger)] } ?? []
        let group = ServiceRun.group([agent] + control + [Pause(span: span)], logger: logger)
        if session.mode == .table {
            session.console.note("works for \(context.server), for \(span.brief); Ctrl-C ends it sooner")
        }
        try await prepared.keeping { try await group.run() }
        let worked = clock.sinceBoot - started
        let gained = try await Self.gained(after: before, by: await agent.status.node, client)
        Self.tell(await agent.status, worked: worked, gained: gained, session)
    }

    /// What came into the account since a record, for finished work. Other machines of the same owner count too.
    private static func gained(after sequence: UInt64, by node: NodeID?, _ client: FogClient) async throws -> Credits {
        var sum: Int64 = 0
        var before: UInt64?
        repeat {
            let page = try await client.history(before: before, limit: 1000)
            let fresh = page.lines.filter { $0.sequence > sequence }
            sum += fresh.filter { $0.amount > .zero && $0.kind == "post" }.reduce(0) { $0 + $1.amount.micro }
            before = fresh.count == page.lines.count ? page.next : nil
        } while before != nil
        return Credits(micro: sum)
    }

    private static func tell(_ status: WorkerStatus, worked: TimeSpan, gained: Credits, _ session: Session) {
        let seconds = max(1, worked.seconds)
        let daily = Credits(micro: Int64(Double(gained.micro) * 86_400 / seconds))
        switch session.mode {
        case .json:
            session.console.printLine(
                .object([
                    "node": status.node.map { .string($0.description) }, "worked_seconds": .double(worked.seconds),
                    "results": .integer(Int64(status.delivered)), "undelivered": .integer(Int64(status.undelivered)),
                    "credits": .string(gained.description), "credits_per_day": .string(daily.description),
                ]))
        case .quiet: session.console.print(gained.description)
        case .table:
            session.console.print(
                "\(Human.count(status.delivered, "result")) in \(worked.brief): \(gained) credits, "
                    + "at this pace \(daily) a day")
            if status.delivered == 0 { session.console.note("there was no work for it: fog top shows what waits") }
            if status.delivered > 0, gained == .zero { session.console.note("the pool paid nothing for it") }
        }
    }
}

/// Ends the group when its time is over.
private struct Pause: Service {
    let span: TimeSpan

    func run() async throws {
        await cancelWhenGracefulShutdown { try? await Task.sleep(for: span.duration) }
    }
}
