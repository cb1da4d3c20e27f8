package import FogCore
internal import FogJobs
package import FogNet

/// How what is said gets there, and what an answer must be to be believed.
extension FogClient {
    package static func newKey() -> String { Base32.encode(SecureRandom.bytes(16)) }

    func call<Answer: Decodable>(
        _ method: String, _ target: String, patience: TimeSpan = .zero
    ) async throws -> Answer {
        try Wire.decode(Answer.self, from: try await raw(method, target, patience: patience).body)
    }

    func call<Answer: Decodable>(
        _ method: String, _ target: String, _ body: some Encodable, idempotencyKey: String? = nil,
        patience: TimeSpan = .zero
    ) async throws -> Answer {
        let answer = try await raw(
            method, target, body: try Wire.encode(body), idempotencyKey: idempotencyKey, patience: patience)
        return try Wire.decode(Answer.self, from: answer.body)
    }

    /// Signs and sends, with the key or through the worker link.
    /// - Throws: ``Problem`` for a refusal, ``BadAnswer`` for an answer that the coordinator did not sign,
    ///   ``CarrierFailure`` for none.
    package func raw(
        _ method: String, _ target: String, body: [UInt8] = [], idempotencyKey: String? = nil,
        patience: TimeSpan = .zero
    ) async throws -> CarrierResponse {
        var request = CarrierRequest(method: method, target: target, body: body)
        request.headers[ProtocolVersion.header] = String(ProtocolVersion.current)
        if let idempotencyKey { request.headers[SignatureProfile.idempotencyHeader] = idempotencyKey }
        if !body.isEmpty { request.headers["content-type"] = "application/json" }
        if let traceparent { request.headers["traceparent"] = traceparent }
        if let link, WorkerRoutes.areLinked(request) { return try await send(request, through: link, patience) }
        return try await send(request, patience)
    }

    /// Signs with the key; once more by the coordinator's clock when it has started since the request was signed.
    private func send(_ request: CarrierRequest, _ patience: TimeSpan) async throws -> CarrierResponse {
        let signer = RequestSigner(key: key, coordinator: coordinator)
        let verifier = ResponseVerifier(key: coordinatorKey)
        var at = clock.now
        for attempt in 0..<2 {
            let signed = try signer.sign(request, at: at)
            let answer = try await carrier.send(signed, deadline: deadline + patience)
            try AnswerCheck.check(answer, to: signed) { () throws(SignatureRefusal) in
                _ = try verifier.verify(answer, to: signed)
            }
            guard let problem = Problem(answer) else { return answer }
            guard attempt == 0, problem.code == "signed_before_start", let time = problem.serverTime else {
                throw problem
            }
            at = time
        }
        throw Problem.unexpected
    }

    // MARK: - The worker link

    /// The same client, whose worker requests go through a link that it opens when it first needs one.
    package func withWorkerLink() -> FogClient {
        var client = self
        client.link = WorkerLink()
        return client
    }

    /// Links that a request may need: the one that was open, and, when the coordinator has forgotten that, a new one
    /// that another process of the same key may push out once more.
    private static let linkTries = 3

    private func send(
        _ request: CarrierRequest, through link: WorkerLink, _ patience: TimeSpan
    ) async throws -> CarrierResponse {
        var last = Problem.unexpected
        for _ in 0..<Self.linkTries {
            let session = try await link.session { try await openLink() }
            let signed = try session.sign(request, at: clock.now)
            let answer = try await carrier.send(signed, deadline: deadline + patience)
            try AnswerCheck.check(answer, to: signed) { () throws(SignatureRefusal) in
                try session.verify(answer, to: signed)
            }
            guard let problem = Problem(answer) else { return answer }
            switch problem.code {
            case "link_unknown": await link.forget(session.keys.link)
            // Others of ours overtook it by far; it was not looked at.
            case "counter_too_old": break
            default: throw problem
            }
            last = problem
        }
        throw last
    }

    private func openLink() async throws -> LinkSession {
        let half = ExchangeKey.generate()
        var request = CarrierRequest(
            method: "POST", target: WorkerRoutes.link,
            body: try Wire.encode(LinkRequest(exchange: Base64Bytes(half.publicBytes))))
        request.headers[ProtocolVersion.header] = String(ProtocolVersion.current)
        request.headers["content-type"] = "application/json"
        let answer = try Wire.decode(LinkAnswer.self, from: try await send(request, .zero).body)
        return LinkSession(
            try LinkKeys(
                link: answer.link, own: half, answered: answer.exchange.bytes, worker: key.publicKey,
                coordinator: coordinatorKey))
    }
}

/// The requests of a worker by how they are signed.
package enum WorkerRoutes {
    package static let link = "/v1/worker/link"

    /// Frequent, and no evidence by themselves: receipts and checkpoint files inside them are vouched for on their own.
    package static let linked: Set = [
        "/v1/worker/poll", "/v1/worker/heartbeat", "/v1/worker/complete", "/v1/worker/checkpoint", "/v1/worker/logs",
    ]

    static func areLinked(_ request: CarrierRequest) -> Bool {
        linked.contains(request.path) && request.headers[SignatureProfile.idempotencyHeader] == nil
    }
}
