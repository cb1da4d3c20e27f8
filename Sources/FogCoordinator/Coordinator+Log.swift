package import FogCore
package import FogJobs
package import FogLedger
internal import FogStore

/// The log as others hold it against us: checkpoints, tiles, proofs.
extension Coordinator {
    /// The newest signed checkpoint.
    package nonisolated func checkpoint() async throws -> [UInt8] {
        guard let stored = try await store.checkpoint() else { throw CoordinatorFailure.notFound }
        return stored.note
    }

    /// A checkpoint that witnesses cosigned: from the last run, or the newest.
    /// One that is not of this log, as after a restored backup, is passed over.
    package func keep(cosigned note: [UInt8]) async {
        guard let head = try? Checkpoint(text: SignedNote(note).text).head, head.size > 0,
            let newest = try? await store.checkpoint(), newest.size >= head.size
        else { return }
        let plan = TreeProof.root(of: head.size)
        var tiles: [TileID: [Digest]] = [:]
        for (tile, width) in plan.tiles {
            guard let hashes = try? await store.hashes(of: tile) else { return }
            tiles[tile] = Array(hashes.prefix(width))
        }
        guard (try? plan.hashes(tiles)) == [head.root] else { return }
        cosigned = note
    }

    /// The newest checkpoint with what witnesses said of just this one.
    package func withCosignatures(_ note: [UInt8]) -> [UInt8] {
        guard let cosigned, let plain = try? SignedNote(note), (try? SignedNote(cosigned))?.text == plain.text else {
            return note
        }
        return cosigned
    }

    /// The proof that the log of `size` records begins with the `old` first; empty for none and for all of them.
    /// - Throws: `not_found` while the log has not so many.
    package nonisolated func consistency(from old: UInt64, to size: UInt64) async throws -> [Digest] {
        guard old > 0, old < size else { return [] }
        guard let newest = try await store.checkpoint(), newest.size >= size,
            let plan = TreeProof.consistency(from: old, to: size)
        else { throw CoordinatorFailure.notFound }
        var tiles: [TileID: [Digest]] = [:]
        for (tile, width) in plan.tiles { tiles[tile] = Array(try await store.hashes(of: tile).prefix(width)) }
        return try plan.hashes(tiles)
    }

    /// The hashes of a tile, 32 bytes each.
    /// - Throws: `not_found` while the tree has not so many.
    package nonisolated func hashes(level: Int, _ request: TileRequest) async throws -> [UInt8] {
        let hashes = try await store.hashes(of: TileID(level: level, number: request.number))
        guard hashes.count >= request.width else { throw CoordinatorFailure.notFound }
        return hashes.prefix(request.width).flatMap(\.bytes)
    }

    /// Up to 256 records as C2SP tlog-tiles bundles entries: each with its length, u16 big-endian, before it.
    package nonisolated func entries(ofBundle number: UInt64) async throws -> [UInt8] {
        let (first, over) = number.multipliedReportingOverflow(by: UInt64(TileID.width))
        let rows = over ? [] : try await store.ledgerRecords(from: first, limit: TileID.width)
        guard !rows.isEmpty else { throw CoordinatorFailure.notFound }
        return rows.flatMap { row in
            withUnsafeBytes(of: UInt16(clamping: row.bytes.count).bigEndian, Array.init) + row.bytes
        }
    }

    /// The payment of an attempt, with the proof that it stands in the log: for whoever may see the
    /// receipt.
    /// - Throws: `not_found` also where nothing was posted for the attempt.
    package func proof(of id: AttemptID, for principal: Principal) async throws -> InclusionProof {
        _ = try await receipt(of: id, for: principal)
        guard let sequence = try await store.payment(of: CoordinatorCore.subject(of: id)) else {
            throw CoordinatorFailure.notFound
        }
        return try await proof(ofRecord: sequence)
    }

    /// In a tree that witnesses cosigned, where they did since the record was written; else in the newest.
    package func proof(ofRecord sequence: UInt64) async throws -> InclusionProof {
        var newest = try await store.checkpoint()
        if let cosigned, let head = try? Checkpoint(text: SignedNote(cosigned).text).head, head.size > sequence,
            head.size <= newest?.size ?? 0
        {
            newest = StoredCheckpoint(number: 0, size: head.size, note: cosigned)
        }
        guard let newest, newest.size > sequence,
            let proof = TreeProof.inclusion(of: sequence, in: newest.size),
            let row = try await store.ledgerRecords(from: sequence, limit: 1).first, row.sequence == sequence
        else { throw CoordinatorFailure.notFound }
        var tiles: [TileID: [Digest]] = [:]
        for (tile, width) in proof.tiles { tiles[tile] = Array(try await store.hashes(of: tile).prefix(width)) }
        return InclusionProof(
            record: row.bytes, index: sequence, path: try proof.hashes(tiles), checkpoint: newest.note)
    }
}
