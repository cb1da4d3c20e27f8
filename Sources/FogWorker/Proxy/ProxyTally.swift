/// What went through a proxy.
package struct ProxyTally: Hashable, Sendable {
    /// Read from servers, and written to them.
    package var bytesIn: Int64 = 0
    package var bytesOut: Int64 = 0
    /// Connections that stood.
    package var connections = 0
    /// Requests that were answered with a refusal, by its code.
    package var refusals: [String: Int] = [:]

    package init() {}

    package var isEmpty: Bool { connections == 0 && refusals.isEmpty }

    /// `bytes in 120, out 3, 2 connections, refused: 1 host_not_allowed`
    package var words: String {
        let refused = refusals.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        return "bytes in \(bytesIn), out \(bytesOut), \(connections) connection\(connections == 1 ? "" : "s")"
            + (refused.isEmpty ? "" : ", refused: \(refused)")
    }

    static func + (first: ProxyTally, second: ProxyTally) -> ProxyTally {
        var sum = first
        sum.bytesIn += second.bytesIn
        sum.bytesOut += second.bytesOut
        sum.connections += second.connections
        sum.refusals.merge(second.refusals) { $0 + $1 }
        return sum
    }
}
