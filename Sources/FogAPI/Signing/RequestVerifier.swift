package import FogCore
package import FogNet

/// A request whose signature holds. Whether its nonce is new is asked of ``NonceWindow``.
package struct VerifiedSignature: Hashable, Sendable {
    package let key: PublicKey
    /// 16 bytes.
    package let nonce: [UInt8]
    package let created: Timestamp
    package let expires: Timestamp
    /// What was signed, and the signature: together with the key, evidence that others can check.
    package let base: [UInt8]
    package let signature: Signature

    package var keyID: KeyID { key.id }
}

package enum SignatureVerdict: Equatable, Sendable {
    case verified(VerifiedSignature)
    case refused(SignatureRefusal)
}

/// Decides whether a request was signed by the key it names, for this coordinator, now. Pure: time and keys come in.
package struct RequestVerifier: Sendable {
    /// How far times may lie apart.
    package struct Limits: Hashable, Sendable {
        /// From `created` to `expires`, at most.
        package var lifetime: TimeSpan
        /// Between `created` and the coordinator's clock, ahead; nil behind means "until it expires".
        package var skewAhead: TimeSpan
        package var skewBehind: TimeSpan?

        package init(lifetime: TimeSpan, skewAhead: TimeSpan, skewBehind: TimeSpan?) {
            self.lifetime = lifetime
            self.skewAhead = skewAhead
            self.skewBehind = skewBehind
        }

        /// Over HTTP, or in memory.
        package static let direct = Limits(lifetime: .seconds(300), skewAhead: .seconds(60), skewBehind: .seconds(60))
        /// Over a carrier that may hold a request for a day.
        package static let storeAndForward = Limits(lifetime: .hours(24), skewAhead: .seconds(60), skewBehind: nil)
    }

    package let coordinator: KeyID
    package let limits: Limits

    package init(coordinator: KeyID, limits: Limits = .direct) {
        self.coordinator = coordinator
        self.limits = limits
    }

    /// - Parameter key: the key of that name that may act now; nil for unknown and for revoked keys alike.
    package func verify(_ request: CarrierRequest, at now: Timestamp, key: (KeyID) -> PublicKey?) -> SignatureVerdict {
        do throws(SignatureRefusal) {
            return .verified(try verified(request, at: now, key: key))
        } catch {
            return .refused(error)
        }
    }

    /// Cheap checks first; the body is hashed only for a key that may act, so a stranger cannot make us work.
    private func verified(
        _ request: CarrierRequest, at now: Timestamp, key find: (KeyID) -> PublicKey?
    ) throws(SignatureRefusal) -> VerifiedSignature {
        let (input, signature) = try request.headers.readSignature()
        guard !request.hasEmptyQuery else { throw SignatureRefusal.emptyQuery }
        try checkCoverage(input, of: request)
        let parameters = try Parameters(input)
        guard request.headers[SignatureProfile.coordinatorHeader] == coordinator.description else {
            throw SignatureRefusal(
                "wrong_coordinator", "the request is for another coordinator; this one is \(coordinator)")
        }
        try checkTimes(parameters, bodyLength: request.body.count, at: now)
        guard let key = find(parameters.key), key.id == parameters.key else {
            throw SignatureRefusal("unknown_key", "no key \(parameters.key) may act here")
        }
        let base = try SignatureBase.bytes(input, of: .request(request))
        guard key.verifies(signature, of: base) else {
            throw SignatureRefusal("bad_signature", "the signature does not fit the request and the key \(key.id)")
        }
        guard ContentDigest.matches(request.headers[ContentDigest.header] ?? "", body: request.body) else {
            throw SignatureRefusal("digest_mismatch", "the body is not the one whose SHA-256 was signed")
        }
        return VerifiedSignature(
            key: key, nonce: parameters.nonce, created: parameters.created, expires: parameters.expires, base: base,
            signature: signature)
    }

    private func checkCoverage(_ input: StructuredField.InnerList, of request: CarrierRequest) throws(SignatureRefusal)
    {
        for name in SignatureProfile.components(of: request) where !input.items.contains(.init(.string(name))) {
            throw SignatureRefusal("signature_coverage", "the signature does not cover `\(name)`")
        }
    }

    private func checkTimes(_ parameters: Parameters, bodyLength: Int, at now: Timestamp) throws(SignatureRefusal) {
        let span = parameters.expires - parameters.created
        guard span > .zero, span <= limits.lifetime else {
            throw SignatureRefusal(
                "signature_malformed",
                "the signature is made for \(span.seconds) s, wanted more than 0 and at most \(limits.lifetime.seconds)"
            )
        }
        try limits.checkSkew(created: parameters.created, bodyLength: bodyLength, at: now)
        guard now <= parameters.expires else {
            let age = (now - parameters.expires).milliseconds / 1000
            throw SignatureRefusal("signature_expired", "the signature expired \(age) s ago", serverTime: now)
        }
    }
}

