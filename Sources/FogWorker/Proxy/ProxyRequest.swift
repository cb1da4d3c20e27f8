import FogJobs

/// What a task asks of its proxy: a tunnel (CONNECT, RFC 9110 section 9.3.6) or one plain request whose target is a whole
/// http URI (RFC 9112, section 3.2.2).
///
/// Read strictly, since what two readers read differently is how requests are smuggled: lines end in CR LF, nothing is
/// folded, no control characters, one Host at most, no two lengths of a body.
package struct ProxyRequest: Hashable, Sendable {
    package let host: NetworkHost
    package let port: UInt16
    /// What goes to the server in the request's stead; nil = nothing, since it is a tunnel.
    package let head: [UInt8]?

    package var isTunnel: Bool { head == nil }

    /// - Parameter lines: those of the head, without their ends.
    init(_ lines: [ArraySlice<UInt8>], limits: ProxyLimits) throws(ProxyRefusal) {
        guard lines.count <= limits.headerCount + 1 else {
            throw ProxyRefusal(431, "head_too_large", "the request has more than \(limits.headerCount) header lines")
        }
        guard let first = lines.first else { throw .badRequest("the request has no request line") }
        let line = try RequestLine(first)
        let headers = try lines.dropFirst().map { line throws(ProxyRefusal) in try ProxyHeader(line) }
        try Self.check(headers)
        self = try line.method == "CONNECT" ? Self.tunnel(line, headers) : Self.plain(line, headers)
    }

    private init(host: NetworkHost, port: UInt16, head: [UInt8]?) {
        (self.host, self.port, self.head) = (host, port, head)
    }

    private struct RequestLine {
        let method: String
        let target: String
        let version: String

        init(_ line: ArraySlice<UInt8>) throws(ProxyRefusal) {
            let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0].allSatisfy(ProxyHeader.isTokenByte), !parts[0].isEmpty,
                parts[1].allSatisfy({ (0x21...0x7e).contains($0) }), !parts[1].isEmpty
            else { throw .badRequest("the request line is not `METHOD TARGET HTTP/1.1`") }
            method = String(decoding: parts[0], as: UTF8.self)
            target = String(decoding: parts[1], as: UTF8.self)
            version = String(decoding: parts[2], as: UTF8.self)
            guard version == "HTTP/1.1" || version == "HTTP/1.0" else {
                throw .badRequest("the proxy speaks HTTP/1.1 and HTTP/1.0")
            }
        }
    }

    private static func check(_ headers: [ProxyHeader]) throws(ProxyRefusal) {
        func count(_ name: String) -> Int { headers.count { $0.name == name } }
        if count("host") > 1 { throw .badRequest("the request has more than one Host") }
        if count("content-length") + count("transfer-encoding") > 1 {
            throw .badRequest("the request says more than once how long its body is")
        }
    }

    // MARK: - Targets

    private static func tunnel(_ line: RequestLine, _ headers: [ProxyHeader]) throws(ProxyRefusal) -> ProxyRequest {
        if headers.contains(where: { $0.name == "content-length" || $0.name == "transfer-encoding" }) {
            throw .badRequest("a CONNECT request has no body")
        }
        let (host, port) = try authority(line.target, defaultPort: nil)
        return ProxyRequest(host: host, port: port, head: nil)
    }

    private static func plain(_ line: RequestLine, _ headers: [ProxyHeader]) throws(ProxyRefusal) -> ProxyRequest {
        let scheme = "http://"
        guard line.target.prefix(scheme.count).lowercased() == scheme else {
            throw .badRequest(
                line.target.prefix(8).lowercased() == "https://"
                    ? "https goes through CONNECT"
                    : "this is a proxy: it wants CONNECT HOST:PORT, or a whole http:// URI")
        }
        let rest = line.target.dropFirst(scheme.count)
        let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        let (host, port) = try authority(String(rest[..<end]), defaultPort: 80)
        let path = rest[end...]
        if path.contains("#") { throw .badRequest("the target has a fragment") }
        let target = path.isEmpty ? "/" : path.hasPrefix("?") ? "/" + path : String(path)
        var head = "\(line.method) \(target) \(line.version)\r\nHost: \(host)\(port == 80 ? "" : ":\(port)")\r\n"
        // One request a connection: what comes behind it goes to this server and to no other.
        head += "Connection: close\r\n"
        var bytes = Array(head.utf8)
        let named = Set(headers.filter { $0.name == "connection" }.flatMap(\.words))
        for header in headers where !ProxyHeader.hopByHop.contains(header.name) && !named.contains(header.name) {
            bytes += header.line + [0x0d, 0x0a]
        }
        return ProxyRequest(host: host, port: port, head: bytes + [0x0d, 0x0a])
    }

    private static func authority(
        _ text: String, defaultPort: UInt16?
    ) throws(ProxyRefusal) -> (NetworkHost, UInt16) {
        if text.contains("@") { throw .badRequest("the target names a user") }
        var (host, port) = (text[...], defaultPort)
        if let colon = text.lastIndex(of: ":"), !text[colon...].contains("]") {
            host = text[..<colon]
            port = AllowedHost.port(text[text.index(after: colon)...])
            guard port != nil else { throw .badRequest("the target's port is not 1 to 65535") }
        }
        guard let port else { throw .badRequest("the target has no port") }
        guard let host = NetworkHost(host) else {
            throw .badRequest("the target's host is neither a name nor an address as inet_pton(3) reads it")
        }
        return (host, port)
    }
}

/// One line of a head.
struct ProxyHeader {
    /// In lower case.
    let name: String
    let value: ArraySlice<UInt8>
    let line: ArraySlice<UInt8>

    /// What is between a client and its proxy, or is the proxy's to say.
    static let hopByHop: Set = [
        "connection", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
        "trailer", "upgrade",
    ]

    init(_ line: ArraySlice<UInt8>) throws(ProxyRefusal) {
        guard let colon = line.firstIndex(of: 0x3a), colon > line.startIndex,
            line[..<colon].allSatisfy(Self.isTokenByte)
        else { throw .badRequest("a header line is not `Name: value`") }
        name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
        value = line[line.index(after: colon)...]
        self.line = line
    }

    /// The value's parts between commas, in lower case.
    var words: [String] {
        String(decoding: value, as: UTF8.self).split(separator: ",").map {
            String($0.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" }).lowercased()
        }
    }

    /// RFC 9110, section 5.6.2.
    static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
