import FogAPI
import FogCore
import FogNet
import Testing

@Suite("Published vectors")
struct VectorTests {
    @Test("RFC 9421 B.2.6: base, input and signature are byte-identical")
    func rfc9421() throws {
        let file = try vectors("rfc9421_http_signatures.json")
        let request = try Self.request(#require(file["request"]))
        let text = try #require(file["signature_input"]?.string)
        let member = try #require(try StructuredField.dictionary(text).first)
        guard case .list(let input) = member.value else { return #expect(Bool(false), "no inner list") }

        let base = try SignatureBase.bytes(input, of: .request(request))
        #expect(String(decoding: base, as: UTF8.self) == file["signature_base"]?.string)

        let seed = try #require(file["seed_hex"]?.string.flatMap { Hex.decode($0) })
        let key = try SigningKey(seed: seed)
        #expect(file["public_hex"]?.string == Hex.encode(key.publicKey.bytes))
        let signature = key.sign(base)
        let item = StructuredField.Value.item(.init(.bytes(signature.bytes)))
        #expect(StructuredField.serialize([.init(member.key, item)]) == file["signature"]?.string)
        #expect(key.publicKey.verifies(signature, of: base))
        #expect(StructuredField.serialize([member]) == text)
    }

    @Test("RFC 9530: the SHA-256 content digest of the example")
    func contentDigest() throws {
        let file = try vectors("rfc9421_http_signatures.json")
        let body = try Array(#require(file["request"]?["body"]?.string).utf8)
        #expect(ContentDigest.field(of: body) == file["content_digest_sha256"]?.string)
    }

    @Test("RFC 9421 B.2.5: the code under a shared secret is byte-identical")
    func rfc9421SharedSecret() throws {
        let secret = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
        let base = """
            "date": Tue, 20 Apr 2021 02:07:55 GMT
            "@authority": example.com
            "content-type": application/json
            "@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"
            """
        let key = MACKey(try #require(Base64.decode(secret)))
        let code = key.code(of: Array(base.utf8))
        #expect(Base64.encode(code) == "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=")
        #expect(key.matches(code, of: Array(base.utf8)))
        #expect(!key.matches(code, of: Array(base.utf8.dropLast())))
    }

    private static func request(_ json: JSON) throws -> CarrierRequest {
        var request = CarrierRequest(
            method: try #require(json["method"]?.string), target: try #require(json["target"]?.string),
            body: Array(try #require(json["body"]?.string).utf8))
        for pair in try #require(json["headers"]?.array) {
            let name = try #require(pair.array?.first?.string)
            request.headers[name] = pair.array?.last?.string
        }
        return request
    }

    @Test("RFC 8032: seeds give these keys and signatures")
    func rfc8032() throws {
        for vector in try #require(vectors("ed25519.json")["rfc8032"]?.array) {
            let key = try SigningKey(seed: Self.hex(vector["seed"]))
            let message = try Self.hex(vector["msg"])
            #expect(key.publicKey.bytes == (try Self.hex(vector["pk"])))
            #expect(key.sign(message).bytes == (try Self.hex(vector["sig"])))
        }
    }

    @Test("Wycheproof, ed25519-speccheck and CCTV: verdicts are libsodium's; keys outside the prime-order group none")
    func strictness() throws {
        let file = try vectors("ed25519.json")
        var cases: [(key: JSON?, message: JSON?, signature: JSON?, wanted: Bool)] = []
        for vector in try #require(file["wycheproof"]?.array) {
            cases.append((vector["pk"], vector["msg"], vector["sig"], vector["libsodium"]?.bool == true))
        }
        for vector in try #require(file["speccheck"]?.array) {
            cases.append((vector["pub_key"], vector["message"], vector["signature"], vector["libsodium"]?.bool == true))
        }
        for vector in try #require(file["cctv"]?.array).compactMap({ $0.array }) {
            let flags = vector[3].array?.compactMap(\.string) ?? []
            // libsodium alone would take a key with a component of low order; such a key is never enrolled.
            let pure = !flags.contains("low_order_A") && !flags.contains("low_order_component_A")
            cases.append((vector[0], vector[2], vector[1], vector[4].bool == true && pure))
        }
        #expect(cases.count == 151 + 12 + 914)
        var accepted = 0
        for (index, one) in cases.enumerated() {
            let verdict = try Self.accepts(one.key, one.message, one.signature)
            accepted += verdict ? 1 : 0
            // Speccheck's case 3 alone has a key of mixed order among those that libsodium accepts.
            let isMixedOrder = index == 151 + 3
            #expect(verdict == (one.wanted && !isMixedOrder), "case \(index)")
        }
        #expect(accepted > 80)
    }

    private static func accepts(_ key: JSON?, _ message: JSON?, _ signature: JSON?) throws -> Bool {
        guard let key = try? PublicKey(bytes: hex(key)), let signature = try? Signature(bytes: hex(signature)) else {
            return false
        }
        return key.verifies(signature, of: try hex(message))
    }

    private static func hex(_ json: JSON?) throws -> [UInt8] {
        try #require(json?.string.flatMap { Hex.decode($0) })
    }
}
