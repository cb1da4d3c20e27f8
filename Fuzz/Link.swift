import FogAPI
import FogCore
import FogNet

/// Requests of a worker link: each line of the input replaces a header (`name: value`), the target (`@target value`),
/// the method (`@method value`) or the body (`@body value`) of a request that the link's session signed well; a line
/// `@answer` turns what follows into an answer's headers.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzLink(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let text = String(decoding: input(data, size), as: UTF8.self)
    let request = Well.sign(Well.plain)
    var changed = request
    guard var answer = try? LinkVerifier.sign(Well.answer, to: request, keys: Well.keys, at: Well.time) else {
        fatalError("the answer could not be signed")
    }
    var isAnswer = false
    for line in text.split(separator: "\n", omittingEmptySubsequences: true).prefix(64) {
        let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        let value = parts.count == 2 ? String(parts[1]) : ""
        switch parts[0] {
        case "@answer": isAnswer = true
        case "@target": changed.target = value
        case "@method": changed.method = value
        case "@body" where isAnswer: answer.body = Array(value.utf8)
        case "@body": changed.body = Array(value.utf8)
        case "@status": answer.status = Int(value) ?? answer.status
        default:
            guard parts[0].hasSuffix(":") else { continue }
            let name = String(parts[0].dropLast()).lowercased()
            if isAnswer {
                answer.headers[name] = value.isEmpty ? nil : value
            } else {
                changed.headers[name] = value.isEmpty ? nil : value
            }
        }
    }
    _ = LinkVerifier.marks(changed)
    let verified = try? LinkVerifier.verify(changed, at: Well.time) { $0 == Well.keys.link ? Well.keys : nil }
    if let verified {
        hold(changed.method == request.method, "another method was accepted: \(text)")
        hold(changed.path == request.path, "another path was accepted: \(text)")
        hold(changed.query == request.query, "another query was accepted: \(text)")
        hold(changed.body == request.body, "another body was accepted: \(text)")
        hold(verified.link == Well.keys.link, "another link was accepted: \(text)")
        var window = CounterWindow()
        hold(window.admit(verified.counter) == .new, "a new counter was refused: \(text)")
        hold(window.admit(verified.counter) == .replayed, "a counter was taken twice: \(text)")
    }
    if (try? Well.session.verify(answer, to: request)) != nil {
        hold(answer.status == Well.answer.status, "another status was accepted: \(text)")
        hold(answer.body == Well.answer.body, "another answer was accepted: \(text)")
    }
    return 0
}

private enum Well {
    static let time = Timestamp(seconds: 1_800_000_000)
    static let plain = CarrierRequest(
        method: "POST", target: "/v1/worker/logs?attempt=a.1.1&stream=stdout", body: Array("hello".utf8))
    static let answer = CarrierResponse(
        status: 200, headers: ["content-type": "application/json"], body: Array("{}".utf8))
    static let session = both.session
    static let keys = both.keys

    /// Both ends of one link.
    private static let both: (session: LinkSession, keys: LinkKeys) = {
        let (asking, answering) = (ExchangeKey.generate(), ExchangeKey.generate())
        guard let worker = try? SigningKey(seed: [UInt8](repeating: 1, count: 32)).publicKey,
            let coordinator = try? SigningKey(seed: [UInt8](repeating: 2, count: 32)).publicKey,
            let link = try? LinkID(bytes: [UInt8](repeating: 3, count: 16)),
            let own = try? LinkKeys(
                link: link, own: asking, answered: answering.publicBytes, worker: worker, coordinator: coordinator),
            let other = try? LinkKeys(
                link: link, own: answering, asked: asking.publicBytes, worker: worker, coordinator: coordinator)
        else { fatalError("no link") }
        return (LinkSession(own), other)
    }()

    static func sign(_ request: CarrierRequest) -> CarrierRequest {
        guard let signed = try? session.sign(request, at: time) else { fatalError("the request could not be signed") }
        return signed
    }
}

/// Seeds: the well-signed request and its answer, a line a header.
@_cdecl("LLVMFuzzerInitialize")
public func seedLink(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    let request = Well.sign(Well.plain)
    guard let answer = try? LinkVerifier.sign(Well.answer, to: request, keys: Well.keys, at: Well.time) else {
        return 0
    }
    let asked =
        ["@method \(request.method)", "@target \(request.target)", "@body hello"]
        + request.headers.sorted { $0.name < $1.name }.map { "\($0.name): \($0.value)" }
    let answered =
        ["@answer", "@status 200", "@body {}"]
        + answer.headers.sorted { $0.name < $1.name }.map { "\($0.name): \($0.value)" }
    writeSeed("well", Array((asked + answered).joined(separator: "\n").utf8))
    for line in asked { writeSeed("line-\(line.prefix { $0 != " " && $0 != ":" })", Array(line.utf8)) }
    for line in answered {
        writeSeed("answer-\(line.prefix { $0 != " " && $0 != ":" })", Array("@answer\n\(line)".utf8))
    }
    return 0
}
