import FogAPI
import FogCore
import FogNet
import Synchronization
import Testing

@Suite("Answers that a client believes")
struct BadAnswerTests {
    /// Answers as it is told, signed as it is told.
    private struct Endpoint: CarrierEndpoint {
        var status = 200
        var document: Problem?
        var change: @Sendable (inout CarrierResponse) -> Void = { _ in }
        /// Nil = not signed.
        var key: SigningKey?

        func handle(_ request: CarrierRequest) async -> CarrierResponse {
            var answer = document?.response ?? CarrierResponse(status: status, body: Array("{}".utf8))
            if let key, let signed = try? ResponseSigner(key: key).sign(answer, to: request, at: Fixture.now) {
                answer = signed
            }
            change(&answer)
            return answer
        }
    }

    private let coordinator: SigningKey

    init() throws { coordinator = try Fixture().coordinator }

    private func failure(_ endpoint: Endpoint, _ method: String = "POST") async throws -> (any CodedFailure)? {
        let client = FogClient(
            carrier: MemoryCarrier(endpoint), key: try Fixture().key, coordinator: coordinator.publicKey)
        do {
            _ = try await client.raw(method, "/v1/jobs", body: method == "GET" ? [] : Array("{}".utf8))
            return nil
        } catch {
            return try #require(error as? any CodedFailure)
        }
    }

    @Test("a signed answer is believed, also a refusal")
    func believed() async throws {
        #expect(try await failure(Endpoint(key: coordinator)) == nil)
        let refused = try await failure(Endpoint(document: Problem(409, "conflict", "no"), key: coordinator))
        #expect(refused?.code == "conflict")
    }

    @Test("no signature, another's, and one that was altered are bad_answer")
    func wrong() async throws {
        let found: [(Endpoint, String)] = [
            (Endpoint(), "signature_missing"),
            (Endpoint(status: 302), "signature_missing"),
            (Endpoint(key: .generate()), "unknown_key"),
            (Endpoint(change: { $0.body = [] }, key: coordinator), "digest_mismatch"),
            (Endpoint(change: { $0.status = 201 }, key: coordinator), "bad_signature"),
            (Endpoint(change: { $0.headers["signature"] = nil }, key: coordinator), "signature_missing"),
            (Endpoint(change: { $0.headers["signature-input"] = "x" }, key: coordinator), "signature_malformed"),
        ]
        for (endpoint, reason) in found {
            let failure = try await failure(endpoint)
            #expect(failure is BadAnswer && failure?.code == "bad_answer", "\(reason): \(String(describing: failure))")
            #expect(failure?.message.contains("(\(reason);") == true, "\(failure?.message ?? "")")
            #expect(failure?.message.hasPrefix("the answer to POST /v1/jobs does not come from") == true)
        }
    }

    @Test("the answer to another request of ours is bad_answer")
    func swapped() async throws {
        let kept = Mutex<CarrierResponse?>(nil)
        let first = Endpoint(change: { answer in kept.withLock { $0 = answer } }, key: coordinator)
        #expect(try await failure(first) == nil)
        let replayed = Endpoint(change: { answer in kept.withLock { answer = $0 ?? answer } }, key: coordinator)
        #expect(try await failure(replayed) is BadAnswer)
    }

    @Test(
        "refusals for good are believed only with a signature: a result is not thrown away on a stranger's word",
        arguments: [400, 403, 404, 409, 410, 412, 422])
    func unsignedRefusals(status: Int) async throws {
        let problem = Problem(status, "no", "never")
        #expect(try await failure(Endpoint(document: problem)) is BadAnswer)
        #expect(try await failure(Endpoint(document: problem, key: coordinator))?.code == "no")
    }

    @Test(
        "what is said before it is known who asks bears no signature, and means that nothing was done",
        arguments: [
            (401, "unknown_key"), (404, "no_such_path"), (405, "method_not_allowed"), (408, "body_too_slow"),
            (413, "too_large"), (426, "upgrade_required"), (429, "too_many_requests"), (503, "overloaded"),
        ])
    func atTheDoor(status: Int, code: String) async throws {
        let problem = Problem(status, code, "later")
        #expect(try await failure(Endpoint(document: problem))?.code == code)
        // But a wrong signature is wrong everywhere.
        #expect(try await failure(Endpoint(document: problem, key: .generate())) is BadAnswer)
    }

    @Test("what changes nothing rests on the connection")
    func reads() async throws {
        #expect(try await failure(Endpoint(), "GET") == nil)
        #expect(try await failure(Endpoint(document: Problem(404, "not_found", "none")), "GET")?.code == "not_found")
    }
}
