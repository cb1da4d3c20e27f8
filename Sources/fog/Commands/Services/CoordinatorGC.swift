internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore

/// `fog coordinator gc`: lets go of what retention does not keep.
struct CoordinatorGC: SessionCommand {
    static let configuration = CommandConfiguration(
        "gc", "Remove at once what retention does not keep; --dry-run only counts it (role admin).",
        examples: ["fog coordinator gc --dry-run", "fog coordinator gc"],
        more: "The coordinator does the same by itself every ten minutes. The ledger and its evidence always stay.")

    @Flag(help: "Count, remove nothing.")
    var dryRun = false

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let found = try await session.client().keepHouse(dryRun: dryRun)
        switch session.mode {
        case .json: session.console.print(try Documents.document(of: found))
        case .quiet: break
        case .table: session.console.print(table(found))
        }
        if session.mode == .table { session.console.note(dryRun ? "nothing was removed" : "removed") }
    }

    private func table(_ found: HousekeepingBody) -> Table {
        var table = Table([.init("WHAT"), .init("COUNT", right: true), .init("BYTES", right: true)])
        for (name, count) in [
            ("ended jobs", found.jobs), ("their tasks", found.tasks), ("their attempts", found.attempts),
            ("their events", found.events),
        ] { table.add([Table.Cell(name), "\(count)"]) }
        for (name, amount) in [
            ("their logs", found.logs), ("unused content", found.blobs), ("unfinished uploads", found.uploads),
            ("files without a row", found.strays),
        ] { table.add([Table.Cell(name), "\(amount.count)", Table.Cell(ByteCount(amount.bytes).brief)]) }
        return table
    }
}
