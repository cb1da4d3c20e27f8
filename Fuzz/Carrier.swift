import FogCore
import FogNet

@testable import FogMixnet

/// A message that came out of the mixnet whole, as either end reads it: it is refused, or has the one form that is written
/// for it and keeps the carrier's bounds.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzCarrier(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = input(data, size)
    guard let message = try? CarrierMessage(bytes: bytes) else { return 0 }
    switch message {
    case .hello, .key: break
    case .request(let request):
        hold(request.target.utf8.first == UInt8(ascii: "/"), "a target that is no path")
        hold(request.body.count <= CarrierRequest.bodyLimit, "a body beyond the limit")
        hold(!request.target.utf8.contains(where: { $0 == 13 || $0 == 10 }), "a target of two lines")
    case .response(let response):
        hold((100...599).contains(response.status), "a status that is none")
    }
    // A head at the limit may be read and not be written again; it is refused then, and nothing is cut off.
    guard let written = try? message.bytes else { return 0 }
    hold((try? CarrierMessage(bytes: written)) == message, "a message that is not read back")
    switch message {
    case .hello, .key: hold(written == bytes, "two forms of one message")
    // Header fields are written in the order of their names, and may come in any.
    case .request, .response: hold(written.count == bytes.count, "a message that grew or shrank")
    }
    return 0
}

@_cdecl("LLVMFuzzerInitialize")
public func seedCarrier(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    var messages: [CarrierMessage] = [
        .hello,
        .request(
            .init(method: "POST", target: "/v1/jobs?dry_run=1", headers: ["a": "1", "b-c": "x y"], body: [0, 255])),
        .request(.init(method: "GET", target: "/")), .response(.init(status: 204)),
        .response(.init(status: 409, headers: ["content-type": "application/json"], body: Array("{}".utf8))),
    ]
    let until = Timestamp(seconds: 1_000_000)
    if let key = try? ServiceKey(id: 7, publicKey: [UInt8](repeating: 9, count: 32), until: until) {
        messages.append(.key(instance: 3, key))
    }
    for (number, message) in messages.enumerated() {
        if let bytes = try? message.bytes { writeSeed("message-\(number)", bytes) }
    }
    return 0
}
