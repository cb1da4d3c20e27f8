import FogCore
import FogMixnet

/// What comes over a link. The first byte chooses: 0 the first message of a handshake, 1 the second, 2 the third, 3 a
/// frame under the keys that were agreed, 4 the contents of a frame that registers SURBs.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzFrame(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = input(data, size)
    guard let first = bytes.first else { return 0 }
    let rest = Array(bytes.dropFirst())
    switch first % 5 {
    case 0:
        var node = Well.answering()
        guard (try? node.read(rest)) != nil else { break }
        hold(node.isOwnTurn && node.theirKey == nil, "the first message says who asks")
        // A point of small order has no answer.
        if let answer = try? node.write() { hold(answer.count == 96, "the answer has another length") }
    case 1:
        var asking = Well.asking()
        _ = try? asking.write()
        hold((try? asking.read(rest)) == nil, "an answer was taken that was not of this handshake")
    case 2:
        var (asking, node) = (Well.asking(), Well.answering())
        guard let hello = try? asking.write(), (try? node.read(hello)) != nil, (try? node.write()) != nil else { break }
        hold((try? node.read(rest)) == nil, "a third message was taken that the asker did not write")
    case 3:
        var ends = Well.agreed()
        let count = LinkFrame.byteCount(.k400)
        var frame = Array(rest.prefix(count)) + [UInt8](repeating: 0, count: max(0, count - rest.count))
        let taken = frame.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.map { ends.receive.open($0, count: count - LinkCipher.tagBytes) } ?? false
        }
        hold(!taken, "a frame was taken that the other end did not send")
    default:
        let ids = rest.withUnsafeBufferPointer { LinkFrame.registered($0) }
        guard let ids else { break }
        hold(ids.count <= (rest.count - 2) / 16, "there are more ids than bytes for them")
        hold(ids.allSatisfy { $0.count == 16 }, "an id has another length")
    }
    return 0
}

private enum Well {
    static let prologue = LinkFrame.prologue(network: .zero, suite: .k400)

    static func key(_ byte: UInt8) -> NoiseKey {
        guard let key = try? NoiseKey(secret: [UInt8](repeating: byte, count: 32)) else { fatalError("no key") }
        return key
    }

    static func asking() -> NoiseHandshake { NoiseHandshake(.initiator, key: key(1), prologue: prologue) }
    static func answering() -> NoiseHandshake { NoiseHandshake(.responder, key: key(2), prologue: prologue) }

    static func agreed() -> (send: LinkCipher, receive: LinkCipher) {
        var (near, far) = (asking(), answering())
        guard let hello = try? near.write(), (try? far.read(hello)) != nil, let answer = try? far.write(),
            (try? near.read(answer)) != nil, let last = try? near.write(), (try? far.read(last)) != nil
        else { fatalError("no handshake") }
        return far.split()
    }
}

@_cdecl("LLVMFuzzerInitialize")
public func seedFrame(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    var (near, far) = (Well.asking(), Well.answering())
    guard let hello = try? near.write(), (try? far.read(hello)) != nil, let answer = try? far.write(),
        (try? near.read(answer)) != nil, let last = try? near.write()
    else { return 0 }
    for (number, message) in [hello, answer, last].enumerated() {
        writeSeed("hands-\(number)", [UInt8(number)] + message)
    }
    writeSeed("frame", [3] + [UInt8](repeating: 1, count: LinkFrame.byteCount(.k400)))
    writeSeed("register", [4, 0, 2] + [UInt8](repeating: 3, count: 32))
    return 0
}
