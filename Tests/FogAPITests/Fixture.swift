import FogAPI
import FogCore
import FogNet
import Glibc
import Testing

/// A client, a coordinator and a moment, the same in each test.
struct Fixture {
    static let now = Timestamp(seconds: 1_795_000_000)

    let key: SigningKey
    let coordinator: SigningKey

    init() throws {
        key = try SigningKey(seed: [UInt8](repeating: 1, count: 32))
        coordinator = try SigningKey(seed: [UInt8](repeating: 2, count: 32))
    }

    var verifier: RequestVerifier { RequestVerifier(coordinator: coordinator.publicKey.id) }

    func signer(lifetime: TimeSpan = RequestSigner.defaultLifetime) -> RequestSigner {
        RequestSigner(key: key, coordinator: coordinator.publicKey.id, lifetime: lifetime)
    }

    var request: CarrierRequest {
        CarrierRequest(
            method: "POST", target: "/v1/jobs?dry_run=1&label=a%20b", headers: ["fog-idempotency-key": "night-run-7"],
            body: Array(#"{"name":"hello","run":"echo hi"}"#.utf8))
    }

    func signed(_ nonce: UInt8 = 7) throws -> CarrierRequest {
        try signer().sign(request, at: Self.now, nonce: [UInt8](repeating: nonce, count: 16))
    }

    func verify(_ request: CarrierRequest, at now: Timestamp = Fixture.now) -> SignatureVerdict {
        verifier.verify(request, at: now) { $0 == key.publicKey.id ? key.publicKey : nil }
    }

    /// The code of the refusal, or nil when the request was accepted.
    func refusal(_ request: CarrierRequest, at now: Timestamp = Fixture.now) -> SignatureRefusal? {
        guard case .refused(let refusal) = verify(request, at: now) else { return nil }
        return refusal
    }

    func verified(_ request: CarrierRequest, at now: Timestamp = Fixture.now) throws -> VerifiedSignature {
        switch verify(request, at: now) {
        case .verified(let signature): return signature
        case .refused(let refusal): throw refusal
        }
    }
}

/// A published file of vectors beside the tests.
func vectors(_ name: String, file: String = #filePath) throws -> JSON {
    let folder = file.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    let stream = try #require(fopen("\(folder)/Vectors/\(name)", "r"), "no \(name) in \(folder)/Vectors")
    defer { fclose(stream) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = fread(&chunk, 1, chunk.count, stream)
        if count == 0 { break }
        bytes += chunk.prefix(count)
    }
    return try JSON(parsing: bytes)
}
