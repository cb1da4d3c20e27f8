/// A host as a program names it: a name of the domain name system, or an address.
package enum NetworkHost: Hashable, Sendable, CustomStringConvertible {
    /// In lower case, without a dot at the end.
    case name(String)
    case address(NetworkAddress)

    package static let maxNameBytes = 253
    package static let maxLabelBytes = 63

    /// A name, an address of version 4, or one of version 6 in brackets; nil for anything else.
    ///
    /// Names that end in a number are none: inet_aton(3), and with it getaddrinfo(3), makes addresses of them.
    package init?(_ text: some StringProtocol) {
        if text.hasPrefix("[") {
            guard text.hasSuffix("]"), text.utf8.contains(0x3a),
                let address = NetworkAddress(text.dropFirst().dropLast())
            else { return nil }
            self = .address(address)
        } else if !text.utf8.contains(0x3a), let address = NetworkAddress(text) {
            self = .address(address)
        } else if let name = Self.name(text) {
            self = .name(name)
        } else {
            return nil
        }
    }

    static func name(_ text: some StringProtocol) -> String? {
        var bytes = Array(text.utf8)
        if bytes.last == 0x2e { bytes.removeLast() }
        guard (1...maxNameBytes).contains(bytes.count) else { return nil }
        let labels = bytes.split(separator: 0x2e, omittingEmptySubsequences: false)
        for label in labels {
            guard (1...maxLabelBytes).contains(label.count), label.first != 0x2d, label.last != 0x2d,
                label.allSatisfy(isNameByte)
            else { return nil }
        }
        guard let last = labels.last, !isNumber(last) else { return nil }
        return String(decoding: bytes.map { (0x41...0x5a).contains($0) ? $0 + 32 : $0 }, as: UTF8.self)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x5f: true
        default: false
        }
    }

    /// Decimal, octal or hexadecimal, as inet_aton(3) takes them.
    private static func isNumber(_ label: ArraySlice<UInt8>) -> Bool {
        if label.allSatisfy({ (0x30...0x39).contains($0) }) { return true }
        let hexadecimal = label.dropFirst(2)
        return label.first == 0x30 && (label.dropFirst().first ?? 0) | 0x20 == 0x78
            && hexadecimal.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x46).contains($0) || (0x61...0x66).contains($0)
            }
    }

    package var description: String {
        switch self {
        case .name(let name): name
        case .address(.v4(let value)): NetworkAddress.v4(value).description
        case .address(let address): "[\(address)]"
        }
    }
}

/// A host and port that a task may reach, as `allow_hosts` and `--allow-host` write it: `example.org:443`,
/// `*.example.org:443` for every name below, `192.0.2.7:80`, `[2001:db8::1]:80`.
package struct AllowedHost: Hashable, Sendable, CustomStringConvertible {
    package enum Scope: Hashable, Sendable {
        case host(NetworkHost)
        /// Every name below this one, at any depth, and not this one.
        case below(String)
    }

    /// Of one task.
    package static let maxCount = 64

    package let scope: Scope
    package let port: UInt16

    /// - Throws: `bad_host`, with what is wrong with the text.
    package init(_ text: some StringProtocol) throws(JobsFailure) {
        if text.contains("/") { throw Self.failure(text, "is no host: write HOST:PORT, without a scheme and a path") }
        guard let colon = text.lastIndex(of: ":"), !text[colon...].contains("]") else {
            throw Self.failure(text, "has no port: write \(clipped(String(text), to: 60)):443")
        }
        let (host, digits) = (text[..<colon], text[text.index(after: colon)...])
        guard let port = Self.port(digits) else {
            throw Self.failure(text, "has a port that is not 1 to 65535")
        }
        self.port = port
        if host.hasPrefix("*") {
            guard host.hasPrefix("*."), let name = NetworkHost.name(host.dropFirst(2)), name.contains(".") else {
                throw Self.failure(text, "has a star that does not stand before a name of two parts: *.example.org:443")
            }
            scope = .below(name)
            return
        }
        guard let host = NetworkHost(host) else { throw Self.failure(text, Self.words(String(host))) }
        scope = .host(host)
    }

    /// Decimal digits without leading zeros, 1 to 65535.
    package static func port(_ text: some StringProtocol) -> UInt16? {
        guard (1...5).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            !text.hasPrefix("0")
        else { return nil }
        return UInt16(text)
    }

    private static func failure(_ text: some StringProtocol, _ words: String) -> JobsFailure {
        JobsFailure("bad_host", "`\(clipped(String(text), to: 80))` \(words)")
    }

    private static func words(_ host: String) -> String {
        if host.contains("@") { return "names a user: write HOST:PORT" }
        if host.isEmpty { return "has no host" }
        if host.contains(":") { return "is no host: an address of version 6 stands in brackets, [2001:db8::1]:443" }
        if !host.utf8.allSatisfy({ $0 < 0x80 }) { return "has letters beyond ASCII: write the name's xn-- form" }
        return "is no host: a name of letters, digits and -, or an address as inet_pton(3) reads it"
    }

    func allows(_ host: NetworkHost, port: UInt16) -> Bool {
        guard port == self.port else { return false }
        switch (scope, host) {
        case (.host(let own), _): return own == host
        case (.below(let parent), .name(let name)): return name.hasSuffix("." + parent)
        case (.below, .address): return false
        }
    }

    package var description: String {
        switch scope {
        case .host(let host): "\(host):\(port)"
        case .below(let name): "*.\(name):\(port)"
        }
    }
}

extension AllowedHost: Codable {
    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension Collection<AllowedHost> {
    package func allow(_ host: NetworkHost, port: UInt16) -> Bool { contains { $0.allows(host, port: port) } }
}
