/// What one subscriber of the internet is usually given: 256 addresses of version 4, a /48 of version 6.
package struct AddressBlock: Hashable, Sendable, CustomStringConvertible {
    private let range: NetworkRange

    /// Nil for an address that says nothing of who has it: of this machine, of a private network, or shared by a
    /// provider's customers (RFC 6890). There people are told apart by who let them in.
    package init?(_ address: NetworkAddress) {
        guard !Self.shared.contains(where: { $0.contains(address) }) else { return nil }
        switch address {
        case .v4(let value): range = NetworkRange(.v4(value & 0xffff_ff00), 24)
        case .v6(let high, _): range = NetworkRange(.v6(high & 0xffff_ffff_ffff_0000, 0), 48)
        }
    }

    package var description: String { range.description }

    private static let shared = [
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.168.0.0/16", "198.18.0.0/15", "::/127", "fc00::/7", "fe80::/10",
    ].compactMap { NetworkRange($0) }
}
