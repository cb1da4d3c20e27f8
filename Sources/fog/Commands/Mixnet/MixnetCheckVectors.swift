internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogManifestFile
internal import FogMixnet

/// `fog mixnet check-vectors`: others' known answers held against this build.
struct MixnetCheckVectors: SessionCommand {
    static let configuration = CommandConfiguration(
        "check-vectors", "Hold known answers against this build: packets, VRF, Noise, LIONESS, primitives.",
        examples: [
            "fog mixnet check-vectors ecvrf_rfc9381.json noise_cacophony.json",
            "fog mixnet check-vectors kat.json -o json",
        ],
        more: """
            The form of a file is found from its content. What is not used here (another curve, another pattern) is counted \
            as skipped and named. Exit 0: something was compared in each file, and all of it is equal; 1: not.
            """)

    @Argument(help: "Files of test vectors, in JSON.", completion: .file())
    var files: [String]

    @OptionGroup var common: LocalOptions

    private static let limit = 64 << 20

    func run(_ session: Session) async throws {
        var good = true
        for file in files {
            let report = try VectorReport.check(JSON(parsing: LocalFile.read(file, limit: Self.limit)))
            good = good && report.isGood
            switch session.mode {
            case .json:
                session.console.printLine(
                    .object([
                        "file": .string(file), "kind": .string(report.kind), "passed": .integer(Int64(report.passed)),
                        "failures": .array(report.failures.map { .string($0) }),
                        "skipped": .array(report.skipped.map { .string($0) }), "good": .bool(report.isGood),
                    ]))
            case .quiet: if !report.isGood { session.console.print(file) }
            case .table:
                session.console.print(
                    "\(report.isGood ? "✓" : "✗") \(file): \(report.kind), \(report.passed) equal, "
                        + "\(report.failures.count) not")
                for line in report.failures { session.console.print("  ✗ \(line)") }
                for line in report.skipped { session.console.print("  skipped: \(line)") }
            }
        }
        if !good { throw ExitCode.failure }
    }
}
