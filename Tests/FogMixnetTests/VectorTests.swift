import FogCore
import FogMixnet
import Foundation
import Testing

@Suite("Vectors")
struct VectorTests {
    static func document(_ name: String) throws -> JSON {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Vectors")
        return try JSON(parsing: Array(Data(contentsOf: folder.appending(path: name))))
    }

    @Test("known answers of both packet suites", arguments: ["fog_packets.json"])
    func known(file: String) throws {
        let report = try VectorReport.check(Self.document(file))
        #expect(report.failures == [])
        #expect(report.passed > 200)
    }

    @Test(
        "published vectors",
        arguments: [
            ("ecvrf_rfc9381.json", 43, 2), ("vrf_r255_c2sp.json", 6, 0), ("lioness_chacha20_blake2b.json", 2, 0),
            ("noise_cacophony.json", 30, 0), ("noise_flynn.json", 48, 0), ("rfc_primitives.json", 17, 2),
        ])
    func published(file: String, passed: Int, skipped: Int) throws {
        let report = try VectorReport.check(Self.document(file))
        #expect(report.failures == [])
        #expect(report.passed == passed)
        #expect(report.skipped.count == skipped)
    }

    @Test("a document of no known form is refused, and an empty one is not good")
    func unknown() throws {
        #expect(throws: MixnetFailure.self) { try VectorReport.check(.object(["a": 1])) }
        #expect(try !VectorReport.check(.object(["format": "fog-packet-v1", "cases": []])).isGood)
    }
}
