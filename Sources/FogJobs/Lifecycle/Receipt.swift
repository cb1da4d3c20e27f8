package import FogCore

/// A worker's signed account of one attempt, version 1.
///
/// The canonical bytes are signed with the node's Ed25519 key under the domain `fog-receipt-v1`, so that a receipt is
/// evidence by itself: anyone with the node's public key checks it, offline, years later.
package struct Receipt: Hashable, Sendable {
    package var coordinator: PublicKey
    package var attempt: AttemptID
    package var node: PublicKey
    package var profileDigest: Digest
    /// What of the profile was NOT applied; empty = all of it was.
    package var missingIsolation: [String]
    package var inputDigest: Digest
    /// Over the sorted outputs: name, size, execute bit, digest.
    package var outputDigest: Digest
    package var stdoutDigest: Digest
    package var stderrDigest: Digest
    package var exitCode: Int?
    package var signal: Int?
    package var outcome: Outcome
    package var usage: Usage
    package var priceBound: Credits
    /// Type-length-value fields of later versions; kept and signed as they are.
    package var extensions: [UInt8]

    package init(
        coordinator: PublicKey, attempt: AttemptID, node: PublicKey, profileDigest: Digest, missingIsolation: [String],
        inputDigest: Digest, outputDigest: Digest, stdoutDigest: Digest, stderrDigest: Digest, exitCode: Int?,
        signal: Int?, outcome: Outcome, usage: Usage, priceBound: Credits, extensions: [UInt8] = []
    ) {
        self.coordinator = coordinator
        self.attempt = attempt
        self.node = node
        self.profileDigest = profileDigest
        self.missingIsolation = missingIsolation
        self.inputDigest = inputDigest
        self.outputDigest = outputDigest
        self.stdoutDigest = stdoutDigest
        self.stderrDigest = stderrDigest
        self.exitCode = exitCode
        self.signal = signal
        self.outcome = outcome
        self.usage = usage
        self.priceBound = priceBound
        self.extensions = extensions
    }

    private static let domain = "fog-receipt-v1"
    private static let listLimit = 64
    private static let extensionLimit = 4096

    /// Everything but the signature, in the one form that is signed.
    package var canonicalBytes: [UInt8] {
        var writer = CanonicalWriter(reserving: 512)
        writer.write(Self.domain)
        writer.write(raw: coordinator.bytes)
        writer.write(raw: attempt.bytes)
        writer.write(raw: node.bytes)
        writer.write(profileDigest)
        writer.write(UInt16(missingIsolation.count))
        for item in missingIsolation { writer.write(item) }
        writer.write(inputDigest)
        writer.write(outputDigest)
        writer.write(stdoutDigest)
        writer.write(stderrDigest)
        writer.write(Int32(exitCode ?? -1))
        writer.write(Int32(signal ?? -1))
        writer.write(outcome.rawValue)
        writer.write(usage.cpuNanoseconds)
        writer.write(usage.wallNanoseconds)
        writer.write(usage.peakBytes)
        writer.write(usage.bytesIn)
        writer.write(usage.bytesOut)
        writer.write(usage.source.rawValue)
        writer.write(priceBound.micro)
        writer.write(extensions)
        return writer.bytes
    }

    /// - Throws: `bad_receipt` unless the bytes are the canonical form of a receipt.
    package init(canonicalBytes bytes: [UInt8]) throws(CoreFailure) {
        var reader = CanonicalReader(bytes)
        guard try reader.readString(limit: 64) == Self.domain else {
            throw CoreFailure("bad_receipt", "the receipt is not of version 1")
        }
        coordinator = try PublicKey(bytes: reader.read(raw: 32))
        let job = try JobID(bytes: reader.read(raw: 16))
        attempt = AttemptID(task: TaskID(job: job, number: try reader.read()), token: try reader.read())
        node = try PublicKey(bytes: reader.read(raw: 32))
        profileDigest = try reader.readDigest()
        let missing = Int(try reader.read(UInt16.self))
        guard missing <= Self.listLimit else {
            throw CoreFailure(
                "bad_receipt", "a receipt lists at most \(Self.listLimit) missing limits, found \(missing)")
        }
        missingIsolation = []
        for _ in 0..<missing { missingIsolation.append(try reader.readString(limit: 256)) }
        inputDigest = try reader.readDigest()
        outputDigest = try reader.readDigest()
        stdoutDigest = try reader.readDigest()
        stderrDigest = try reader.readDigest()
        let exit = try reader.read(Int32.self), signal = try reader.read(Int32.self)
        exitCode = exit < 0 ? nil : Int(exit)
        self.signal = signal < 0 ? nil : Int(signal)
        let outcomeText = try reader.readString(limit: 64)
        guard let outcome = Outcome(rawValue: outcomeText) else {
            throw CoreFailure("bad_receipt", "unknown outcome `\(outcomeText)`")
        }
        self.outcome = outcome
        let numbers: [Int64] = [
            try reader.read(), try reader.read(), try reader.read(), try reader.read(), try reader.read(),
        ]
        guard numbers.allSatisfy({ $0 >= 0 }) else {
            throw CoreFailure("bad_receipt", "usage cannot be negative")
        }
        let sourceText = try reader.readString(limit: 32)
        guard let source = Usage.Source(rawValue: sourceText) else {
            throw CoreFailure("bad_receipt", "unknown source of usage `\(sourceText)`")
        }
        usage = Usage(
            cpuNanoseconds: numbers[0], wallNanoseconds: numbers[1], peakBytes: numbers[2], bytesIn: numbers[3],
            bytesOut: numbers[4], source: source)
        priceBound = Credits(micro: try reader.read())
        extensions = try reader.readBytes(limit: Self.extensionLimit)
        try reader.end()
        guard canonicalBytes == bytes else {
            throw CoreFailure("bad_receipt", "the receipt has another form than its canonical one")
        }
    }
}

/// A receipt with the node's signature over its canonical bytes.
package struct SignedReceipt: Hashable, Sendable {
    package let receipt: Receipt
    package let signature: Signature

    package init(_ receipt: Receipt, signedWith key: SigningKey) {
        self.receipt = receipt
        signature = key.sign(receipt.canonicalBytes)
    }

    /// The canonical bytes, then 64 bytes of signature: the evidence document.
    package var bytes: [UInt8] { receipt.canonicalBytes + signature.bytes }

    /// - Throws: `bad_receipt` when the bytes do not decode or the signature is not the node's.
    package init(bytes: [UInt8]) throws(CoreFailure) {
        guard bytes.count > 64 else { throw CoreFailure("bad_receipt", "the receipt is too short to be signed") }
        let body = Array(bytes.dropLast(64))
        receipt = try Receipt(canonicalBytes: body)
        signature = try Signature(bytes: bytes.suffix(64))
        guard receipt.node.verifies(signature, of: body) else {
            throw CoreFailure("bad_receipt", "the receipt's signature was not made with the node's key")
        }
    }
}
