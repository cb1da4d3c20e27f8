package import FogCore
internal import FogJobs
internal import FogNet

/// Who gets in, and who may act.
extension FogClient {
    package func join(_ body: JoinBody) async throws -> JoinedBody { try await post("/v1/join", body) }

    package func enroll(_ body: EnrollBody) async throws -> EnrolledBody { try await post("/v1/enroll", body) }

    package func enrolments() async throws -> EnrolmentListBody {
        try Wire.decode(EnrolmentListBody.self, from: try await raw("GET", "/v1/enrolments").body)
    }

    package func approve(_ reference: String) async throws -> IdentityBody {
        try await post("/v1/enrolments/\(Query.escaped(reference))/approve", EmptyBody())
    }

    package func withdraw(_ reference: String) async throws -> WithdrawnBody {
        try await post("/v1/enrolments/\(Query.escaped(reference))/revoke", EmptyBody())
    }

    package func identities(after: KeyID? = nil, limit: Int = 1000) async throws -> IdentityListBody {
        var query = Query()
        query.add("after", after?.description)
        query.add("limit", String(limit))
        return try Wire.decode(IdentityListBody.self, from: try await raw("GET", "/v1/identities" + query.text).body)
    }

    /// - Parameter verb: `suspend`, `resume` or `revoke`.
    package func identity(_ reference: String, _ verb: String, reason: String) async throws -> IdentityBody {
        try await post("/v1/identities/\(Query.escaped(reference))/\(verb)", ReasonBody(reason: reason))
    }

    /// Puts a new key in the place of the one that this client signs with.
    package func rotate(to new: SigningKey) async throws -> IdentityBody {
        let statement = RotationStatement(
            coordinator: coordinatorKey, old: key.publicKey, new: new.publicKey, time: clock.now)
        return try await post(
            "/v1/identity/rotate",
            RotateBody(key: new.publicKey, time: statement.time, signature: new.sign(statement.bytes)))
    }

    private func post<Answer: Decodable>(_ target: String, _ body: some Encodable) async throws -> Answer {
        let answer = try await raw("POST", target, body: try Wire.encode(body), idempotencyKey: Self.newKey())
        return try Wire.decode(Answer.self, from: answer.body)
    }
}
