import FogAPI
import FogCore
import FogNet
import Testing

/// Inputs that a client describes otherwise than any client of ours would.
@Suite("Hostile tables of inputs", .timeLimit(.minutes(10)))
struct HostileFileTableTests {
    private static func entry(_ path: String, _ digest: Digest, size: Int = 1) -> String {
        #"{"digest":"\#(digest)","path":\#(JSON.string(path).canonical),"size":\#(size)}"#
    }

    private static let own = Digest.blake2b([1])
    private static let foreign = Digest.blake2b(Array("eve's".utf8))

    /// What the table holds of `data`, and what the refusal names.
    private static let tables: [(entries: [String], names: String)] = [
        ([entry("../x", own)], "../x"), ([entry("/etc/passwd", own)], "/etc/passwd"),
        ([entry("a/../../x", own)], "a/../../x"),
        ([entry("../\u{301}x", own)], "combining mark"), ([entry("a", own), entry("a", own)], "`a`"),
        ([entry("a", own), entry("a/b", own)], "a/b"), ([entry("a", own, size: -1)], "`a`"),
        ([entry("a", foreign, size: 5)], "\(foreign) was not uploaded"), ([entry("a", own, size: 2)], "`a` in `data`"),
        ([#"{"path":"a"}"#], "data"),
        ([#"{"path":"../x/"}"#], "../x"), (["1"], "data"),
    ]

    @Test("names that lead elsewhere, clash or lie are refused with the entry named, and no job is made")
    func refused() async throws {
        try await Pool.with { pool in
            func upload(_ bytes: [UInt8], by person: String) async throws -> Digest {
                let digest = Digest.blake2b(bytes)
                let answer = try await pool.ask(
                    "PUT", "/v1/blobs/\(digest)?total=\(bytes.count)", by: person, body: bytes)
                #expect(answer.status == 200)
                return digest
            }
            _ = try await upload([1], by: "ada")
            _ = try await upload(Array("eve's".utf8), by: "eve")
            let manifest = #"{"command":["true"],"inputs":["data"],"name":"hostile"}"#
            for (entries, names) in Self.tables {
                let table = Array(#"{"data":[\#(entries.joined(separator: ","))]}"#.utf8)
                let body = SubmitBody(document: manifest, fileTable: try await upload(table, by: "ada"))
                let answer = try await pool.ask("POST", "/v1/jobs", by: "ada", body: Wire.encode(body))
                let problem = expectRefusal(answer, [400, 422], "\(entries)")
                let words = (problem?.detail ?? "") + (problem?.errors.map(\.detail).joined() ?? "")
                #expect(words.contains(names), "\(entries): \(words)")
            }
            let jobs = try await pool.ask("GET", "/v1/jobs?name=hostile", by: "ada")
            #expect(try Wire.decode(JobListBody.self, from: jobs.body).jobs.isEmpty)
            let good = Array(#"{"data":[\#(Self.entry("a/b", Self.own))]}"#.utf8)
            let body = SubmitBody(document: manifest, fileTable: try await upload(good, by: "ada"))
            #expect(try await pool.ask("POST", "/v1/jobs", by: "ada", body: Wire.encode(body)).status == 201)
            try await pool.isUnharmed()
        }
    }
}
