internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogLedger

/// `fog ledger receipt`: what a worker signed.
struct LedgerReceipt: SessionCommand {
    static let configuration = CommandConfiguration(
        "receipt", "Show the signed receipt of an attempt, checked here.",
        examples: [
            "fog ledger receipt 3k9v….0.1", "fog ledger receipt 3k9v….0.1 --out receipt.fog",
            "fog ledger receipt 3k9v….0.1 --out paid.tlog-proof",
        ],
        more:
            "An attempt reads JOB.TASK.TOKEN; `fog job show -o json` lists them. The file is checked later by: fog ledger verify. A name that ends in .tlog-proof gets the record that paid the attempt, with the proof that it stands in the log."
    )

    @Argument(help: "The attempt's id.")
    var attempt: String

    @Option(help: "Also write the signed bytes, or the proof, to this file.", completion: .file())
    var out: String?

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let client = try await session.ledgerClient()
        let id = try await find(client)
        let body = try await client.receipt(id)
        let signed = try ReceiptSheet.checked(body.receipt.bytes, name: "the receipt")
        guard signed.receipt.attempt == id, signed.receipt.coordinator.id == client.coordinator else {
            throw CommandLineFailure("bad_receipt", "the coordinator sent the receipt of another attempt")
        }
        if let out, out.hasSuffix(ProofSheet.suffix) {
            let proof = try await client.proof(of: id)
            // What somebody else is to believe is believed here first.
            _ = try InclusionProof(decoding: proof).verify(key: client.logKey)
            try Disk.write(proof, to: out)
        } else if let out {
            try Disk.write(body.receipt.bytes, to: out)
        }
        ReceiptSheet(receipt: signed.receipt, paid: body.paid).show(session)
    }

    /// The job may be named by a prefix or a name, as anywhere.
    private func find(_ client: FogClient) async throws -> AttemptID {
        if let id = try? AttemptID(attempt) { return id }
        let parts = attempt.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let number = UInt32(parts[1]), let token = UInt32(parts[2]) else {
            throw CommandLineFailure(
                "bad_attempt", "an attempt reads JOB.TASK.TOKEN, found `\(attempt)`", help: "fog job show JOB -o json",
                status: .usage)
        }
        return AttemptID(task: TaskID(job: try await client.job(String(parts[0])).id, number: number), token: token)
    }
}

/// `fog ledger verify`: a receipt file, offline.
struct LedgerVerify: SessionCommand {
    static let configuration = CommandConfiguration(
        "verify", "Check a receipt or a proof, offline.",
        examples: [
            "fog ledger verify receipt.fog", "fog ledger verify paid.tlog-proof",
            "fog ledger verify paid.tlog-proof --key fog.ledger/…+…+… --witness w1.example+…+… --quorum 1",
            "fog ledger verify paid.tlog-proof --policy witnesses.policy",
        ],
        more:
            "Exit 0: the key in the receipt signed it, or the proof's record stands in the log that the coordinator signed; 1: not so."
    )

    @Argument(help: "The file.", completion: .file())
    var file: String

    @Option(help: "Of a proof: the log's verifier key; default that of the coordinator you joined.")
    var key: String?

    @OptionGroup var witnesses: WitnessOptions

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        guard let bytes = try Disk.readSmall(file) else {
            throw CommandLineFailure("unreadable", "there is no file \(file)", status: .usage)
        }
        if ProofSheet.isProof(bytes) {
            return try ProofSheet(
                checking: bytes, key: key, policy: try witnesses.read(), session
            ).show(session)
        }
        ReceiptSheet(receipt: try ReceiptSheet.checked(bytes, name: file).receipt, paid: nil).show(session)
    }
}

/// A receipt for people and scripts.
struct ReceiptSheet {
    let receipt: Receipt
    let paid: Credits?

    /// - Throws: `bad_receipt` when the bytes are no receipt or its key did not sign them.
    static func checked(_ bytes: [UInt8], name: String) throws -> SignedReceipt {
        do {
            return try SignedReceipt(bytes: bytes)
        } catch {
            throw CommandLineFailure("bad_receipt", "\(name): \(error.message)")
        }
    }

    func show(_ session: Session) {
        switch session.mode {
        case .quiet: session.console.print(receipt.attempt.description)
        case .json:
            session.console.print(
                .object([
                    "attempt": .string(receipt.attempt.description), "outcome": .string(receipt.outcome.rawValue),
                    "exit_code": receipt.exitCode.map { .integer(Int64($0)) },
                    "signal": receipt.signal.map { .integer(Int64($0)) },
                    "node_key": .string(receipt.node.description),
                    "coordinator": .string(receipt.coordinator.description),
                    "input_digest": .string(receipt.inputDigest.description),
                    "output_digest": .string(receipt.outputDigest.description),
                    "stdout_digest": .string(receipt.stdoutDigest.description),
                    "stderr_digest": .string(receipt.stderrDigest.description),
                    "profile_digest": .string(receipt.profileDigest.description),
                    "missing_isolation": .array(receipt.missingIsolation.map(JSON.string)),
                    "usage": usage, "price_bound": .string(receipt.priceBound.description),
                    "paid": paid.map { .string($0.description) }, "signature": .string("valid"),
                ]))
        case .table:
            var sheet = Sheet()
            sheet.add("attempt", receipt.attempt.description)
            sheet.add("outcome", receipt.outcome.rawValue, receipt.outcome == .success ? .good : .bad)
            sheet.add("exit code", receipt.exitCode.map(String.init))
            sheet.add("signal", receipt.signal.map(String.init))
            sheet.add("node", receipt.node.description)
            sheet.add("coordinator", receipt.coordinator.description)
            sheet.add("inputs", receipt.inputDigest.description)
            sheet.add("outputs", receipt.outputDigest.description)
            sheet.add(
                "isolation",
                receipt.missingIsolation.isEmpty
                    ? "whole" : "without \(receipt.missingIsolation.joined(separator: ", "))")
            sheet.add(
                "used",
                "\(seconds(receipt.usage.cpuNanoseconds)) s of cpu in \(seconds(receipt.usage.wallNanoseconds)) s, \(ByteCount(receipt.usage.peakBytes).brief) at most (\(receipt.usage.source.rawValue))"
            )
            sheet.add("price bound", "\(receipt.priceBound) credits")
            sheet.add("paid", paid.map { "\($0) credits" })
            sheet.add("signature", "valid", .good)
            session.console.print(sheet)
        }
    }

    private var usage: JSON {
        .object([
            "cpu_ns": .integer(receipt.usage.cpuNanoseconds), "wall_ns": .integer(receipt.usage.wallNanoseconds),
            "peak_bytes": .integer(receipt.usage.peakBytes), "in": .integer(receipt.usage.bytesIn),
            "out": .integer(receipt.usage.bytesOut), "source": .string(receipt.usage.source.rawValue),
        ])
    }

    private func seconds(_ nanoseconds: Int64) -> String { BenchFigure.text(Double(nanoseconds) / 1e9) }
}
