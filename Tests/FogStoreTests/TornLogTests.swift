import FogCore
import FogLedger
import FogStore
import FogTestSupport
import Foundation
import Testing

/// A write-ahead log as a power cut may leave it: cut short, with sectors that never arrived, or with others' bytes.
@Suite("Torn write-ahead logs")
struct TornLogTests {
    private enum Damage: CaseIterable { case cut, sectors, noise }

    /// Where the log ended when so many records were answered.
    private struct End {
        let bytes: Int
        let records: Int
    }

    @Test(
        "what lies before the damage is there, whole commits of it, and nothing else", arguments: [1, 2, 3] as [UInt64])
    func torn(seed: UInt64) async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/fog.sqlite"
            // The schema is in the file itself, the commits are in the log.
            try SQLiteStore(path: path).close()
            let store = try SQLiteStore(path: path)
            var make = StoreFixture(seed: seed)
            var ends = [End(bytes: 0, records: 0)]
            var written: [LedgerRow] = []
            for number in 0..<24 {
                let entries = number == 0 ? [make.genesis()] : (0...number % 4).map { _ in make.open(.user).change }
                try await store.establish(entries.map { .ledger($0) })
                written += entries.flatMap(\.rows)
                ends.append(End(bytes: try Data(contentsOf: log(path)).count, records: written.count))
            }
            let (file, whole) = (try Data(contentsOf: URL(fileURLWithPath: path)), try Data(contentsOf: log(path)))
            try store.close()
            #expect(zip(ends, ends.dropFirst()).allSatisfy { $0.bytes < $1.bytes }, "the log was not moved meanwhile")
            var random = SeededGenerator(seed: seed)
            for round in 0..<24 {
                let damage = Damage.allCases[round % Damage.allCases.count]
                let torn = Self.damaged(whole, damage, using: &random)
                let kept = zip(torn, whole).enumerated().first { $1.0 != $1.1 }?.offset ?? torn.count
                let wanted = ends.last { $0.bytes <= kept }?.records ?? 0
                try await judge(
                    file, torn, written.prefix(wanted), in: "\(folder)/\(round)", "seed \(seed), \(damage) at \(kept)")
            }
        }
    }

    private func log(_ path: String) -> URL { URL(fileURLWithPath: path + "-wal") }

    private static func damaged(
        _ whole: Data, _ damage: Damage, using random: inout SeededGenerator
    ) -> Data {
        var bytes = [UInt8](whole)
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch damage {
        case .cut: bytes.removeLast(bytes.count - place)
        case .sectors:
            let start = place / 512 * 512
            let end = min(bytes.count, start + 512 * Int.random(in: 1...16, using: &random))
            bytes.replaceSubrange(start..<end, with: repeatElement(0, count: end - start))
        case .noise:
            for index in place..<min(bytes.count, place + 5000) { bytes[index] = .random(in: 0...255, using: &random) }
        }
        return Data(bytes)
    }

    private func judge(
        _ file: Data, _ torn: Data, _ wanted: ArraySlice<LedgerRow>, in folder: String, _ words: Comment
    ) async throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let path = folder + "/fog.sqlite"
        try file.write(to: URL(fileURLWithPath: path))
        try torn.write(to: log(path))
        let store = try SQLiteStore(path: path)
        let found = try await store.ledgerRecords(from: 0, limit: 1000)
        #expect(found.map(\.bytes) == wanted.map(\.bytes), words)
        #expect(
            try await store.ledgerState()?.accounts.count ?? 0 == wanted.count { !$0.record.accounts.isEmpty }, words)
        // It goes on from there, and leaves a file without complaint.
        try await store.establish([.settings(["after": "the damage"])])
        try store.close()
        let again = try SQLiteStore(path: path)
        #expect(try await again.settings() == ["after": "the damage"], words)
        #expect(try await again.ledgerRecords(from: 0, limit: 1000).count == wanted.count, words)
        #expect(try await again.readEconomy { try $0.complaints() } == [], words)
        try again.close()
    }
}
