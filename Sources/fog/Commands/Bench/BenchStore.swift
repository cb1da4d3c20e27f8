internal import FogCoordinator
internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogStore
import Foundation

/// `fog bench store`: how many tasks a second the store can see granted and ended.
struct BenchStore: SessionCommand {
    static let configuration = CommandConfiguration(
        "store", "Commit the claim and the end of tasks, with their ledger records and evidence, to a database on this disk.",
        examples: ["fog bench store", "fog bench store --tasks 20000 --folder /var/tmp -o json"],
        more: "Each batch is one commit for the claims and one for the ends, as a coordinator makes them, flushed twice.")

    @Option(help: "Tasks of each run.")
    var tasks = 4000

    @Option(help: "Where the database is made; default the temporary folder.")
    var folder: String?

    @OptionGroup var bench: BenchOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard (100...1_000_000).contains(tasks) else { throw ValidationError("--tasks must be 100 to 1000000, found \(tasks)") }
    }

    func run(_ session: Session) async throws {
        for batch in [1, 10, 100] {
            var rates: [Double] = []
            var syncs: [Double] = []
            let count = batch == 1 ? min(tasks, 1000) : tasks
            for _ in 0..<bench.runs {
                let before = DiskCounts.total.syncs
                let seconds = try await Self.seconds(count, batch, in: folder ?? NSTemporaryDirectory())
                rates.append(Double(count) / seconds)
                syncs.append(Double(DiskCounts.total.syncs - before) / Double(count))
            }
            BenchFigure(
                bench: "store", name: "batch-\(batch)", unit: "tasks/s", values: rates,
                note: "\(BenchFigure.text(BenchFigure.median(syncs))) syncs a task").show(session)
        }
    }

    /// The changes are decided beforehand; only their commits are timed.
    private static func seconds(_ tasks: Int, _ batch: Int, in parent: String) async throws -> Double {
        let path = "\(parent)/fog-bench-\(UUID().uuidString.prefix(8))"
        try Disk.makeFolder(path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var driver = try BenchCore()
        let node = try driver.addNode("bench", slots: batch)
        try driver.submit(BenchDrain.spec(tasks, "default"))
        let store = try SQLiteStore(path: "\(path)/fog.db")
        try await commit(driver.core.takeChange(), to: store)
        var changes: [Change] = []
        var left = tasks
        while left > 0 {
            let leases = driver.grant(node, want: min(batch, left))
            guard !leases.isEmpty else { throw CommandLineFailure("bench_failed", "no lease was granted") }
            if let change = driver.core.takeChange() { changes.append(change) }
            try driver.complete(leases, from: node)
            if let change = driver.core.takeChange() { changes.append(change) }
            left -= leases.count
        }
        let watch = Stopwatch()
        for change in changes { try await commit(change, to: store) }
        return watch.seconds
    }

    private static func commit(_ change: Change?, to store: SQLiteStore) async throws {
        guard let change else { return }
        let result = try await store.commit([change]).first
        guard result == .applied else { throw CommandLineFailure("bench_failed", "a commit was not applied: \(String(describing: result))") }
    }
}
