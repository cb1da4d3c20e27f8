/// Where a job stands in somebody's distributed trace: the header `traceparent` of W3C Trace Context (level 1, section
/// 3.2), kept with the job and handed to its tasks as `TRACEPARENT`.
package struct TraceParent: Hashable, Sendable, Codable, CustomStringConvertible {
    private static let length = 55

    /// `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`
    package let description: String

    /// Nil for what the recommendation says to ignore: another form, upper case, ids that are all zero, version `ff`.
    /// What a later version adds behind these fields is left out.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == Self.length || (bytes.count > Self.length && bytes[Self.length] == UInt8(ascii: "-"))
        else {
            return nil
        }
        let dashes: Set = [2, 35, 52]
        let isGood = bytes.prefix(Self.length).enumerated().allSatisfy { index, byte in
            dashes.contains(index)
                ? byte == UInt8(ascii: "-") : (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
        }
        func isZero(_ range: Range<Int>) -> Bool { bytes[range].allSatisfy { $0 == UInt8(ascii: "0") } }
        let version = String(decoding: bytes[0..<2], as: UTF8.self)
        guard isGood, version != "ff", version != "00" || bytes.count == Self.length, !isZero(3..<35), !isZero(36..<52)
        else { return nil }
        description = "00" + String(decoding: bytes[2..<Self.length], as: UTF8.self)
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let parsed = TraceParent(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "is no traceparent")
        }
        self = parsed
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    /// 32 hexadecimal digits, by which a tracing system finds all that belongs together.
    package var traceID: String { String(description.dropFirst(3).prefix(32)) }
}
