import FogAPI
import FogCoordinator
import FogCore
import FogJobs
import FogLedger
import FogNet
import Foundation
import Logging
import Synchronization
import Testing

@testable import FogHTTP

/// Witnesses over real connections: an honest log is cosigned, another history is not, and what was cosigned is known
/// after a restart.
@Suite("Witnesses of a log", .timeLimit(.minutes(10)))
struct WitnessRouteTests {
    /// A witness and the folder that it keeps what it saw in.
    private final class Keeper: Sendable {
        let key = SigningKey.generate()
        let name: String
        let folder: URL
        let evidence = Mutex<[JSON]>([])

        init(_ name: String) throws {
            self.name = name
            folder = FileManager.default.temporaryDirectory.appendingPathComponent("fog-witness-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(at: folder) }

        var verifier: NoteKey { get throws { try NoteKey(name: name, kind: .cosignature, key: key.publicKey) } }

        /// As it starts: from what it kept.
        func open(_ logs: [NoteKey]) throws -> WitnessService {
            let kept = logs.compactMap { log in
                try? [UInt8](Data(contentsOf: folder.appendingPathComponent(WitnessService.fileName(of: log.name))))
            }
            return try WitnessService(
                name: name, key: key, logs: logs, kept: kept,
                keep: { [folder] origin, note in
                    try Data(note).write(
                        to: folder.appendingPathComponent(WitnessService.fileName(of: origin)), options: .atomic)
                }, report: { evidence in self.evidence.withLock { $0.append(evidence.json) } })
        }
    }

    private static func feed(_ pool: Pool, _ places: [WitnessFeed.Place]) -> WitnessFeed {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return WitnessFeed(of: pool.coordinator, to: places, logger: logger) { _ in }
    }

    private static func grow(_ pool: Pool) async throws {
        let admin = try pool.person("admin"), account = try pool.person("ada").principal.account
        _ = try await pool.coordinator.grant(
            .credits(1), to: account, reason: "more", by: admin.principal,
            authorisation: try await pool.coordinator.statement("grant", by: admin.key))
    }

    @Test("two witnesses cosign a log as it grows, and its receipts and checkpoints carry that")
    func cosigned() async throws {
        let (first, second) = (try Keeper("w1.example"), try Keeper("w2.example"))
        try await Pool.with { pool in
            let log = try NoteKey(coordinator: pool.key.publicKey)
            try await withServer(try first.open([log])) { one, _ in
                try await withServer(try second.open([log])) { two, _ in
                    let ways = [try HTTPCarrier("http://127.0.0.1:\(one)"), try HTTPCarrier("http://127.0.0.1:\(two)")]
                    let keys = [try first.verifier, try second.verifier]
                    let feed = Self.feed(pool, zip(keys, ways).map { .init(key: $0, carrier: $1) })
                    let carrier = try HTTPCarrier("http://127.0.0.1:\(pool.port)")
                    let client = FogClient(
                        carrier: carrier, key: try pool.person("client").key, coordinator: pool.key.publicKey,
                        clock: pool.clock)
                    #expect(try await client.cosignedCheckpoint() == nil)
                    for _ in 0..<3 {
                        await feed.round()
                        let cosigned = try #require(try await client.cosignedCheckpoint())
                        #expect(try await client.checkpoint()?.head == cosigned.head)
                        #expect(try WitnessPolicy(keys, quorum: 2).check(cosigned.note).count == 2)
                        #expect(try await client.checkpoint() == cosigned)
                        try await Self.grow(pool)
                        // The newest is not cosigned yet; the one before is still served.
                        #expect(try await client.checkpoint()?.note.signatures.count == 1)
                        #expect(try await client.cosignedCheckpoint() == cosigned)
                    }
                    let proof = try await pool.coordinator.proof(ofRecord: 2)
                    let verified = try proof.verify(key: log, policy: WitnessPolicy(keys, quorum: 2))
                    #expect(verified.witnesses.count == 2)
                    // The witness shows what it cosigned, under the hash of the log's name.
                    let shown = try await ways[0].send(
                        CarrierRequest(method: "GET", target: "/\(WitnessService.fileName(of: log.name))/checkpoint"),
                        deadline: .seconds(20))
                    #expect(try VerifiedCheckpoint(shown.body, key: log).witnesses(among: keys) == [keys[0]])
                    for way in ways { await way.shutDown() }
                    await carrier.shutDown()
                }
            }
        }
        #expect(first.evidence.withLock { $0.isEmpty })
    }

    @Test("another history and a rollback are refused, told with both signed checkpoints, also after a restart")
    func forked() async throws {
        let keeper = try Keeper("w1.example")
        let key = SigningKey.generate()
        let log = try NoteKey(coordinator: key.publicKey)
        @Sendable func request(_ count: UInt8, from old: UInt8, _ first: UInt8 = 0) throws -> [UInt8] {
            let leaves = (0..<count).map { Digest.sha256([$0 < 3 ? 0 : first, $0]) }
            var range = CompactRange()
            for leaf in leaves { _ = range.append(leaf) }
            let note = try Checkpoint(origin: log.name, head: range.head).signed(by: key).bytes
            let plan = old == count ? nil : TreeProof.consistency(from: UInt64(old), to: UInt64(count))
            return WitnessRequest(
                oldSize: UInt64(old), proof: try plan?.hashes([TileID(level: 0, number: 0): leaves]) ?? [], note: note
            ).bytes
        }
        @Sendable func ask(_ way: HTTPCarrier, _ body: [UInt8]) async throws -> CarrierResponse {
            try await way.send(
                CarrierRequest(method: "POST", target: "/add-checkpoint", body: body), deadline: .seconds(20))
        }
        for life in 0..<2 {
            try await withServer(try keeper.open([log])) { port, _ in
                let way = try HTTPCarrier("http://127.0.0.1:\(port)")
                if life == 0 {
                    #expect(try await ask(way, try request(5, from: 0)).status == 200)
                    let grown = try await ask(way, try request(9, from: 5))
                    #expect(grown.status == 200)
                    // Of two that race from one size, one is cosigned; the other is told where it stands.
                    async let left = ask(way, try request(11, from: 9))
                    async let right = ask(way, try request(12, from: 9))
                    #expect(try await [left.status, right.status].sorted() == [200, 409])
                }
                let stale = try await ask(way, try request(5, from: 0))
                #expect(stale.status == 409)
                #expect(stale.headers["content-type"] == "text/x.tlog.size")
                let size = try #require(UInt8(String(decoding: stale.body, as: UTF8.self).dropLast()))
                #expect(size == 11 || size == 12)
                #expect(try await ask(way, try request(size + 1, from: size, 7)).status == 422)
                #expect(try await ask(way, try request(size, from: size, 7)).status == 422)
                #expect(try await ask(way, try request(size - 1, from: size)).status == 400)
                #expect(try await ask(way, try request(size, from: size)).status == 200)
                await way.shutDown()
            }
        }
        let evidence = keeper.evidence.withLock { $0 }
        #expect(evidence.count == 4)
        for found in evidence {
            for name in ["kept", "shown"] {
                let note = try #require(found[name]?.string)
                _ = try VerifiedCheckpoint(Array(note.utf8), key: log)
            }
            #expect(found["kept"]?.string != found["shown"]?.string)
        }
    }

    @Test("what cannot be kept is not cosigned")
    func unkept() async throws {
        let key = SigningKey.generate(), log = try NoteKey(coordinator: key.publicKey)
        let witness = try WitnessService(
            name: "w", key: .generate(), logs: [log], kept: [],
            keep: { _, _ in throw LedgerFailure("unwritable", "no space") })
        let head = TreeHead(size: 1, root: .sha256([1]))
        let note = try Checkpoint(origin: log.name, head: head).signed(by: key).bytes
        let body = WitnessRequest(oldSize: 0, proof: [], note: note).bytes
        for _ in 0..<2 {
            let answer = await witness.handle(CarrierRequest(method: "POST", target: "/add-checkpoint", body: body))
            #expect(answer.status == 500)
            #expect(!String(decoding: answer.body, as: UTF8.self).contains("\u{2014}"))
        }
    }
}
