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
            flush for each commit. ledger/alone: one transfer in each commit; ledger/callers-64: 64 callers with one each.
            """)

    @Option(help: "Seconds of each run.")
    var seconds = 1.0

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
        for (name, batch, callers) in [
            ("alone", 1, 1), ("batch-100", 100, 1), ("batch-1000", 1000, 1), ("callers-64", 1, 64),
        ] {
            var rates: [Double] = []
            for _ in 0..<bench.runs { rates.append(try await rate(batch, callers)) }
            BenchFigure(bench: "ledger", name: name, unit: "transfers/s", values: rates).show(session)
        }
    }

    private func folderPath() throws -> String {
        let path = "\(folder ?? NSTemporaryDirectory())/fog-bench-\(UUID().uuidString.prefix(8))"
        try Disk.makeFolder(path)
        return path
    }

    private func rate(_ batch: Int, _ callers: Int) async throws -> Double {
        let path = try folderPath()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let load = try await LedgerLoad(path: "\(path)/fog.db")
        try await load.run(1000, batch: 1000)
        let watch = Stopwatch()
        var count = 0
        if callers == 1 {
            repeat {
                try await load.run(batch, batch: batch)
                count += batch
            } while watch.seconds < seconds
        } else {
            let seconds = seconds
            count = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<callers {
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
        try load.store.close()
        return rate
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
