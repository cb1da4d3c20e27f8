internal import ArgumentParser
internal import FogCommandLine
internal import FogCoordinator
internal import FogCore
internal import FogLedger
internal import FogStore
import Foundation

/// `fog bench ledger`: how many transfers a second are on the disk, and how long their audit takes.
struct BenchLedger: SessionCommand {
    static let configuration = CommandConfiguration(
        "ledger", "Decide, sign and commit transfers between a thousand accounts, and audit a long log.",
        examples: ["fog bench ledger", "fog bench ledger --records 1000000", "fog bench ledger --seconds 2 -o json"],
        more: """
            Everything is on: idempotent ids, counters in each record, the hash chain, the tree, a signed checkpoint and one \
            flush for each commit. ledger/alone: one transfer in each commit. ledger/batch-N: N transfers in each commit, \
            the next decided when it is on the disk; -turns: two callers in turn, one's decided while the other's are \
            committed. ledger/callers-N: N callers with one transfer each. The note says what a commit took: transfers, \
            syncs, writes.

            --vs-floor 'ledger_floor sqlite DIR $BATCH $SECONDS FULL lean' runs that before and after each run; it prints \
            one line of JSON with per_s.
            """)

    @Option(help: "Seconds of each run.")
    var seconds = 1.0

    @Option(help: "Callers of ledger/callers-N, 1 to 4096.")
    var callers = 64

    @Option(help: "Also make a log of so many records and audit it.")
    var records: Int?

    @Option(help: "Where the database is made; default the temporary folder.")
    var folder: String?

    @Option(help: "Keep the database of --records under this path.", completion: .file())
    var keep: String?

    @OptionGroup var bench: BenchOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard (0.1...600).contains(seconds) else {
            throw ValidationError("--seconds must be 0.1 to 600, found \(seconds)")
        }
        guard (1...4096).contains(callers) else {
            throw ValidationError("--callers must be 1 to 4096, found \(callers)")
        }
        guard records.map({ (10_000...100_000_000).contains($0) }) ?? true else {
            throw ValidationError("--records must be 10000 to 100000000, found \(records ?? 0)")
        }
        guard keep == nil || records != nil else { throw ValidationError("--keep goes with --records") }
        guard keep.map({ Disk.status($0) == nil }) ?? true else {
            throw ValidationError("--keep \(keep ?? ""): is there already")
        }
    }

    func run(_ session: Session) async throws {
        if let records { return try await audit(records, session) }
        for load in [
            Load(name: "alone", batch: 1, callers: 1), Load(name: "batch-100", batch: 100, callers: 1),
            Load(name: "batch-100-turns", batch: 100, callers: 2), Load(name: "batch-1000", batch: 1000, callers: 1),
            Load(name: "batch-1000-turns", batch: 1000, callers: 2),
            Load(name: "callers-\(callers)", batch: nil, callers: callers),
        ] {
            try await run(load, session)
        }
    }

    private struct Load {
        let name: String
        /// Transfers in a commit; nil for whatever is waiting.
        let batch: Int?
        let callers: Int
    }

    private func run(_ load: Load, _ session: Session) async throws {
        var (rates, floors, ratios, notes) = ([Double](), [Double](), [Double](), [String]())
        for _ in 0..<bench.runs {
            let before = try floor(load)
            let (rate, note) = try await rate(load)
            rates.append(rate)
            notes.append(note)
            guard let before, let after = try floor(load) else { continue }
            floors.append((before + after) / 2)
            ratios.append(rate * 2 / (before + after))
        }
        func show(_ name: String, _ unit: String, _ values: [Double], _ note: String = "") {
            BenchFigure(bench: "ledger", name: name, unit: unit, values: values, note: note).show(session)
        }
        show(load.name, "transfers/s", rates, notes.last ?? "")
        guard !ratios.isEmpty else { return }
        show("\(load.name)-floor", "transfers/s", floors)
        show("\(load.name)-of-floor", "ratio", ratios)
    }

    /// What the command of `--vs-floor` says of commits as large; of whatever is waiting it knows nothing.
    private func floor(_ load: Load) throws -> Double? {
        guard let command = bench.vsFloor, let batch = load.batch else { return nil }
        let text = try SpawnFloor.output(
            command: command, environment: ["BATCH": String(batch), "SECONDS": String(seconds)])
        guard let rate = try JSON(parsing: Array(text.utf8))["per_s"]?.number, rate > 0 else {
            throw CommandLineFailure("bench_failed", "`\(command)` prints no number per_s")
        }
        return rate
    }

    private func folderPath() throws -> String {
        let path = "\(folder ?? NSTemporaryDirectory())/fog-bench-\(UUID().uuidString.prefix(8))"
        try Disk.makeFolder(path)
        return path
    }

    private func rate(_ shape: Load) async throws -> (perSecond: Double, note: String) {
        let path = try folderPath()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let load = try await LedgerLoad(path: "\(path)/fog.db")
        try await load.run(1000, batch: 1000)
        let disk = DiskCounts.total
        let watch = Stopwatch()
        var count = 0
        if let batch = shape.batch {
            repeat {
                try await load.run(batch * 8, batch: batch, callers: shape.callers)
                count += batch * 8
            } while watch.seconds < seconds
        } else {
            let seconds = seconds
            count = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<shape.callers {
                    group.addTask {
                        var done = 0
                        while watch.seconds < seconds {
                            try await load.one()
                            done += 1
                        }
                        return done
                    }
                }
                return try await group.reduce(0, +)
            }
        }
        let rate = Double(count) / watch.seconds
        let after = DiskCounts.total
        let commits = Double(max(1, after.walSyncs - disk.walSyncs))
        func each(_ number: Int64) -> String { BenchFigure.text(Double(number) / commits) }
        let note =
            "a commit: \(each(Int64(count))) transfers, \(each(after.syncs - disk.syncs)) syncs, "
            + "\(each(after.writes - disk.writes)) writes"
        try load.store.close()
        return (rate, note)
    }

    // MARK: - A long log

    private func audit(_ records: Int, _ session: Session) async throws {
        let path = try folderPath()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let load = try await LedgerLoad(path: "\(path)/fog.db")
        let watch = Stopwatch()
        let earlier = records * 99 / 100
        func count() async throws -> Int { Int(try await load.store.ledgerState()?.head.count ?? 0) }
        try await load.run(earlier - count(), batch: 1000)
        try await load.run(records - earlier, batch: 1000)
        BenchFigure(bench: "ledger", name: "made", unit: "s", values: [watch.seconds], note: "\(records) records").show(
            session)
        try load.store.close()
        var whole: [Double] = []
        var lately: [Double] = []
        for _ in 0..<bench.runs {
            whole.append(try await time(path, since: nil))
            lately.append(try await time(path, since: UInt64(earlier)))
        }
        BenchFigure(bench: "ledger", name: "audit", unit: "s", values: whole, note: "\(records) records").show(session)
        BenchFigure(
            bench: "ledger", name: "audit-since", unit: "s", values: lately, note: "the last \(records - earlier)"
        ).show(session)
        if let keep { try FileManager.default.moveItem(atPath: "\(path)/fog.db", toPath: keep) }
    }

    private func time(_ path: String, since: UInt64?) async throws -> Double {
        let watch = Stopwatch()
        let report = try await LedgerFileAudit.database("\(path)/fog.db", since: since)
        guard report.ok else { throw CommandLineFailure("tampered", "\(report.failed)") }
        return watch.seconds
    }
}
