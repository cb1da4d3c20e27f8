package import FogAPI
package import FogCore
package import FogJobs
package import FogNet
internal import Synchronization

/// Who asks, proved: what a route is given.
package struct AuthenticatedRequest: Sendable {
    package let principal: Principal
    package let request: CarrierRequest
    /// Evidence: what was signed, by which key. Nil for what came through a worker link, which proves to nobody else
    /// who asked.
    package let signature: VerifiedSignature?

    /// - Throws: 403 `missing_role` unless the principal has one of the roles.
    package func require(_ roles: Role...) throws(Problem) {
        guard roles.contains(where: principal.roles.contains) else {
            let wanted = roles.map(\.rawValue).joined(separator: " or ")
            throw Problem(403, "missing_role", "this needs the role \(wanted), and \(principal.name) has it not")
        }
    }
}

/// Takes requests to principals, or to the problem that says why not.
package struct Authentication: Sendable {
    /// Requests of one principal under way at once, waiting polls among them; beyond it 429.
    package static let openRequestsLimit = 256

    /// The worker links that are open.
    package let links: WorkerLinks
    private let verifier: RequestVerifier
    private let window: NonceWindow
    private let key: SigningKey
    private let signer: ResponseSigner
    private let clock: any FogClock
    private let find: @Sendable (KeyID) -> Principal?
    private let open: OpenRequests

    /// - Parameters:
    ///   - key: the coordinator's; it signs the answers to state changes.
    ///   - find: the principal of a key's name; one that was revoked is refused here.
    package init(
        key: SigningKey, window: NonceWindow, clock: any FogClock, limits: RequestVerifier.Limits = .direct,
        openRequests: Int = Self.openRequestsLimit, links: WorkerLinks.Bounds = WorkerLinks.Bounds(),
        find: @escaping @Sendable (KeyID) -> Principal?
    ) {
        self.links = WorkerLinks(coordinator: key.publicKey, bounds: links, clock: clock)
        verifier = RequestVerifier(coordinator: key.publicKey.id, limits: limits)
        self.window = window
        self.key = key
        signer = ResponseSigner(key: key)
        self.clock = clock
        self.find = find
        open = OpenRequests(limit: openRequests)
    }

    /// The principal who signed the request, once: the same request a second time is `replayed`.
    package func authenticate(_ request: CarrierRequest) throws(Problem) -> AuthenticatedRequest {
        var found: Principal?
        let now = clock.now
        let verdict = verifier.verify(request, at: now) { id in
            found = find(id)
            return found?.key
        }
        let signature = try accepted(verdict)
        guard let principal = found else { throw Problem(.init("unknown_key", "no such key may act here")) }
        if let refusal = principal.refusal { throw Problem(refusal) }
        if let refusal = window.admit(signature, at: now) { throw Problem(refusal) }
        return AuthenticatedRequest(principal: principal, request: request, signature: signature)
    }

    /// Checks the signature of a key that is not enrolled yet. Its nonce is not kept, or strangers could fill the window:
    /// an enrolment is held to one by its token.
    package func verify(_ request: CarrierRequest, by newcomer: PublicKey) throws(Problem) -> VerifiedSignature {
        try accepted(verifier.verify(request, at: clock.now) { _ in newcomer })
    }

    /// Authenticates, counts the request among the principal's open ones while the handler runs, and signs the answer
    /// when the request may have changed something.
    /// - Parameter linked: a worker link may carry this request; its answer then bears the link's code.
    package func answer(
        _ request: CarrierRequest, linked: Bool = false,
        _ handler: (AuthenticatedRequest) async throws(Problem) -> CarrierResponse
    ) async -> CarrierResponse {
        do throws(Problem) {
            let authenticated: AuthenticatedRequest
            var keys: LinkKeys?
            if LinkVerifier.marks(request) {
                (authenticated, keys) = try authenticate(linked: request, mayBe: linked)
            } else {
                authenticated = try authenticate(request)
            }
            let key = authenticated.principal.key.id
            guard open.begin(key) else { throw tooMany }
            defer { open.end(key) }
            let response: CarrierResponse
            do throws(Problem) {
                response = try await handler(authenticated)
            } catch {
                response = error.response
            }
            return signed(response, to: request, keys)
        } catch {
            return error.response
        }
    }

    private func authenticate(
        linked request: CarrierRequest, mayBe linked: Bool
    ) throws(Problem) -> (AuthenticatedRequest, LinkKeys) {
        do throws(SignatureRefusal) {
            guard linked else {
                throw SignatureRefusal("link_scope", "a worker link does not carry this request; sign it with the key")
            }
            let (owner, keys) = try links.admit(request)
            guard let principal = find(owner), principal.isActive else {
                links.end(of: owner)
                throw SignatureRefusal("unknown_key", "no key \(owner) may act here")
            }
            return (AuthenticatedRequest(principal: principal, request: request, signature: nil), keys)
        } catch {
            throw Problem(error)
        }
    }

    /// Leases as the document that proves their grant.
    func signed(_ leases: [Lease], to worker: PublicKey) throws -> SignedLeases {
        try SignedLeases(leases, to: worker, at: clock.now, signedBy: key)
    }

    /// Authenticates, and counts the request among the principal's open ones until its place is let go.
    func hold(_ request: CarrierRequest) throws(Problem) -> (AuthenticatedRequest, OpenPlace) {
        let authenticated = try authenticate(request)
        guard let place = OpenPlace(authenticated.principal.key.id, among: open) else { throw tooMany }
        return (authenticated, place)
    }

    /// Whether a principal that was authenticated may still act: its key can be revoked while it waits.
    func mayAct(_ principal: Principal) -> Bool {
        find(principal.key.id)?.isActive ?? false
    }

    private var tooMany: Problem {
        Problem(429, "too_many_requests", "\(open.limit) requests of this key are under way", retryAfterSeconds: 1)
    }

    /// Requests of all principals under way.
    package var openRequests: Int { open.count }
    /// Requests of one key under way.
    package func openRequests(of key: KeyID) -> Int { open.count(of: key) }
    /// How many of one key there may be.
    package var openRequestsLimit: Int { open.limit }

    /// - Parameter keys: of the link that the request came through.
    private func signed(_ response: CarrierResponse, to request: CarrierRequest, _ keys: LinkKeys?) -> CarrierResponse {
        guard request.method != "GET", request.method != "HEAD" else { return response }
        do throws(SignatureRefusal) {
            guard let keys else { return try signer.sign(response, to: request, at: clock.now) }
            return try LinkVerifier.sign(response, to: request, keys: keys, at: clock.now)
        } catch {
            // The request was verified, so it has the signature that this one binds to.
            return Problem.unexpected.response
        }
    }

    /// The answer to a newcomer whose request was checked by ``verify(_:by:)``.
    func signed(_ response: CarrierResponse, toNewcomer request: CarrierRequest) -> CarrierResponse {
        signed(response, to: request, nil)
    }

    private func accepted(_ verdict: SignatureVerdict) throws(Problem) -> VerifiedSignature {
        switch verdict {
        case .verified(let signature): return signature
        case .refused(let refusal): throw Problem(refusal)
        }
    }
}

