internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
import Foundation

/// `fog bench`: what the claims about speed rest on, over the ordinary path.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "bench", "Measure this machine and this build.",
        examples: ["fog bench drain --tasks 2000", "fog bench submit"],
        more:
            "Each figure is the median of its runs beside a floor measured between them. Machines drift: compare ratios.",
        subcommands: [
            BenchDrain.self, BenchSubmit.self, BenchArray.self, BenchStore.self, BenchHeartbeat.self, BenchSandbox.self,
            BenchWatch.self, BenchHarvest.self, BenchPlacement.self, BenchMix.self,
            BenchLedger.self,
        ])
}

/// What every bench takes.
struct BenchOptions: ParsableArguments {
    @Option(help: "How often each figure is taken, 1 to 100.")
    var runs = 3

    @Option(help: "A command to run and time between the runs; it reads the number of tasks from $N.")
    var vsFloor: String?

    func validate() throws {
        guard (1...100).contains(runs) else { throw ValidationError("--runs must be 1 to 100, found \(runs)") }
    }
}

/// One figure: `{"bench","name","unit","median","min","max","runs","note"}`.
struct BenchFigure {
    let bench: String
    let name: String
    let unit: String
    var values: [Double]
    var note = ""

    var median: Double { Self.median(values) }

    static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        guard let middle = sorted.dropFirst(sorted.count / 2).first else { return 0 }
        return sorted.count % 2 == 1 ? middle : (sorted[sorted.count / 2 - 1] + middle) / 2
    }

    /// The value below which so many hundredths lie.
    static func percentile(_ values: [Double], _ hundredths: Int) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return 0 }
        return sorted[min(sorted.count - 1, sorted.count * hundredths / 100)]
    }

    func show(_ session: Session) {
        switch session.mode {
        case .json:
            session.console.printLine(
                .object([
                    "bench": .string(bench), "name": .string("\(bench)/\(name)"), "unit": .string(unit),
                    "median": .double(Self.rounded(median)), "min": .double(Self.rounded(values.min() ?? 0)),
                    "max": .double(Self.rounded(values.max() ?? 0)), "runs": .integer(Int64(values.count)),
                    "note": .string(note),
                ]))
        case .quiet: session.console.print(Self.text(median))
        case .table:
            let label = "\(bench)/\(name)".padding(toLength: 26, withPad: " ", startingAt: 0)
            let range = values.count > 1 ? "  (\(Self.text(values.min() ?? 0)) to \(Self.text(values.max() ?? 0)))" : ""
            session.console.print("\(label) \(Self.text(median)) \(unit)\(range)\(note.isEmpty ? "" : "  \(note)")")
        }
    }

    private static func rounded(_ value: Double) -> Double { Double(text(value)) ?? value }

    /// Four significant digits.
    static func text(_ value: Double) -> String { String(format: abs(value) >= 1000 ? "%.0f" : "%.4g", value) }
}

/// A stretch of time.
struct Stopwatch {
    private let start = ContinuousClock.now
    var seconds: Double {
        let (whole, parts) = (ContinuousClock.now - start).components
        return Double(whole) + Double(parts) / 1e18
    }
    var milliseconds: Double { seconds * 1000 }
}
