internal import FogCore
internal import FogNet

/// Fog's profile of RFC 9421 inside a worker link, "fog-link-v1": `hmac-sha256` under the link's key, with a counter.
///
/// A signature's input has exactly one form, components and parameters in this order. So it is read and written
/// without a parser, and the text that was sent is the text that was signed.
enum LinkProfile {
    static let tag = "fog-link-v1"
    static let algorithm = "hmac-sha256"
    /// The largest counter, far beyond what a link lives to see.
    static let lastCounter: UInt64 = 1 << 53

    private static let requestOpening =
        #"("@method" "@path" "@query" "content-digest" "fog-protocol");created="#
    private static let answerOpening = #"("@status" "content-digest" "signature";req);created="#
    private static let closing = #"";alg="hmac-sha256";tag="fog-link-v1""#
    private static let label = SignatureProfile.label + "="

    /// What a link's request says of itself.
    struct RequestInput: Hashable {
        var created: Int64
        var counter: UInt64
        var link: LinkID
    }

    // MARK: - Inputs

    static func text(_ input: RequestInput) -> String {
        "\(requestOpening)\(input.created);nonce=\"\(input.counter)\";keyid=\"\(input.link)\(closing)"
    }

    static func answerText(created: Int64, link: LinkID) -> String {
        "\(answerOpening)\(created);keyid=\"\(link)\(closing)"
    }

    /// Whether the request says that it comes through a link.
    static func marks(_ request: CarrierRequest) -> Bool {
        request.headers[SignatureProfile.inputHeader]?.hasSuffix(closing) == true
    }

    /// The input of a request's signature and its text without the label; nil for any other form.
    static func read(_ field: String) -> (input: RequestInput, text: String)? {
        var scanner = ByteScanner(field)
        guard scanner.take(label), scanner.take(requestOpening), let created = scanner.number(),
            scanner.take(";nonce=\""), let counter = scanner.number(), (1...lastCounter).contains(counter),
            scanner.take("\";keyid=\""), let link = try? LinkID(scanner.text(LinkID.textLength)),
            scanner.take(closing), scanner.isAtEnd, created <= 253_402_300_799
        else { return nil }
        let input = RequestInput(created: Int64(created), counter: counter, link: link)
        return (input, String(field.utf8.dropFirst(label.utf8.count)) ?? "")
    }

    /// The same of an answer's.
    static func readAnswer(_ field: String) -> (created: Int64, link: LinkID, text: String)? {
        var scanner = ByteScanner(field)
        guard scanner.take(label), scanner.take(answerOpening), let created = scanner.number(),
            scanner.take(";keyid=\""), let link = try? LinkID(scanner.text(LinkID.textLength)),
            scanner.take(closing), scanner.isAtEnd, created <= 253_402_300_799
        else { return nil }
        return (Int64(created), link, String(field.utf8.dropFirst(label.utf8.count)) ?? "")
    }

    /// The code in a signature field, or nil.
    static func readCode(_ field: String?) -> [UInt8]? {
        guard let field, field.utf8.count == label.utf8.count + 46, field.hasPrefix(label + ":"), field.hasSuffix(":")
        else { return nil }
        return Base64.decode(field.dropFirst(label.utf8.count + 1).dropLast())
    }

    static func codeField(_ code: [UInt8]) -> String { label + ":" + Base64.encode(code) + ":" }
    static func inputField(_ text: String) -> String { label + text }

    // MARK: - Bases (RFC 9421 section 2.5)

    /// - Throws: `signature_coverage` when a header is missing, `signature_malformed` for a value that cannot stand on
    ///   a line.
    static func base(of request: CarrierRequest, input text: String) throws(SignatureRefusal) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(512)
        try append("@method", request.method, to: &out)
        try append("@path", request.path, to: &out)
        try append("@query", "?" + request.query, to: &out)
        try append(ContentDigest.header, request.headers[ContentDigest.header], to: &out)
        try append(ProtocolVersion.header, request.headers[ProtocolVersion.header], to: &out)
        out.append(contentsOf: "\"@signature-params\": ".utf8)
        out.append(contentsOf: text.utf8)
        return out
    }

    static func base(
        of response: CarrierResponse, to request: CarrierRequest, input text: String
    ) throws(SignatureRefusal) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(512)
        try append("@status", String(response.status), to: &out)
        try append(ContentDigest.header, response.headers[ContentDigest.header], to: &out)
        try append(
            SignatureProfile.signatureHeader, request.headers[SignatureProfile.signatureHeader], ";req", to: &out)
        out.append(contentsOf: "\"@signature-params\": ".utf8)
        out.append(contentsOf: text.utf8)
        return out
    }

    private static func append(
        _ name: String, _ value: String?, _ parameter: String = "", to out: inout [UInt8]
    ) throws(SignatureRefusal) {
        guard let value else {
            throw SignatureRefusal("signature_coverage", "`\(name)` is covered but not in the message")
        }
        out.append(0x22)
        out.append(contentsOf: name.utf8)
        out.append(0x22)
        out.append(contentsOf: parameter.utf8)
        out.append(0x3a)
        out.append(0x20)
        let start = out.count
        out.append(contentsOf: value.utf8)
        let isWhole =
            out[start...].allSatisfy { $0 >= 0x20 } && out.last != 0x20 && (start == out.count || out[start] != 0x20)
        guard isWhole || start == out.count else {
            throw SignatureRefusal(
                "signature_malformed", "the value of `\(name)` has white space around it or a line break in it")
        }
        out.append(0x0a)
    }
}

/// Reads a text of known form from its beginning.
private struct ByteScanner {
    private let bytes: [UInt8]
    private var index = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    var isAtEnd: Bool { index == bytes.count }

    mutating func take(_ text: String) -> Bool {
        let wanted = text.utf8
        guard bytes.count - index >= wanted.count, bytes[index..<index + wanted.count].elementsEqual(wanted) else {
            return false
        }
        index += wanted.count
        return true
    }

    /// At most 16 digits without a zero in front.
    mutating func number() -> UInt64? {
        let start = index
        var value: UInt64 = 0
        while index < bytes.count, index - start < 16, (0x30...0x39).contains(bytes[index]) {
            value = value * 10 + UInt64(bytes[index] - 0x30)
            index += 1
        }
        guard index > start, bytes[start] != 0x30 || index == start + 1 else { return nil }
        return value
    }

    mutating func text(_ count: Int) -> String {
        let end = min(bytes.count, index + count)
        defer { index = end }
        return String(decoding: bytes[index..<end], as: UTF8.self)
    }
}