/// A request that lasts, counted until this is let go.
final class OpenPlace: Sendable {
    private let key: KeyID
    private let requests: OpenRequests

    fileprivate init?(_ key: KeyID, among requests: OpenRequests) {
        guard requests.begin(key) else { return nil }
        self.key = key
        self.requests = requests
    }

    deinit { requests.end(key) }
}

/// Counts the requests under way, key by key.
private final class OpenRequests: Sendable {
    let limit: Int
    private let counts = Mutex<[KeyID: Int]>([:])

    init(limit: Int) { self.limit = limit }

    var count: Int { counts.withLock { $0.values.reduce(0, +) } }

    func count(of key: KeyID) -> Int { counts.withLock { $0[key] ?? 0 } }

    func begin(_ key: KeyID) -> Bool {
        counts.withLock { counts in
            guard counts[key, default: 0] < limit else { return false }
            counts[key, default: 0] += 1
            return true
        }
    }

    func end(_ key: KeyID) {
        counts.withLock { counts in
            let left = counts[key, default: 0] - 1
            counts[key] = left > 0 ? left : nil
        }
    }
}

extension Principal {
    /// Why a key that proved itself may not act; nil when it may.
    fileprivate var refusal: SignatureRefusal? {
        if let revokedAt {
            return SignatureRefusal(
                "key_revoked", "this key was revoked or replaced at \(revokedAt); what it signs counts no more")
        }
        guard let suspendedAt else { return nil }
        return SignatureRefusal("key_suspended", "an operator suspended this key at \(suspendedAt)")
    }
}
