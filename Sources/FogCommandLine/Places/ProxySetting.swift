package import FogAPI
internal import FogCore

/// Which proxy the environment names (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, also in small letters).
///
/// Small letters win, as with curl. What this machine itself serves is never asked for through a proxy.
package struct ProxySetting: Sendable, Hashable {
    private let https: String?
    private let exceptions: [String]

    package init(environment: [String: String]) {
        func value(_ name: String) -> String? {
            (environment[name.lowercased()] ?? environment[name]).flatMap { $0.isEmpty ? nil : $0 }
        }
        https = value("HTTPS_PROXY") ?? value("ALL_PROXY")
        exceptions = (value("NO_PROXY") ?? "").split { $0 == "," || $0 == " " }.map { $0.lowercased() }
    }

    /// - Parameter server: `https://HOST:PORT`; plain HTTP goes to this machine or over a network of one's own.
    /// - Throws: `bad_proxy` when the variable does not read `http://HOST:PORT`.
    package func proxy(for server: String) throws -> HTTPCarrier.Proxy? {
        guard let https, server.hasPrefix("https://") else { return nil }
        let (host, port) = Self.place(server.dropFirst("https://".count), defaultPort: 443)
        guard !Self.isLoopback(host), !isExcepted(host, port) else { return nil }
        return try Self.read(https)
    }

    // MARK: - Exceptions

    /// `*`, a name and all below it (a dot before it changes nothing), an address, a CIDR of IPv4; each with a port or
    /// without.
    private func isExcepted(_ host: String, _ port: Int) -> Bool {
        exceptions.contains { exception in
            if exception == "*" { return true }
            if exception.contains("/") { return Self.isWithin(host, exception) }
            let place = Self.place(exception[...], defaultPort: port)
            guard place.port == port else { return false }
            let name = place.host.drop { $0 == "." }
            return host == name || host.hasSuffix("." + name)
        }
    }

    private static func isWithin(_ host: String, _ network: String) -> Bool {
        let parts = network.split(separator: "/")
        guard parts.count == 2, let bits = UInt32(parts[1]), bits <= 32, let base = address(String(parts[0])),
            let found = address(host)
        else { return false }
        let mask: UInt32 = bits == 0 ? 0 : ~0 << (32 - bits)
        return base & mask == found & mask
    }

    private static func address(_ text: String) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        guard parts.count == 4 else { return nil }
        var sum: UInt32 = 0
        for part in parts {
            guard let part else { return nil }
            sum = sum << 8 | UInt32(part)
        }
        return sum
    }

    private static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || address(host).map { $0 >> 24 == 127 } == true
    }

    // MARK: - Reading

    private static func place(_ text: Substring, defaultPort: Int) -> (host: String, port: Int) {
        let authority = text.prefix { $0 != "/" }
        let isBracketed = authority.first == "["
        let host =
            isBracketed ? authority.dropFirst().prefix { $0 != "]" } : authority.prefix { $0 != ":" }
        let rest = authority.dropFirst(host.count + (isBracketed ? 2 : 0))
        return (host.lowercased(), rest.first == ":" ? Int(rest.dropFirst()) ?? defaultPort : defaultPort)
    }

    private static func read(_ text: String) throws -> HTTPCarrier.Proxy {
        let isMarked = text.hasPrefix("http://")
        guard isMarked || !text.contains("://") else { throw bad(text) }
        var rest = isMarked ? text.dropFirst("http://".count) : text[...]
        rest = rest.prefix { $0 != "/" }
        var credentials: String?
        if let at = rest.lastIndex(of: "@") {
            guard let decoded = decoded(rest[..<at]) else { throw bad(text) }
            credentials = decoded
            rest = rest[rest.index(after: at)...]
        }
        let (host, port) = place(rest, defaultPort: 80)
        guard !host.isEmpty, (1...65535).contains(port) else { throw bad(text) }
        return HTTPCarrier.Proxy(host: host, port: port, credentials: credentials)
    }

    /// `%41` as `A`; nil for a broken escape or bytes that are not UTF-8.
    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let escaped = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), rest.count > 1 else {
                return nil
            }
            bytes.append(escaped)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// The value may hold a password, so it is not repeated.
    private static func bad(_ text: String) -> CommandLineFailure {
        CommandLineFailure(
            "bad_proxy", "HTTPS_PROXY reads http://HOST:PORT; found another form",
            help: "export HTTPS_PROXY=http://proxy.example:3128, or NO_PROXY=… for this host", status: .usage)
    }
}
