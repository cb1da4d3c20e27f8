import FogAPI
import FogCore
import FogNet
import Testing

@Suite("Response signatures")
struct ResponseSignatureTests {
    private let fixture: Fixture
    private let request: CarrierRequest
    private let response: CarrierResponse

    init() throws {
        fixture = try Fixture()
        request = try fixture.signed()
        let plain = CarrierResponse(
            status: 201, headers: ["content-type": "application/json"], body: Array(#"{"id":"x"}"#.utf8))
        response = try ResponseSigner(key: fixture.coordinator).sign(plain, to: request, at: Fixture.now)
    }

    private var verifier: ResponseVerifier { ResponseVerifier(key: fixture.coordinator.publicKey) }

    private func refusal(_ response: CarrierResponse, to request: CarrierRequest? = nil) -> String? {
        do throws(SignatureRefusal) {
            try verifier.verify(response, to: request ?? self.request)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("a signed answer is verified with the pinned key, and tells when it was signed")
    func accepted() throws {
        let evidence = try verifier.verify(response, to: request)
        #expect(evidence.created == Fixture.now)
        #expect(fixture.coordinator.publicKey.verifies(evidence.signature, of: evidence.base))
        #expect(String(decoding: evidence.base, as: UTF8.self).contains("\"signature\";req: fog=:"))
    }

    @Test("another status, body, key or request is refused")
    func altered() throws {
        var other = response
        other.status = 200
        #expect(refusal(other) == "bad_signature")
        other = response
        other.body.append(0x20)
        #expect(refusal(other) == "digest_mismatch")
        other.headers["content-digest"] = ContentDigest.field(of: other.body)
        #expect(refusal(other) == "bad_signature")
        #expect(refusal(response, to: try fixture.signed(8)) == "bad_signature")
        #expect(refusal(CarrierResponse(status: 201)) == "signature_missing")
        let stranger = try ResponseSigner(key: .generate()).sign(response, to: request, at: Fixture.now)
        #expect(refusal(stranger) == "unknown_key")
    }

    @Test("an answer cannot be signed to a request that was not")
    func unsigned() {
        #expect(throws: SignatureRefusal.self) {
            try ResponseSigner(key: fixture.coordinator).sign(response, to: fixture.request, at: Fixture.now)
        }
    }

    @Test("of 2,000 mutations of a signed answer none is accepted", arguments: [21] as [UInt64])
    func fuzz(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var tried = 0
        while tried < 2000 {
            var carried = CarrierRequest(method: String(response.status), target: "/", headers: response.headers)
            carried.body = response.body
            let mutant = Mutation.of(carried, using: &generator)
            guard mutant != carried, mutant.target == "/", let status = Int(mutant.method) else { continue }
            let answer = CarrierResponse(status: status, headers: mutant.headers, body: mutant.body)
            guard answer != response else { continue }
            tried += 1
            #expect(refusal(answer) != nil, "seed \(seed), try \(tried): \(answer)")
        }
    }
}
