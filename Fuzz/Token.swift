import FogAPI
import FogCore

/// Enrolment tokens, as a newcomer pastes them: the text as it is, or, when the first byte is not `f`, the bytes that a
/// token's text holds.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzToken(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = input(data, size)
    let isText = bytes.first == UInt8(ascii: "f")
    let text = isText ? String(decoding: bytes, as: UTF8.self) : "fog1" + Base32.encode(Array(bytes.dropFirst()))
    guard let token = try? JoinToken(text) else { return 0 }
    hold(token.secret.count == JoinToken.secretBytes, "a secret of \(token.secret.count) bytes: \(text)")
    hold((1...JoinToken.urlLimit).contains(token.url.utf8.count), "a URL without bounds: \(text)")
    let written = token.description
    hold((try? JoinToken(written)) == token, "a token does not read as it was written: \(text)")
    hold(written == text, "two forms of one token: \(text)")
    return 0
}

/// Seeds: tokens of every form, well made.
@_cdecl("LLVMFuzzerInitialize")
public func seedToken(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    guard let key = try? SigningKey(seed: [UInt8](repeating: 4, count: 32)).publicKey else { return 0 }
    for (name, url) in [("plain", "http://127.0.0.1:8364"), ("long", "https://fog.example:443/a/b?c=d#e")] {
        for isPinned in [false, true] {
            guard
                let token = try? JoinToken(
                    url: url, coordinator: key, secret: [UInt8](repeating: 5, count: 16), isPinned: isPinned)
            else { continue }
            let text = token.description
            writeSeed("\(name)-\(isPinned)", Array(text.utf8))
            writeSeed("\(name)-\(isPinned)-capitals", Array(("fog1" + text.dropFirst(4).uppercased()).utf8))
            if let raw = Base32.decode(text.dropFirst(4)) { writeSeed("\(name)-\(isPinned)-bytes", [0] + raw) }
        }
    }
    return 0
}
