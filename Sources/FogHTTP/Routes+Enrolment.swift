internal import FogAPI
internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import FogLedger
internal import FogNet

extension Routes {
    /// Who gets in, and who may act.
    static let enrolmentRoutes: [(String, Handler)] = [
        (
            "POST /v1/enroll",
            { routes, asked, _ in
                let body = try Wire.decode(EnrollBody.self, from: asked.request.body)
                let invitation = try await routes.joining.invite(body, by: asked.principal, on: routes.coordinator)
                return try .json(invitation, status: 201)
            }
        ),
        (
            "GET /v1/enrolments",
            { routes, _, _ in
                let all = await routes.coordinator.enrolments()
                return try .json(
                    EnrolmentListBody(
                        invitations: all.invitations, applicants: all.applicants, approvesAll: all.approvesAll))
            }
        ),
        (
            "POST /v1/enrolments/{enrolment}/approve",
            { routes, asked, parameters in
                let reference = parameters["enrolment"]
                return try .json(
                    IdentityBody(
                        try await routes.coordinator.approve(
                            reference, by: asked.principal, authorisation: try asked.authorisation())),
                    status: 201)
            }
        ),
        (
            "POST /v1/enrolments/{enrolment}/revoke",
            { routes, asked, parameters in
                let reference = parameters["enrolment"]
                let approvesAll = await routes.coordinator.enrolments().approvesAll
                return switch try await routes.coordinator.withdraw(reference, by: asked.principal) {
                case .invitation(let invitation):
                    try .json(WithdrawnBody(invitation: InvitationBody(invitation, approvesAll: approvesAll)))
                case .applicant(let applicant): try .json(WithdrawnBody(applicant: ApplicantBody(applicant)))
                }
            }
        ),
        (
            "GET /v1/identities",
            { routes, _, parameters in
                let limit = min(try parameters.integer("limit") ?? 100, 1000)
                let after = try parameters.value("after", wanted: "a key id") { try? KeyID($0) }
                let rows = await routes.coordinator.identities(after: after, limit: limit)
                return try .json(
                    IdentityListBody(
                        identities: rows.map(IdentityBody.init), next: rows.count == limit ? rows.last?.key.id : nil))
            }
        ),
        (
            "POST /v1/identities/{identity}/suspend",
            { routes, asked, parameters in
                try .json(
                    IdentityBody(
                        try await routes.coordinator.suspend(
                            parameters["identity"], reason: try asked.reason(), by: asked.principal)))
            }
        ),
        (
            "POST /v1/identities/{identity}/resume",
            { routes, asked, parameters in
                try .json(
                    IdentityBody(try await routes.coordinator.resume(parameters["identity"], by: asked.principal)))
            }
        ),
        (
            "POST /v1/identities/{identity}/revoke",
            { routes, asked, parameters in
                try .json(
                    IdentityBody(
                        try await routes.coordinator.revoke(
                            parameters["identity"], reason: try asked.reason(), by: asked.principal,
                            authorisation: try asked.authorisation())))
            }
        ),
        ("POST /v1/identity/rotate", { routes, asked, _ in try await routes.rotate(asked) }),
    ]

    private func rotate(_ asked: AuthenticatedRequest) async throws -> CarrierResponse {
        let body = try Wire.decode(RotateBody.self, from: asked.request.body)
        guard let signed = asked.signature else {
            throw Problem(400, "bad_rotation", "a key is replaced by a request that it signs itself")
        }
        let statement = RotationStatement(
            coordinator: coordinator.key, old: asked.principal.key, new: body.key, time: body.time)
        let request = try Authorisation(base: signed.base, key: signed.keyID, signature: signed.signature)
        let new = try await coordinator.rotate(statement, consent: body.signature, request: request)
        return try .json(IdentityBody(new), status: 201)
    }
}

extension AuthenticatedRequest {
    /// What the asker says for people; empty when there is no body.
    fileprivate func reason() throws -> String {
        guard !request.body.isEmpty else { return "" }
        let reason = try Wire.decode(ReasonBody.self, from: request.body).reason
        guard reason.unicodeScalars.count <= Routes.reasonCharacters.upperBound else {
            throw Problem(
                400, "bad_reason",
                "a reason has at most \(Routes.reasonCharacters.upperBound) characters, found \(reason.unicodeScalars.count)"
            )
        }
        return reason
    }
}
