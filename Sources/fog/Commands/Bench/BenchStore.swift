internal import ArgumentParser
internal import FogCommandLine
internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import FogStore
import Foundation

/// `fog bench store`: how many tasks a second the store can see granted and ended.
struct BenchStore: SessionCommand {
    static let configuration = CommandConfiguration(
        "store",
        "Commit the claim and the end of tasks, with their ledger records and evidence, to a database on this disk.",
        examples: ["fog bench store", "fog bench store --tasks 20000 --folder /var/tmp -o json"],
        more: """
            Each batch is one change for the claims and one for the ends, as a coordinator makes them; a claim is on the \
            disk before its end is sent. store/callers-64: 64 tasks at a time, each with changes of its own that share flushes.
            """)

    @Option(help: "Tasks of each run.")
    var tasks = 4000

    @Option(help: "Where the database is made; default the temporary folder.")
    var folder: String?

    @OptionGroup var bench: BenchOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard (100...1_000_000).contains(tasks) else {
            throw ValidationError("--tasks must be 100 to 1000000, found \(tasks)")
        }
    }

    func run(_ session: Session) async throws {
        for (name, batch, callers) in [
            ("alone", 1, 1), ("callers-64", 1, 64), ("batch-10", 10, 1), ("batch-100", 100, 1),
        ] {
            var rates: [Double] = []
            var syncs: [Double] = []
            let count = batch * callers == 1 ? min(tasks, 1000) : tasks
            for _ in 0..<bench.runs {
                let before = DiskCounts.total.syncs
                let seconds = try await Self.seconds(count, batch, callers, in: folder ?? NSTemporaryDirectory())
                rates.append(Double(count) / seconds)
                syncs.append(Double(DiskCounts.total.syncs - before) / Double(count))
            }
            BenchFigure(
                bench: "store", name: name, unit: "tasks/s", values: rates,
                note: "\(BenchFigure.text(BenchFigure.median(syncs))) syncs a task"
            ).show(session)
        }
    }

    /// The changes are decided beforehand; only their commits are timed.
    private static func seconds(_ tasks: Int, _ batch: Int, _ callers: Int, in parent: String) async throws -> Double {
        let path = "\(parent)/fog-bench-\(UUID().uuidString.prefix(8))"
        try Disk.makeFolder(path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var driver = try BenchCore()
        let node = try driver.addNode("bench", slots: batch * callers)
        try driver.submit(BenchDrain.spec(tasks, "default"))
        let store = try SQLiteStore(path: "\(path)/fog.db")
        try await commit(driver.core.takeChange(), to: store)
        var commits: [[Change]] = []
        var left = tasks
        while left > 0 {
            var out: [[Lease]] = []
            var claims: [Change] = []
            for _ in 0..<callers where left > 0 {
                let leases = driver.grant(node, want: min(batch, left))
                guard !leases.isEmpty else { throw CommandLineFailure("bench_failed", "no lease was granted") }
                if let change = driver.core.takeChange() { claims.append(change) }
                out.append(leases)
                left -= leases.count
            }
            var ends: [Change] = []
            for leases in out {
                try driver.complete(leases, from: node)
                if let change = driver.core.takeChange() { ends.append(change) }
            }
            commits += [claims, ends]
        }
        let watch = Stopwatch()
        for changes in commits {
            let results = try await store.commit(changes)
            guard results.allSatisfy({ $0 == .applied }) else {
                throw CommandLineFailure("bench_failed", "a commit was not applied: \(results)")
            }
        }
        return watch.seconds
    }

    private static func commit(_ change: Change?, to store: SQLiteStore) async throws {
        guard let change else { return }
        let result = try await store.commit([change]).first
        guard result == .applied else {
            throw CommandLineFailure("bench_failed", "a commit was not applied: \(String(describing: result))")
        }
    }
}