extension RequestVerifier.Limits {
    /// The slowest upload that does not look like a slow clock, in bytes a second: time is compared when the body has
    /// arrived, while `created` was written before it left.
    private static let slowestUpload: Int64 = 32 << 10

    /// - Throws: `clock_skew`, which says how far the signer's clock is off, and where ours stands.
    func checkSkew(created: Timestamp, bodyLength: Int, at now: Timestamp) throws(SignatureRefusal) {
        let ahead = created - now
        if ahead > skewAhead { throw Self.skew(ahead, "ahead of", at: now) }
        let behind = now - created
        let transit = TimeSpan.milliseconds(Int64(bodyLength) * 1000 / Self.slowestUpload)
        if let skewBehind, behind > skewBehind + transit { throw Self.skew(behind, "behind", at: now) }
    }

    private static func skew(_ span: TimeSpan, _ side: String, at now: Timestamp) -> SignatureRefusal {
        let seconds = (span.milliseconds + 500) / 1000
        // A lost battery is years off; then nobody counts seconds.
        let words = seconds < 600 ? "\(seconds) s" : span.brief
        return SignatureRefusal(
            "clock_skew", "your clock is \(words) \(side) the coordinator's", serverTime: now)
    }
}

/// The parameters of Fog's profile, all of them and no others.
private struct Parameters {
    let created: Timestamp
    let expires: Timestamp
    let nonce: [UInt8]
    let key: KeyID

    private static let names: Set = ["created", "expires", "nonce", "keyid", "alg", "tag"]
    /// 9999-12-31: beyond it a time cannot be meant, and arithmetic on it might overflow.
    private static let lastSecond: Int64 = 253_402_300_799

    init(_ input: StructuredField.InnerList) throws(SignatureRefusal) {
        guard Set(input.parameters.map(\.name)) == Self.names else {
            throw SignatureRefusal(
                "signature_malformed", "the parameters are created, expires, nonce, keyid, alg and tag, all of them")
        }
        guard input["alg"] == .string(SignatureProfile.algorithm), input["tag"] == .string(SignatureProfile.tag) else {
            throw SignatureRefusal("signature_malformed", "wanted alg=\"ed25519\" and tag=\"fog-v1\"")
        }
        guard case .integer(let created) = input["created"], case .integer(let expires) = input["expires"],
            (0...Self.lastSecond).contains(created), (0...Self.lastSecond).contains(expires)
        else {
            throw SignatureRefusal("signature_malformed", "created and expires are seconds since 1970")
        }
        guard case .string(let nonceText) = input["nonce"], let nonce = Base64.decode(nonceText),
            nonce.count == SignatureProfile.nonceLength
        else {
            throw SignatureRefusal("signature_malformed", "the nonce is 16 bytes in base64")
        }
        guard case .string(let keyText) = input["keyid"], let key = try? KeyID(keyText) else {
            throw SignatureRefusal("signature_malformed", "keyid is a key's name of 26 characters")
        }
        self.created = Timestamp(seconds: created)
        self.expires = Timestamp(seconds: expires)
        self.nonce = nonce
        self.key = key
    }
}
