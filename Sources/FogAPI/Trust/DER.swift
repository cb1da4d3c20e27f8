/// The distinguished encoding of ASN.1 (ITU-T X.690), as far as a certificate of one fixed form needs it.
enum DER {
    static func sequence(_ parts: [UInt8]...) -> [UInt8] { tagged(0x30, parts.flatMap { $0 }) }
    static func set(_ part: [UInt8]) -> [UInt8] { tagged(0x31, part) }

    /// A small number, or the bytes of a positive one.
    static func integer(_ bytes: [UInt8]) -> [UInt8] {
        let digits = Array(bytes.drop { $0 == 0 })
        let needsSign = digits.isEmpty || digits[0] >= 0x80
        return tagged(0x02, (needsSign ? [0] : []) + digits)
    }

    /// - Parameter bytes: the identifier's contents, already encoded.
    static func identifier(_ bytes: [UInt8]) -> [UInt8] { tagged(0x06, bytes) }
    static func octets(_ bytes: [UInt8]) -> [UInt8] { tagged(0x04, bytes) }
    static func bits(_ bytes: [UInt8], unused: UInt8 = 0) -> [UInt8] { tagged(0x03, [unused] + bytes) }
    static func text(_ text: String) -> [UInt8] { tagged(0x0c, Array(text.utf8)) }
    /// `000101000000Z`, for years before 2050.
    static func utcTime(_ text: String) -> [UInt8] { tagged(0x17, Array(text.utf8)) }
    static func generalizedTime(_ text: String) -> [UInt8] { tagged(0x18, Array(text.utf8)) }
    static let yes: [UInt8] = [0x01, 0x01, 0xff]

    static func tagged(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        let count = content.count
        if count < 0x80 { return [tag, UInt8(count)] + content }
        let length = withUnsafeBytes(of: UInt32(count).bigEndian) { Array($0.drop { $0 == 0 }) }
        return [tag, 0x80 | UInt8(length.count)] + length + content
    }
}
