import FogAPI
import FogCore
import Testing

@Suite("Structured fields")
struct StructuredFieldTests {
    @Test(
        "canonical fields parse and serialise to themselves",
        arguments: [
            #"fog=("@method" "@path");created=1;keyid="a""#, "fog=:AAEC:", "fog=::", "a=(), b=?0, c=?1, d=\"x\"",
            #"s="a \"quoted\" \\ text""#, #"r=("signature";req "@status");created=-5"#, "*k-1.x_*=999999999999999",
            "fog=()", #"a=("x";key;n=1;s="y";b=:AA==:)"#,
        ])
    func canonical(_ text: String) throws {
        #expect(StructuredField.serialize(try StructuredField.dictionary(text)) == text)
    }

    @Test(
        "malformed fields are refused",
        arguments: [
            "", " ", "fog", "fog=", "=1", "Fog=1", "1a=1", "fog=1,", "fog=1, ", "fog=1,b=2", "fog=1 , b=2",
            "fog=1, fog=2", "fog=1,  b=2", " fog=1", "fog=1 ", "fog=(", "fog=(\"a\"", "fog=(\"a\"\"b\")",
            "fog=( \"a\")", "fog=(\"a\" )", "fog=(\"a\"  \"b\")", "fog=(a)", "fog=a", "fog=1.5", "fog=01", "fog=-0",
            "fog=--1", "fog=1000000000000000", "fog=-", "fog=\"a", "fog=\"a\\\"", "fog=\"\\x\"", "fog=\"\t\"",
            "fog=\"ü\"", "fog=\"\u{7f}\"", "fog=:AAE:", "fog=:AAEC", "fog=:AA==", "fog=:AB==:", "fog=:A A=:",
            "fog=:AA_-:", "fog=?2", "fog=?", "fog=1;", "fog=1;A", "fog=1;a=", "fog=1;a=?1", "fog=1; a", "fog=1;a;a",
            "fog=(\"a\";req=?1)", "fog=@1", "fog=%\"x\"", "fog=(\"a\")created=1", "fog=((\"a\"))", "fog=1\n",
            "fog=\u{0}",
        ])
    func malformed(_ text: String) {
        #expect(throws: StructuredField.Malformed.self) { try StructuredField.dictionary(text) }
    }

    @Test("length and counts are bounded")
    func bounds() throws {
        let limit = StructuredField.countLimit
        func list(_ count: Int) -> String {
            "fog=(" + (0..<count).map { "\"h\($0)\"" }.joined(separator: " ") + ")"
        }
        _ = try StructuredField.dictionary(list(limit))
        #expect(throws: StructuredField.Malformed.self) { try StructuredField.dictionary(list(limit + 1)) }
        func members(_ count: Int) -> String { (0..<count).map { "k\($0)=1" }.joined(separator: ", ") }
        _ = try StructuredField.dictionary(members(limit))
        #expect(throws: StructuredField.Malformed.self) { try StructuredField.dictionary(members(limit + 1)) }
        func parameters(_ count: Int) -> String { "fog=1" + (0..<count).map { ";k\($0)=1" }.joined() }
        _ = try StructuredField.dictionary(parameters(limit))
        #expect(throws: StructuredField.Malformed.self) { try StructuredField.dictionary(parameters(limit + 1)) }
        let long = "fog=\"" + String(repeating: "x", count: StructuredField.lengthLimit) + "\""
        #expect(throws: StructuredField.Malformed.self) { try StructuredField.dictionary(long) }
    }

    @Test("20,000 mutated fields never crash the parser, and what parses is canonical", arguments: [1, 2] as [UInt64])
    func fuzz(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let start = Array(#"fog=("@method" "a";req);created=12;nonce="x\"y";b=:AAEC:, z=?0"#.utf8)
        var parsed = 0
        for _ in 0..<20_000 {
            var bytes = start
            for _ in 0...Int.random(in: 0...3, using: &generator) {
                let at = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[at] = UInt8.random(in: 0x09...0x7f, using: &generator)
                case 1: bytes.remove(at: at)
                default: bytes.insert(start.randomElement(using: &generator) ?? 0, at: at)
                }
            }
            let text = String(decoding: bytes, as: UTF8.self)
            guard let members = try? StructuredField.dictionary(text) else { continue }
            parsed += 1
            #expect(StructuredField.serialize(members) == text)
        }
        #expect(parsed > 100, "seed \(seed)")
    }
}
