package import FogCore
package import FogNet

/// Signs requests with a principal's key (RFC 9421, Fog's profile "fog-v1").
package struct RequestSigner: Sendable {
    /// How long a signature is good for over a direct carrier; long enough for a slow upload.
    package static let defaultLifetime = TimeSpan.seconds(120)

    private let key: SigningKey
    private let coordinator: KeyID
    private let lifetime: TimeSpan

    /// - Parameter lifetime: whole seconds; at most 300 s over a direct carrier, 24 h over one that stores and forwards.
    package init(key: SigningKey, coordinator: KeyID, lifetime: TimeSpan = Self.defaultLifetime) {
        precondition(lifetime >= .seconds(1) && lifetime <= RequestVerifier.Limits.storeAndForward.lifetime)
        self.key = key
        self.coordinator = coordinator
        self.lifetime = lifetime
    }

    /// The request with digest, coordinator and signature. What it had of these is replaced.
    /// - Parameters:
    ///   - time: the signer's clock, or what the coordinator told it to use; a second is the finest that is written.
    ///   - nonce: 16 bytes, never twice with one key.
    /// - Throws: `signature_malformed` when a header that is covered cannot stand on a line.
    package func sign(
        _ request: CarrierRequest, at time: Timestamp, nonce: [UInt8] = SecureRandom.bytes(SignatureProfile.nonceLength)
    ) throws(SignatureRefusal) -> CarrierRequest {
        precondition(nonce.count == SignatureProfile.nonceLength, "a nonce has 16 bytes")
        var signed = request
        signed.headers[ContentDigest.header] = ContentDigest.field(of: request.body)
        signed.headers[SignatureProfile.coordinatorHeader] = coordinator.description
        let input = StructuredField.InnerList(
            items: SignatureProfile.components(of: request).map { .init(.string($0)) },
            parameters: [
                .init("created", .integer(time.seconds)),
                .init("expires", .integer(time.seconds + lifetime.milliseconds / 1000)),
                .init("nonce", .string(Base64.encode(nonce))),
                .init("keyid", .string(key.publicKey.id.description)),
                .init("alg", .string(SignatureProfile.algorithm)),
                .init("tag", .string(SignatureProfile.tag)),
            ])
        guard !request.hasEmptyQuery else { throw SignatureRefusal.emptyQuery }
        let base = try SignatureBase.bytes(input, of: .request(signed))
        signed.headers.write(input, key.sign(base))
        return signed
    }
}

extension CarrierRequest {
    var hasEmptyQuery: Bool { target.hasSuffix("?") && query.isEmpty }
}

extension SignatureRefusal {
    /// `/a` and `/a?` have one signature base; only the first is spoken.
    static let emptyQuery = SignatureRefusal("signature_malformed", "the target ends in `?` without a query")
}

extension CarrierHeaders {
    /// Sets both signature fields under Fog's label.
    mutating func write(_ input: StructuredField.InnerList, _ signature: Signature) {
        let label = SignatureProfile.label
        self[SignatureProfile.inputHeader] = StructuredField.serialize([.init(label, .list(input))])
        self[SignatureProfile.signatureHeader] = StructuredField.serialize([
            .init(label, .item(.init(.bytes(signature.bytes))))
        ])
    }

    /// What stands under Fog's label in both signature fields.
    /// - Throws: `signature_missing` when either is not there, `signature_malformed` when it does not parse.
    func readSignature() throws(SignatureRefusal) -> (input: StructuredField.InnerList, signature: Signature) {
        guard let inputField = self[SignatureProfile.inputHeader],
            let signatureField = self[SignatureProfile.signatureHeader]
        else {
            throw SignatureRefusal("signature_missing", "the message has no `signature-input` and `signature`")
        }
        let members: [StructuredField.Value?]
        do {
            members = try [StructuredField.dictionary(inputField), StructuredField.dictionary(signatureField)].map {
                $0.first { $0.key == SignatureProfile.label }?.value
            }
        } catch {
            throw SignatureRefusal("signature_malformed", "a signature field does not parse: \(error.message)")
        }
        guard let first = members[0], let second = members[1] else {
            throw SignatureRefusal("signature_missing", "no signature has the label `\(SignatureProfile.label)`")
        }
        guard case .list(let input) = first, case .item(let item) = second, item.parameters.isEmpty,
            case .bytes(let raw) = item.value, let signature = try? Signature(bytes: raw)
        else {
            throw SignatureRefusal("signature_malformed", "the signature is not 64 bytes over a list of components")
        }
        return (input, signature)
    }
}
