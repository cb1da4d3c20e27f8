/// How many nodes take a layer off a packet on its way: what a privacy level is, in the network.
///
/// A packet has room for seven whatever its level, so nobody on the way sees which it is.
package enum RouteLevel: Int, Sendable, Hashable, CaseIterable, Comparable {
    /// One node, which sees both ends: no privacy against it.
    case open = 1
    case `private` = 3
    case confidential = 5
    case secret = 7

    package var hops: Int { rawValue }

    package static func < (first: RouteLevel, second: RouteLevel) -> Bool { first.rawValue < second.rawValue }
}

extension RouteLevel: CustomStringConvertible {
    package var description: String {
        switch self {
        case .open: "open"
        case .private: "private"
        case .confidential: "confidential"
        case .secret: "secret"
        }
    }

    package init?(_ text: some StringProtocol) {
        guard let level = Self.allCases.first(where: { $0.description == text }) else { return nil }
        self = level
    }
}
