internal import FogCore

/// The `Content-Digest` field (RFC 9530) with SHA-256, the one algorithm Fog writes and reads.
package enum ContentDigest {
    package static let header = "content-digest"

    /// `sha-256=:…:`, also for an empty body: a body that was cut off must not pass for none.
    package static func field(of body: [UInt8]) -> String {
        "sha-256=:" + Base64.encode(Digest.sha256(body).bytes) + ":"
    }

    /// Whether the field is the one that ``field(of:)`` writes for this body.
    package static func matches(_ field: String, body: [UInt8]) -> Bool { field == self.field(of: body) }
}
