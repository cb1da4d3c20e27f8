internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore

/// `fog quota`: how much one's account takes of what is bounded.
struct QuotaCommand: SessionCommand {
    static let configuration = CommandConfiguration(
        "quota", "Show what your account takes of each bound, and what happens beyond it.",
        examples: ["fog quota", "fog quota --all", "fog quota -o json"],
        more:
            "Beyond a quota of content or queued tasks a job is taken and held with its reason; it goes on by itself when there is room. The bounds are the operator's: fog config show."
    )

    @Flag(help: "All accounts, those that keep most first; for operators and auditors.")
    var all = false

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let client = try await session.client()
        guard all else {
            let usage = try await client.usage()
            return try session.show(usage, id: usage.closed == nil ? "open" : "closed") {
                session.console.print(Self.table(of: usage))
                if usage.heldJobs > 0 {
                    session.console.print("\(Human.count(usage.heldJobs, "job")) held by a quota")
                }
                if let closed = usage.closed { session.console.print("closed: \(DisplayText.clean(closed))") }
            }
        }
        let list = try await client.usageOfAll()
        try session.show(list, id: list.accounts.map(\.name).joined(separator: "\n")) {
            var table = Table([
                .init("ACCOUNT", yields: true), .init("STORED"), .init("QUEUED TASKS"), .init("OPEN JOBS"),
                .init("HELD"),
            ])
            for usage in list.accounts {
                table.add([
                    Table.Cell(usage.name), Table.Cell(ByteCount(usage.stored.used).brief),
                    Table.Cell(String(usage.queuedTasks.used)), Table.Cell(String(usage.openJobs.used)),
                    Table.Cell(String(usage.heldJobs)),
                ])
            }
            session.console.print(table)
        }
    }

    private static func table(of usage: UsageBody) -> Table {
        var table = Table([.init("WHAT"), .init("USED"), .init("LIMIT"), .init("BEYOND IT", yields: true)])
        func add(_ name: String, _ amount: UsageBody.Amount, _ beyond: String, _ text: (Int64) -> String) {
            table.add([
                Table.Cell(name), Table.Cell(text(amount.used)), Table.Cell(text(amount.limit)), Table.Cell(beyond),
            ])
        }
        add("stored", usage.stored, "uploads are refused, jobs held") { ByteCount($0).brief }
        add("queued tasks", usage.queuedTasks, "jobs are held") { String($0) }
        add("open jobs", usage.openJobs, "jobs are refused") { String($0) }
        add("jobs a minute", usage.jobsPerMinute, "jobs are refused for a while") { String($0) }
        if let requests = usage.openRequests {
            add("open requests", requests, "requests are refused for a while") { String($0) }
        }
        return table
    }
}
