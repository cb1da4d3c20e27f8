package import FogCore
package import FogNet
internal import Synchronization

/// The keys of one worker link, the same on both sides: one for requests, one for answers.
///
/// They come from an X25519 exchange whose halves both sides have signed with their lasting keys, and name the link and
/// both sides: who listens learns nothing, and who is between cannot be either of them.
package struct LinkKeys: Sendable {
    package let link: LinkID
    let requests: MACKey
    let answers: MACKey

    private static let domain = "fog-link-v1"

    /// The worker's, from the coordinator's half.
    /// - Throws: `bad_key`.
    package init(
        link: LinkID, own: ExchangeKey, answered other: [UInt8], worker: PublicKey, coordinator: PublicKey
    ) throws(CoreFailure) {
        let shared = try own.keys(withAnswerer: other)
        self.init(link: link, requests: shared.send, answers: shared.receive, worker, coordinator)
    }

    /// The coordinator's, from the worker's half.
    /// - Throws: `bad_key`.
    package init(
        link: LinkID, own: ExchangeKey, asked other: [UInt8], worker: PublicKey, coordinator: PublicKey
    ) throws(CoreFailure) {
        let shared = try own.keys(withAsker: other)
        self.init(link: link, requests: shared.receive, answers: shared.send, worker, coordinator)
    }

    private init(
        link: LinkID, requests: [UInt8], answers: [UInt8], _ worker: PublicKey, _ coordinator: PublicKey
    ) {
        self.link = link
        let keys = [("requests", requests), ("answers", answers)].map { direction, key in
            var writer = CanonicalWriter()
            writer.write(Self.domain)
            writer.write(direction)
            writer.write(link)
            writer.write(raw: worker.bytes)
            writer.write(raw: coordinator.bytes)
            return MACKey(Digest.blake2b(writer.bytes, key: key).bytes)
        }
        self.requests = keys[0]
        self.answers = keys[1]
    }
}

/// The worker's end of a link: counts and signs requests, checks answers.
package final class LinkSession: Sendable {
    package let keys: LinkKeys
    private let counter = Atomic<UInt64>(0)

    package init(_ keys: LinkKeys) { self.keys = keys }

    /// The request with digest and signature; each call counts one further.
    /// - Throws: `signature_malformed` when something that is covered cannot stand on a line.
    package func sign(_ request: CarrierRequest, at time: Timestamp) throws(SignatureRefusal) -> CarrierRequest {
        guard !request.hasEmptyQuery else { throw SignatureRefusal.emptyQuery }
        var signed = request
        signed.headers[ContentDigest.header] = ContentDigest.field(of: request.body)
        signed.headers[ProtocolVersion.header] = String(ProtocolVersion.current)
        let number = counter.add(1, ordering: .relaxed).newValue
        let text = LinkProfile.text(.init(created: time.seconds, counter: number, link: keys.link))
        let base = try LinkProfile.base(of: signed, input: text)
        signed.headers[SignatureProfile.inputHeader] = LinkProfile.inputField(text)
        signed.headers[SignatureProfile.signatureHeader] = LinkProfile.codeField(keys.requests.code(of: base))
        return signed
    }

    /// - Parameter request: as it was sent, with its signature.
    /// - Throws: `signature_missing`, `signature_malformed`, `bad_signature`, `digest_mismatch`.
    package func verify(_ response: CarrierResponse, to request: CarrierRequest) throws(SignatureRefusal) {
        guard let field = response.headers[SignatureProfile.inputHeader] else {
            throw SignatureRefusal("signature_missing", "the answer has no `signature-input`")
        }
        guard let input = LinkProfile.readAnswer(field), input.link == keys.link,
            let code = LinkProfile.readCode(response.headers[SignatureProfile.signatureHeader])
        else {
            throw SignatureRefusal("signature_malformed", "the answer is not signed as the link's answers are")
        }
        let base = try LinkProfile.base(of: response, to: request, input: input.text)
        guard keys.answers.matches(code, of: base) else {
            throw SignatureRefusal("bad_signature", "the answer's signature does not fit the link's key")
        }
        guard ContentDigest.matches(response.headers[ContentDigest.header] ?? "", body: response.body) else {
            throw SignatureRefusal("digest_mismatch", "the answer's body is not the one that was signed")
        }
    }
}

/// The coordinator's end, without memory: whether a counter is new is asked of ``CounterWindow``.
package enum LinkVerifier {
    /// Whether the request says that it comes through a link.
    package static func marks(_ request: CarrierRequest) -> Bool { LinkProfile.marks(request) }

    /// A request whose signature holds.
    package struct Verified: Sendable {
        package let link: LinkID
        package let counter: UInt64
        package let created: Timestamp
    }

    /// - Parameter find: the keys of a link; nil for one that is not known.
    /// - Throws: `link_unknown`, `signature_malformed`, `signature_coverage`, `clock_skew`, `bad_signature`,
    ///   `digest_mismatch`.
    package static func verify(
        _ request: CarrierRequest, at now: Timestamp, limits: RequestVerifier.Limits = .direct,
        keys find: (LinkID) -> LinkKeys?
    ) throws(SignatureRefusal) -> Verified {
        guard !request.hasEmptyQuery else { throw SignatureRefusal.emptyQuery }
        guard let (input, text) = LinkProfile.read(request.headers[SignatureProfile.inputHeader] ?? ""),
            let code = LinkProfile.readCode(request.headers[SignatureProfile.signatureHeader])
        else {
            throw SignatureRefusal("signature_malformed", "the request is not signed as a link's requests are")
        }
        // It would not be covered.
        guard request.headers[SignatureProfile.idempotencyHeader] == nil else {
            throw SignatureRefusal(
                "signature_coverage", "a link's request has no `\(SignatureProfile.idempotencyHeader)`")
        }
        guard let keys = find(input.link) else {
            throw SignatureRefusal("link_unknown", "there is no such link any more; open a new one")
        }
        let created = Timestamp(seconds: input.created)
        try limits.checkSkew(created: created, bodyLength: request.body.count, at: now)
        let base = try LinkProfile.base(of: request, input: text)
        guard keys.requests.matches(code, of: base) else {
            throw SignatureRefusal("bad_signature", "the signature does not fit the request and the link's key")
        }
        guard ContentDigest.matches(request.headers[ContentDigest.header] ?? "", body: request.body) else {
            throw SignatureRefusal("digest_mismatch", "the body is not the one whose SHA-256 was signed")
        }
        return Verified(link: input.link, counter: input.counter, created: created)
    }

    /// The answer with digest and signature under the link's key.
    /// - Throws: `signature_coverage` when the request has no signature to bind to.
    package static func sign(
        _ response: CarrierResponse, to request: CarrierRequest, keys: LinkKeys, at time: Timestamp
    ) throws(SignatureRefusal) -> CarrierResponse {
        var signed = response
        signed.headers[ContentDigest.header] = ContentDigest.field(of: response.body)
        let text = LinkProfile.answerText(created: time.seconds, link: keys.link)
        let base = try LinkProfile.base(of: signed, to: request, input: text)
        signed.headers[SignatureProfile.inputHeader] = LinkProfile.inputField(text)
        signed.headers[SignatureProfile.signatureHeader] = LinkProfile.codeField(keys.answers.code(of: base))
        return signed
    }
}
