package import FogCore
package import FogLedger
internal import FogNet

/// Where the public log stands on a coordinator.
package enum LogPaths {
    package static let checkpoint = "/log/checkpoint"
    /// The newest that witnesses cosigned, with their lines.
    package static let cosigned = "/log/cosigned"
    package static let tiles = "/log/tile/"
}

/// A coordinator showed two histories: what it signed before is not the beginning of what it signs now.
package struct LogFork: CodedFailure {
    package let code: String
    package let message: String
    /// What was kept, what is shown now and the proof that fails, as JSON: both are signed, so that anybody can judge.
    package let evidence: JSON
}

/// Reading a coordinator's log without trusting it.
extension FogClient {
    package var logKey: NoteKey { get throws { try NoteKey(coordinator: coordinatorKey) } }

    /// The newest checkpoint, its signature verified; nil of a coordinator that keeps no tree.
    package func checkpoint() async throws -> VerifiedCheckpoint? { try await checkpoint(at: LogPaths.checkpoint) }

    /// The newest checkpoint that witnesses cosigned; nil where none did.
    package func cosignedCheckpoint() async throws -> VerifiedCheckpoint? {
        try await checkpoint(at: LogPaths.cosigned)
    }

    private func checkpoint(at target: String) async throws -> VerifiedCheckpoint? {
        let answer = try await carrier.send(CarrierRequest(method: "GET", target: target), deadline: deadline)
        if answer.status == 404 { return nil }
        if let problem = Problem(answer) { throw problem }
        return try VerifiedCheckpoint(answer.body, key: logKey)
    }

    /// Tiles, each of the width that it must have.
    package func tiles(_ wanted: [TileID: Int]) async throws -> [TileID: [Digest]] {
        var found: [TileID: [Digest]] = [:]
        for (tile, width) in wanted {
            let target = LogPaths.tiles + tile.path(width: width)
            let answer = try await carrier.send(CarrierRequest(method: "GET", target: target), deadline: deadline)
            if let problem = Problem(answer) { throw problem }
            guard answer.body.count == width * 32 else {
                throw LedgerFailure("no_tile", "\(target) has \(answer.body.count) bytes, wanted \(width * 32)")
            }
            found[tile] = try stride(from: 0, to: answer.body.count, by: 32).map {
                try Digest(bytes: answer.body[$0..<$0 + 32])
            }
        }
        return found
    }

    /// The newest checkpoint, held against one that was kept.
    /// - Parameter kept: read before this is called, or what another program kept meanwhile looks like a rollback.
    /// - Throws: ``LogFork`` when the log does not go on from it.
    package func follow(_ kept: VerifiedCheckpoint) async throws -> VerifiedCheckpoint {
        guard let shown = try await checkpoint() else {
            throw Self.fork("log_rollback", "the log that had \(kept.head.size) records has none", kept, nil, [])
        }
        if shown.head == kept.head { return shown }
        guard shown.head.size > kept.head.size else {
            let isShorter = shown.head.size < kept.head.size
            throw Self.fork(
                isShorter ? "log_rollback" : "log_fork",
                isShorter
                    ? "the log had \(kept.head.size) records and has \(shown.head.size) now"
                    : "the log of \(kept.head.size) records has two roots", kept, shown, [])
        }
        guard let plan = TreeProof.consistency(from: kept.head.size, to: shown.head.size) else { return shown }
        let proof = try await plan.hashes(tiles(plan.tiles))
        guard MerkleTree.verify(from: kept.head, to: shown.head, proof: proof) else {
            throw Self.fork(
                "log_fork",
                "the log of \(shown.head.size) records does not begin with the \(kept.head.size) that it had", kept,
                shown, proof)
        }
        return shown
    }

    private static func fork(
        _ code: String, _ words: String, _ kept: VerifiedCheckpoint, _ shown: VerifiedCheckpoint?, _ proof: [Digest]
    ) -> LogFork {
        func text(_ checkpoint: VerifiedCheckpoint) -> JSON {
            .string(String(decoding: checkpoint.note.bytes, as: UTF8.self))
        }
        return LogFork(
            code: code, message: words,
            evidence: .object([
                "type": "fog-log-evidence-v1", "origin": .string(kept.checkpoint.origin), "code": .string(code),
                "found": .string(words), "kept": text(kept), "shown": shown.map(text),
                "proof": .array(proof.map { .string(Base64.encode($0.bytes)) }),
            ]))
    }

    /// Up to 256 records of the log, from 256 times the number on: for auditors. None beyond the end.
    package func entries(ofBundle number: UInt64) async throws -> [[UInt8]] {
        let body: [UInt8]
        do {
            body = try await raw("GET", "/v1/ledger/entries/\(number)").body
        } catch let problem as Problem where problem.status == 404 {
            return []
        }
        var (entries, rest) = ([[UInt8]](), body[...])
        while let high = rest.popFirst(), let low = rest.popFirst() {
            let count = Int(high) << 8 | Int(low)
            guard rest.count >= count else { throw LedgerFailure("bad_record", "bundle \(number) ends too early") }
            entries.append(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return entries
    }

    /// The file that proves an attempt's payment to anybody.
    package func proof(of attempt: AttemptID) async throws -> [UInt8] {
        try await raw("GET", "/v1/receipts/\(attempt)/proof").body
    }
}
