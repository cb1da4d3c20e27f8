import FogJobs
import Glibc

/// Who knows the addresses of a name. May block; is called on threads of its own.
package protocol HostResolver: Sendable {
    /// Empty when there is no such name, or nobody who knows.
    func addresses(of name: String) -> [NetworkAddress]
}

/// The machine's own resolver: getaddrinfo(3).
package struct SystemResolver: HostResolver {
    /// More of one name are not looked at.
    private static let maxAddresses = 64

    package init() {}

    /// A name with a dot is whole: the machine's search list would lead it into its owner's own domain.
    package func addresses(of name: String) -> [NetworkAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(name.contains(".") ? name + "." : name, nil, &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var found: [NetworkAddress] = []
        var entry = list
        while let current = entry, found.count < Self.maxAddresses {
            if let address = current.pointee.ai_addr.flatMap({ Self.address(UnsafePointer($0)) }),
                !found.contains(address)
            {
                found.append(address)
            }
            entry = current.pointee.ai_next
        }
        return found
    }

    /// Addresses of all interfaces of this machine, now.
    static func ownAddresses() -> Set<NetworkAddress> {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        var found: Set<NetworkAddress> = []
        var entry = list
        while let current = entry {
            if let address = current.pointee.ifa_addr.flatMap({ Self.address(UnsafePointer($0)) }) {
                found.insert(address)
            }
            entry = current.pointee.ifa_next
        }
        return found
    }

    private static func address(_ pointer: UnsafePointer<sockaddr>) -> NetworkAddress? {
        let raw = UnsafeRawPointer(pointer)
        switch Int32(pointer.pointee.sa_family) {
        case AF_INET:
            return withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in.self).sin_addr) {
                NetworkAddress(bytes: Array($0))
            }
        case AF_INET6:
            return withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr) {
                NetworkAddress(bytes: Array($0))
            }
        default: return nil
        }
    }
}
