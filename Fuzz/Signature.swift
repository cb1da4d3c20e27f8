import FogAPI
import FogCore
import FogNet

/// Signed requests: each line of the input replaces a header (`name: value`), the target (`@target value`), the method
/// (`@method value`) or the body (`@body value`) of a request that was signed well.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSignature(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let text = String(decoding: input(data, size), as: UTF8.self)
    var request = Well.request
    for line in text.split(separator: "\n", omittingEmptySubsequences: true).prefix(64) {
        let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        let value = parts.count == 2 ? String(parts[1]) : ""
        switch parts[0] {
        case "@target": request.target = value
        case "@method": request.method = value
        case "@body": request.body = Array(value.utf8)
        default:
            guard parts[0].hasSuffix(":") else { continue }
            request.headers[String(parts[0].dropLast()).lowercased()] = value.isEmpty ? nil : value
        }
    }
    let verdict = Well.verifier.verify(request, at: Well.time) {
        $0 == Well.key.publicKey.id ? Well.key.publicKey : nil
    }
    if case .verified(let signature) = verdict {
        // Nobody but the key's owner signs: what is accepted says what was signed.
        hold(request.method == Well.request.method, "another method was accepted: \(text)")
        hold(request.path == Well.request.path, "another path was accepted: \(text)")
        hold(request.query == Well.request.query, "another query was accepted: \(text)")
        hold(request.body == Well.request.body, "another body was accepted: \(text)")
        hold(
            request.headers["fog-idempotency-key"] == Well.request.headers["fog-idempotency-key"],
            "another idempotency key was accepted: \(text)")
        let window = NonceWindow(start: Well.time - .minutes(1))
        hold(window.admit(signature, at: Well.time) == nil, "a new nonce was refused: \(text)")
        hold(window.admit(signature, at: Well.time) != nil, "a nonce was taken twice: \(text)")
    }
    return 0
}

private enum Well {
    static let time = Timestamp(seconds: 1_800_000_000)
    static let key = signer(1)
    static let coordinator = signer(2).publicKey.id
    static let verifier = RequestVerifier(coordinator: coordinator)
    static let request: CarrierRequest = {
        let plain = CarrierRequest(
            method: "POST", target: "/v1/jobs?dry_run=1", headers: ["fog-idempotency-key": "k1"], body: Array("{}".utf8)
        )
        let signer = RequestSigner(key: key, coordinator: coordinator)
        guard let signed = try? signer.sign(plain, at: time, nonce: [UInt8](repeating: 7, count: 16)) else {
            fatalError("the request could not be signed")
        }
        return signed
    }()

    private static func signer(_ byte: UInt8) -> SigningKey {
        guard let key = try? SigningKey(seed: [UInt8](repeating: byte, count: 32)) else { fatalError("no key") }
        return key
    }
}

/// Seeds: the well-signed request, a line a header.
@_cdecl("LLVMFuzzerInitialize")
public func seedSignature(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    let request = Well.request
    let lines =
        ["@method \(request.method)", "@target \(request.target)", "@body {}"]
        + request.headers.sorted { $0.name < $1.name }.map { "\($0.name): \($0.value)" }
    writeSeed("well", Array(lines.joined(separator: "\n").utf8))
    for line in lines { writeSeed("line-\(line.prefix { $0 != " " && $0 != ":" })", Array(line.utf8)) }
    return 0
}
