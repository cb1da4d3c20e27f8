package import FogCore
package import FogNet

/// Signs the coordinator's answers to state changes, so that a client can prove what it was told.
///
/// Covered: `"@status" "content-digest" "signature";req`. The request's signature binds the answer to that one request.
package struct ResponseSigner: Sendable {
    private let key: SigningKey

    package init(key: SigningKey) { self.key = key }

    /// The answer with digest and signature.
    /// - Throws: `signature_coverage` when the request has no signature to bind to.
    package func sign(
        _ response: CarrierResponse, to request: CarrierRequest, at time: Timestamp
    ) throws(SignatureRefusal) -> CarrierResponse {
        var signed = response
        signed.headers[ContentDigest.header] = ContentDigest.field(of: response.body)
        let input = StructuredField.InnerList(
            items: ResponseVerifier.components,
            parameters: [
                .init("created", .integer(time.seconds)),
                .init("keyid", .string(key.publicKey.id.description)),
                .init("alg", .string(SignatureProfile.algorithm)),
                .init("tag", .string(SignatureProfile.tag)),
            ])
        let base = try SignatureBase.bytes(input, of: .response(signed, to: request))
        signed.headers.write(input, key.sign(base))
        return signed
    }
}

/// Checks an answer against the coordinator's pinned key.
package struct ResponseVerifier: Sendable {
    static let components: [StructuredField.Item] = [
        .init(.string("@status")), .init(.string(ContentDigest.header)),
        .init(.string(SignatureProfile.signatureHeader), parameters: [.init("req", .boolean(true))]),
    ]

    private let key: PublicKey

    package init(key: PublicKey) { self.key = key }

    /// - Parameter request: as it was sent, with its signature.
    /// - Returns: when the coordinator signed, to the second, and what: evidence together with the key.
    /// - Throws: `signature_missing`, `signature_malformed`, `signature_coverage`, `unknown_key` when another key than
    ///   the pinned one is named, `bad_signature`, `digest_mismatch`.
    @discardableResult
    package func verify(
        _ response: CarrierResponse, to request: CarrierRequest
    ) throws(SignatureRefusal) -> (created: Timestamp, base: [UInt8], signature: Signature) {
        let (input, signature) = try response.headers.readSignature()
        guard input.items == Self.components, input.parameters.map(\.name) == ["created", "keyid", "alg", "tag"],
            input["alg"] == .string(SignatureProfile.algorithm), input["tag"] == .string(SignatureProfile.tag),
            case .integer(let created) = input["created"]
        else {
            throw SignatureRefusal(
                "signature_coverage", "the answer's signature covers other than status, digest and request")
        }
        guard input["keyid"] == .string(key.id.description) else {
            throw SignatureRefusal("unknown_key", "the answer is signed with another key than the pinned \(key.id)")
        }
        let base = try SignatureBase.bytes(input, of: .response(response, to: request))
        guard key.verifies(signature, of: base) else {
            throw SignatureRefusal("bad_signature", "the answer's signature does not fit the coordinator's key")
        }
        guard ContentDigest.matches(response.headers[ContentDigest.header] ?? "", body: response.body) else {
            throw SignatureRefusal("digest_mismatch", "the answer's body is not the one that was signed")
        }
        return (Timestamp(seconds: created), base, signature)
    }
}
