package import FogCore
package import FogNet

/// The signature base of RFC 9421 section 2.5: the bytes that are signed, one line a component.
package enum SignatureBase {
    /// What is signed; an answer may cover parts of the request it answers (`;req`, section 2.4).
    package enum Message: Sendable {
        case request(CarrierRequest)
        case response(CarrierResponse, to: CarrierRequest)
    }

    /// The bytes to sign for the components and parameters of a signature's input.
    /// - Throws: `signature_coverage` when a component is not in the message, stands twice or is of a kind that Fog
    ///   does not speak; `signature_malformed` when a value cannot stand on one line.
    package static func bytes(_ input: StructuredField.InnerList, of message: Message) throws(SignatureRefusal)
        -> [UInt8]
    {
        var out = ""
        var seen: Set<StructuredField.Item> = []
        for item in input.items {
            guard seen.insert(item).inserted else {
                throw SignatureRefusal("signature_coverage", "\(StructuredField.serialize(item)) is covered twice")
            }
            out += StructuredField.serialize(item) + ": " + (try value(of: item, in: message)) + "\n"
        }
        out += "\"@signature-params\": " + StructuredField.serialize(input)
        return Array(out.utf8)
    }

    private static func value(of item: StructuredField.Item, in message: Message) throws(SignatureRefusal) -> String {
        guard case .string(let name) = item.value else {
            throw SignatureRefusal("signature_coverage", "a component is named by a string")
        }
        let found: String?
        switch (message, item.parameters) {
        case (.request(let request), []): found = value(name, in: request)
        case (.response(_, let request), [.init("req", .boolean(true))]): found = value(name, in: request)
        case (.response(let response, _), []):
            found = name == "@status" ? String(response.status) : header(name, in: response.headers)
        default: found = nil
        }
        guard let found else {
            let component = StructuredField.serialize(item)
            throw SignatureRefusal("signature_coverage", "\(component) is covered but not in the message")
        }
        return try checked(found, of: name)
    }

    private static func value(_ name: String, in request: CarrierRequest) -> String? {
        switch name {
        case "@method": request.method
        case "@path": request.path
        // Section 2.2.7: the question mark belongs to the value, and stands alone when there is no query.
        case "@query": "?" + request.query
        case "@authority": request.headers["host"]?.lowercased()
        default: header(name, in: request.headers)
        }
    }

    private static func header(_ name: String, in headers: CarrierHeaders) -> String? {
        name.hasPrefix("@") ? nil : headers[name]
    }

    /// The RFC strips white space around a value. A carrier that is not HTTP would keep it, and one signature would fit
    /// two messages: so a value that would be changed is refused. Nor may a value begin a second line.
    private static func checked(_ value: String, of name: String) throws(SignatureRefusal) -> String {
        let outer: [UInt8?] = [value.utf8.first, value.utf8.last]
        guard !outer.contains(0x20), !outer.contains(0x09), !value.utf8.contains(where: { $0 < 0x20 && $0 != 0x09 })
        else {
            throw SignatureRefusal(
                "signature_malformed", "the value of `\(name)` has white space around it or a line break in it")
        }
        return value
    }
}

/// Why a signature, or what it stands for, is not accepted.
package struct SignatureRefusal: CodedFailure, Equatable {
    /// `signature_missing`, `signature_malformed`, `signature_coverage`, `signature_expired`, `clock_skew`,
    /// `signed_before_start`, `wrong_coordinator`, `unknown_key`, `bad_signature`, `digest_mismatch`, `replayed`,
    /// `too_many_requests`; in a worker link also `link_unknown`, `link_scope`, `counter_too_old`.
    package let code: String
    package let message: String
    /// What to sign with instead, for `signed_before_start` and `clock_skew`: the coordinator's clock.
    package let serverTime: Timestamp?

    package init(_ code: String, _ message: String, serverTime: Timestamp? = nil) {
        self.code = code
        self.message = message
        self.serverTime = serverTime
    }
}

/// Names of Fog's profile of RFC 9421, "fog-v1".
package enum SignatureProfile {
    /// The label under which Fog's signature stands; others are left to whoever put them there.
    package static let label = "fog"
    package static let tag = "fog-v1"
    package static let algorithm = "ed25519"
    package static let nonceLength = 16

    package static let inputHeader = "signature-input"
    package static let signatureHeader = "signature"
    /// The coordinator's key name, so that a request is valid through any door but for one coordinator.
    package static let coordinatorHeader = "fog-coordinator"
    package static let idempotencyHeader = "fog-idempotency-key"

    /// What every request covers.
    static let components = ["@method", "@path", "@query", ContentDigest.header, coordinatorHeader]

    /// What this one covers: the protocol's version and the idempotency key come last when they are there.
    static func components(of request: CarrierRequest) -> [String] {
        components + [ProtocolVersion.header, idempotencyHeader].filter { request.headers[$0] != nil }
    }
}
