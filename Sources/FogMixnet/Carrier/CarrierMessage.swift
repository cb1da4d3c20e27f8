package import FogCore
package import FogNet

/// What an exchange carries for a carrier, in one byte form.
///
///     hello 1 byte: 0
///     key of the service: 1 | instance 8 | id 4 | key 32 | until 8
///     request: 2 | method | target | fields | body
///     response: 3 | status 2 | fields | body
///
/// A text is a length of 4 and UTF-8; fields are a count of 2 and, of each, name and value; the body is what is left.
package enum CarrierMessage: Hashable, Sendable {
    /// Asks for a key to seal requests to.
    case hello
    /// - instance: names this life of the service; exchanges of an earlier one are lost.
    case key(instance: UInt64, ServiceKey)
    case request(CarrierRequest)
    case response(CarrierResponse)

    /// Of all that comes before the body, in bytes.
    package static let headLimit = 48 << 10
    private static let fieldsLimit = 128
    private static let methodLimit = 16
    private static let statusRange = 100...599

    private enum Code: UInt8 { case hello = 0, key, request, response }

    package static let helloBytes: [UInt8] = [0]

    /// - Throws: `too_large` for a body or a head beyond its limit.
    package var bytes: [UInt8] {
        get throws(CarrierFailure) {
            var writer = CanonicalWriter()
            switch self {
            case .hello: return Self.helloBytes
            case .key(let instance, let key):
                writer.write(Code.key.rawValue)
                writer.write(instance)
                writer.write(key.id)
                writer.write(raw: key.publicKey)
                writer.write(key.until)
                return writer.bytes
            case .request(let request):
                writer.write(Code.request.rawValue)
                writer.write(request.method)
                writer.write(request.target)
                return try Self.finish(writer, request.headers, request.body)
            case .response(let response):
                writer.write(Code.response.rawValue)
                writer.write(UInt16(clamping: response.status))
                return try Self.finish(writer, response.headers, response.body)
            }
        }
    }

    private static func finish(
        _ head: CanonicalWriter, _ headers: CarrierHeaders, _ body: [UInt8]
    ) throws(CarrierFailure) -> [UInt8] {
        guard body.count <= CarrierRequest.bodyLimit else {
            throw CarrierFailure(
                "too_large", "the body has \(body.count) bytes, at most \(CarrierRequest.bodyLimit)")
        }
        var writer = head
        let fields = Array(headers)
        writer.write(UInt16(clamping: fields.count))
        for field in fields {
            writer.write(field.name)
            writer.write(field.value)
        }
        guard writer.bytes.count <= headLimit, fields.count <= fieldsLimit else {
            throw CarrierFailure(
                "too_large",
                "target and header fields have \(writer.bytes.count) bytes in \(fields.count) fields, at most "
                    + "\(headLimit) in \(fieldsLimit)")
        }
        return writer.bytes + body
    }

    /// - Throws: `bad_message` for bytes that no end writes.
    package init(bytes: [UInt8]) throws(MixnetFailure) {
        guard bytes.count <= MessageLayout.lengthLimit else { throw Self.bad("\(bytes.count) bytes") }
        do {
            var reader = CanonicalReader(bytes)
            let code: UInt8 = try reader.read()
            switch Code(rawValue: code) {
            case .hello:
                try reader.end()
                self = .hello
            case .key:
                let (instance, id): (UInt64, UInt32) = (try reader.read(), try reader.read())
                let key = try ServiceKey(id: id, publicKey: reader.read(raw: 32), until: reader.readTimestamp())
                try reader.end()
                self = .key(instance: instance, key)
            case .request:
                let method = try reader.readString(limit: Self.methodLimit)
                let target = try reader.readString(limit: Self.headLimit)
                guard Self.isToken(method), target.utf8.first == UInt8(ascii: "/"), Self.isPlain(target) else {
                    throw Self.bad("a request names a method and a target that begins with `/`")
                }
                let (headers, body) = try Self.rest(&reader)
                self = .request(CarrierRequest(method: method, target: target, headers: headers, body: body))
            case .response:
                let status = Int(try reader.read(UInt16.self))
                guard Self.statusRange.contains(status) else { throw Self.bad("status \(status)") }
                let (headers, body) = try Self.rest(&reader)
                self = .response(CarrierResponse(status: status, headers: headers, body: body))
            case nil: throw Self.bad("kind \(code) is not known")
            }
        } catch {
            throw Self.bad("\(error)")
        }
    }

    private static func rest(_ reader: inout CanonicalReader) throws -> (CarrierHeaders, [UInt8]) {
        let count = try reader.read(UInt16.self)
        guard count <= fieldsLimit else { throw bad("\(count) header fields, at most \(fieldsLimit)") }
        var headers = CarrierHeaders()
        for _ in 0..<count {
            let (name, value) = (try reader.readString(limit: headLimit), try reader.readString(limit: headLimit))
            guard isToken(name), name == name.lowercased(), isPlain(value), headers[name] == nil else {
                throw bad("a header field has a name of its own in small letters and a value on one line")
            }
            headers[name] = value
        }
        guard reader.remaining <= CarrierRequest.bodyLimit else { throw bad("a body of \(reader.remaining) bytes") }
        return (headers, try reader.read(raw: reader.remaining))
    }

    /// A token of HTTP (RFC 9110 section 5.6.2).
    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    private static func isPlain(_ text: String) -> Bool { text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 9 } }

    private static func bad(_ message: String) -> MixnetFailure { MixnetFailure("bad_message", message) }
}

/// How a service is found, and by what its clients know that it is the one: the node where routes to it end, and its
/// lasting key.
///
///     fogkey1…/0f3a… (64 hexadecimal digits)
package struct MixServiceAddress: Hashable, Sendable, CustomStringConvertible {
    package let node: PublicKey
    package let key: [UInt8]

    package init(node: PublicKey, key: [UInt8]) throws(MixnetFailure) {
        guard key.count == MixKey.byteCount else { throw Self.bad("a key of \(key.count) bytes") }
        self.node = node
        self.key = key
    }

    package init(_ text: some StringProtocol) throws(MixnetFailure) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let node = try? PublicKey(parts[0]), let key = Hex.decode(String(parts[1])) else {
            throw Self.bad("`\(text.prefix(160))`")
        }
        try self.init(node: node, key: key)
    }

    package var description: String { "\(node)/\(Hex.encode(key))" }

    private static func bad(_ found: String) -> MixnetFailure {
        MixnetFailure("bad_service", "a service reads NODE/KEY, fogkey1… and 64 hexadecimal digits, found \(found)")
    }
}
