import FogJobs

/// Why a task may not reach an address, whatever names led to it.
package enum AddressClass: String, Hashable, Sendable, CaseIterable {
    case unspecified, loopback, multicast, broadcast, reserved
    case linkLocal = "link-local"
    case privateUse = "private"
    /// Shared by a provider's customers (RFC 6598).
    case shared
    /// Another address in disguise: 6to4, Teredo, NAT64 of one's own.
    case tunnel
    /// A cloud's own service, at a public address.
    case platform
    /// The machine itself, at an address of its own.
    case own
    case coordinator
}

/// Which addresses the proxy connects to: pure.
///
/// Of version 4, what the IANA registry of special-purpose addresses (RFC 6890) does not name; of version 6, what is
/// allotted for global use (2000::/3), less what that registry takes out of it. An address in which one of version 4 is
/// wrapped counts as that one where a network translates it (NAT64, RFC 6052), and is refused where nothing sound would
/// (6to4, Teredo).
package struct AddressRules: Hashable, Sendable {
    /// Addresses that the machine's owner lets tasks reach although they are refused otherwise.
    package var exempt: [NetworkRange]
    /// Addresses of the machine's interfaces.
    package var own: Set<NetworkAddress>
    /// Addresses of the coordinator, and its port, which no exemption opens.
    package var coordinator: Set<NetworkAddress>
    package var coordinatorPort: UInt16?

    package init(
        exempt: [NetworkRange] = [], own: Set<NetworkAddress> = [], coordinator: Set<NetworkAddress> = [],
        coordinatorPort: UInt16? = nil
    ) {
        self.exempt = exempt
        self.own = own
        self.coordinator = coordinator
        self.coordinatorPort = coordinatorPort
    }

    /// Nil when a task may be connected to it.
    package func refusal(of address: NetworkAddress, port: UInt16) -> AddressClass? {
        let inner = Self.translated(address) ?? address
        let isCoordinator = coordinator.contains(address) || coordinator.contains(inner)
        if isCoordinator, port == coordinatorPort { return .coordinator }
        if exempt.contains(where: { $0.contains(address) }) { return nil }
        if let special = Self.special(inner) { return special }
        if isCoordinator { return .coordinator }
        return own.contains(inner) || own.contains(address) ? .own : nil
    }

    /// What a translator of the network makes of an address of version 6: RFC 6052, section 2.1.
    static func translated(_ address: NetworkAddress) -> NetworkAddress? {
        guard case .v6(let high, let low) = address, high == 0x0064_ff9b_0000_0000, low >> 32 == 0 else { return nil }
        return .v4(UInt32(truncatingIfNeeded: low))
    }

    /// The class of an address that the public network does not lead to; nil for the others.
    package static func special(_ address: NetworkAddress) -> AddressClass? {
        let table = if case .v4 = address { four } else { six }
        if let found = table.first(where: { $0.range.contains(address) }) { return found.is }
        if case .v6 = address, !global.contains(address) { return .reserved }
        return nil
    }

    private typealias Entry = (range: NetworkRange, is: AddressClass)

    private static func entry(_ text: String, _ kind: AddressClass) -> Entry {
        guard let range = NetworkRange(text) else { preconditionFailure("\(text) is a range of addresses") }
        return (range, kind)
    }

    private static let global = entry("2000::/3", .reserved).range

    /// The narrower ranges first.
    private static let four: [Entry] = [
        entry("255.255.255.255", .broadcast),
        entry("0.0.0.0/8", .unspecified),
        entry("10.0.0.0/8", .privateUse), entry("172.16.0.0/12", .privateUse), entry("192.168.0.0/16", .privateUse),
        entry("100.64.0.0/10", .shared),
        entry("127.0.0.0/8", .loopback),
        // Of a cloud's metadata as well: 169.254.169.254.
        entry("169.254.0.0/16", .linkLocal),
        entry("168.63.129.16", .platform),  // Azure's, "What is IP address 168.63.129.16?"
        entry("192.0.0.0/24", .reserved), entry("192.0.2.0/24", .reserved), entry("192.88.99.0/24", .tunnel),
        entry("198.18.0.0/15", .reserved), entry("198.51.100.0/24", .reserved), entry("203.0.113.0/24", .reserved),
        entry("224.0.0.0/4", .multicast), entry("240.0.0.0/4", .reserved),
    ]

    private static let six: [Entry] = [
        entry("::", .unspecified), entry("::1", .loopback),
        entry("fe80::/10", .linkLocal), entry("fec0::/10", .privateUse), entry("fc00::/7", .privateUse),
        entry("ff00::/8", .multicast),
        entry("64:ff9b:1::/48", .tunnel), entry("2002::/16", .tunnel), entry("2001::/32", .tunnel),
        entry("2001::/23", .reserved), entry("2001:db8::/32", .reserved), entry("3fff::/20", .reserved),
    ]
}
