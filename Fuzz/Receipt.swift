import FogCore
import FogJobs
import FogLedger

/// Signed receipts and records of the ledger's log. The first byte chooses.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzReceipt(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = input(data, size)
    guard let kind = bytes.first else { return 0 }
    let rest = Array(bytes.dropFirst())
    switch kind % 3 {
    case 0:
        guard let receipt = try? Receipt(canonicalBytes: rest) else { return 0 }
        hold(receipt.canonicalBytes == rest, "two forms of one receipt")
    case 1:
        guard let signed = try? SignedReceipt(bytes: rest) else { return 0 }
        hold(signed.bytes == rest, "two forms of one signed receipt")
        hold(
            signed.receipt.node.verifies(signed.signature, of: signed.receipt.canonicalBytes),
            "a receipt was read whose signature does not hold")
    default:
        _ = try? LedgerRecord(decoding: rest)
    }
    return 0
}

/// Seeds: receipts of every outcome, well signed.
@_cdecl("LLVMFuzzerInitialize")
public func seedReceipt(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    guard let node = try? SigningKey(seed: [UInt8](repeating: 3, count: 32)) else { return 0 }
    for outcome in Outcome.allCases {
        let receipt = Receipt(
            coordinator: node.publicKey,
            attempt: AttemptID(task: TaskID(job: JobID(high: 1, low: 2), number: 3), token: 4),
            node: node.publicKey, profileDigest: .blake2b([1]), missingIsolation: ["cgroup", "landlock"],
            inputDigest: .zero, outputDigest: .blake2b([2]), stdoutDigest: .zero, stderrDigest: .zero, exitCode: 0,
            signal: nil, outcome: outcome,
            usage: Usage(cpuNanoseconds: 1, wallNanoseconds: 2, peakBytes: 3, source: .cgroupV2),
            priceBound: .credits(1),
            extensions: [1, 2, 3])
        writeSeed("receipt-\(outcome.rawValue)", [0] + receipt.canonicalBytes)
        writeSeed("signed-\(outcome.rawValue)", [1] + SignedReceipt(receipt, signedWith: node).bytes)
    }
    return 0
}
