import FogCore
import FogJobs
import Foundation

@testable import FogSandbox
@testable import FogWorker

/// Leases and results as tests need them.
enum Sample {
    static let job: JobID = {
        var generator = SeededGenerator(seed: 1)
        return JobID(at: Timestamp(seconds: 1_800_000_000), using: &generator)
    }()

    static func attempt(_ number: UInt32 = 0) -> AttemptID {
        AttemptID(task: TaskID(job: job, number: number), token: 1)
    }

    static func lease(_ arguments: [String] = ["true"], inputs: [LeaseInput] = []) -> Lease {
        Lease(
            attempt: attempt(), jobName: "job", index: 0, arguments: arguments, environment: [:], inputs: inputs,
            outputs: [], resources: ResourceRequest(), profile: "default", checkpoint: CheckpointPolicy(),
            checkpointFiles: [], priceBound: .zero, expiresAt: Timestamp(seconds: 1_800_000_090),
            disconnectGrace: .minutes(10), exclusive: false)
    }

    static func input(_ name: String, _ text: String = "x", executable: Bool = false) -> LeaseInput {
        LeaseInput(name: name, digest: .blake2b(Array(text.utf8)), size: Int64(text.utf8.count), executable: executable)
    }

    static func result(_ ending: Ending, exitCode: Int? = nil, signal: Int? = nil) -> SandboxResult {
        SandboxResult(
            exitCode: exitCode, signal: signal, ending: ending,
            usage: SandboxUsage(cpuNanoseconds: 0, wallNanoseconds: 0, peakBytes: 0, source: .rusage), missing: [])
    }

    static func finished(_ number: UInt32 = 0, key: SigningKey = .generate()) -> FinishedAttempt {
        let receipt = Receipt(
            coordinator: key.publicKey, attempt: attempt(number), node: key.publicKey, profileDigest: .zero,
            missingIsolation: [], inputDigest: .zero, outputDigest: manifestDigest([]), stdoutDigest: .zero,
            stderrDigest: .zero, exitCode: 0, signal: nil, outcome: .success,
            usage: Usage(cpuNanoseconds: 1, wallNanoseconds: 1, peakBytes: 1, source: .rusage), priceBound: .zero)
        let signed = SignedReceipt(receipt, signedWith: key)
        let report = AttemptReport(
            receipt: signed, outputs: [], contents: [], stdout: nil, stderr: nil, stdoutSize: 0, stderrSize: 0,
            detail: nil)
        return FinishedAttempt(attempt: attempt(number), report: report)
    }
}

/// Runs a test in a folder of its own.
func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let path = FileManager.default.temporaryDirectory.path + "/fog-worker-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
}
