import FogAPI
import FogCoordinator
import FogCore
import FogJobs
import FogLedger
import FogNet
import FogStore
import Testing

@testable import FogHTTP

@Suite("The public log")
struct PublicLogTests {
    private func get(_ target: String, from pool: Pool) async throws -> CarrierResponse {
        try await pool.send(CarrierRequest(method: "GET", target: target))
    }

    @Test("anybody gets checkpoints and tiles, no stranger gets records, and the tiles make the root")
    func tiles() async throws {
        try await Pool.with { pool in
            let things = try await Things.make(in: pool)
            let note = try await get("/log/checkpoint", from: pool)
            #expect(note.headers["content-type"] == "text/plain; charset=utf-8")
            let checkpoint = try VerifiedCheckpoint(note.body, key: NoteKey(coordinator: pool.key.publicKey))
            let size = Int(checkpoint.head.size)
            #expect(size > 3 && size < 256)
            let tile = try await get("/log/tile/0/000.p/\(size)", from: pool)
            let hashes = try stride(from: 0, to: tile.body.count, by: 32).map {
                try Digest(bytes: tile.body[$0..<$0 + 32])
            }
            let root = try TreeProof.root(of: checkpoint.head.size).hashes([TileID(level: 0, number: 0): hashes])
            #expect(root == [checkpoint.head.root])
            for wrong in [
                "/log/tile/0/000", "/log/tile/0/000.p/255", "/log/tile/0/001.p/1", "/log/tile/entries/000.p/1",
                "/log/tile/9/000", "/log/tile/", "/log/tile/0/0", "/log/tile/0/x018446744073709551/615",
            ] {
                #expect(try await get(wrong, from: pool).status == 404, "\(wrong)")
            }
            let bundle = try await pool.ask("GET", "/v1/ledger/entries/0", by: "auditor")
            var (rest, leaves) = (bundle.body[...], [Digest]())
            while rest.count >= 2 {
                let count = Int(rest.removeFirst()) << 8 | Int(rest.removeFirst())
                leaves.append(LedgerRecord.leafHash(Array(rest.prefix(count))))
                rest = rest.dropFirst(count)
            }
            #expect(Array(leaves.prefix(size)) == hashes)
            expectRefusal(
                try await pool.ask("GET", "/v1/ledger/entries/0x", by: "auditor"), [400], code: "bad_bundle", "")
            expectRefusal(
                try await pool.ask("GET", "/v1/ledger/entries/9", by: "auditor"), [404], code: "not_found", "")
            _ = things
        }
    }

    @Test("who kept a checkpoint sees the log go on from it, and a shorter or another one")
    func follow() async throws {
        try await Pool.with { pool in
            let carrier = try HTTPCarrier("http://127.0.0.1:\(pool.port)")
            let client = FogClient(
                carrier: carrier, key: try pool.person("client").key, coordinator: pool.key.publicKey, clock: pool.clock
            )
            let kept = try #require(try await client.checkpoint())
            #expect(try await client.follow(kept) == kept)
            let (admin, account) = (try pool.person("admin"), try pool.person("ada").principal.account)
            for _ in 0..<3 {
                _ = try await pool.coordinator.grant(
                    .credits(1), to: account, reason: "more", by: admin.principal,
                    authorisation: try await pool.coordinator.statement("grant", by: admin.key))
            }
            let grown = try await client.follow(kept)
            #expect(grown.head.size == kept.head.size + 3)
            let cases = [
                (kept.head.size, "log_fork"), (grown.head.size, "log_fork"), (grown.head.size + 1, "log_rollback"),
            ]
            for (size, code) in cases {
                let forged = try Checkpoint(
                    origin: kept.checkpoint.origin, head: TreeHead(size: size, root: .zero)
                ).signed(by: pool.key)
                let failure = await #expect(throws: LogFork.self) {
                    try await client.follow(VerifiedCheckpoint(forged.bytes, key: client.logKey))
                }
                #expect(failure?.code == code)
                #expect(failure?.evidence["kept"]?.string == String(decoding: forged.bytes, as: UTF8.self))
                #expect(failure?.evidence["shown"]?.string == String(decoding: grown.note.bytes, as: UTF8.self))
            }
            await carrier.shutDown()
        }
    }
}
