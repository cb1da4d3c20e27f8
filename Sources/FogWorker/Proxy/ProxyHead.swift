/// The head of a request while it comes in. Each byte is looked at once, however it dribbles.
package struct ProxyHead: Sendable {
    private let limits: ProxyLimits
    package private(set) var bytes: [UInt8] = []
    /// Bytes that were looked at, and where the present line began.
    private var scanned = 0
    private var lineStart = 0
    private var lines: [Range<Int>] = []

    package init(limits: ProxyLimits = ProxyLimits()) { self.limits = limits }

    /// How many more bytes may be read: what comes behind the head may be among them.
    var room: Int { limits.headBytes - bytes.count }

    /// Takes bytes in: the request once its head is whole, with the bytes behind it, which belong to the server.
    /// - Throws: the answer to give.
    package mutating func append(
        _ more: some Collection<UInt8>
    ) throws(ProxyRefusal) -> (request: ProxyRequest, rest: [UInt8])? {
        bytes += more
        while scanned < min(bytes.count, limits.headBytes) {
            if try isEnd(scanned) {
                let request = try ProxyRequest(lines.map { bytes[$0] }, limits: limits)
                return (request, Array(bytes[(scanned + 1)...]))
            }
            scanned += 1
        }
        guard bytes.count < limits.headBytes else {
            throw ProxyRefusal(431, "head_too_large", "the request's head has more than \(limits.headBytes) bytes")
        }
        return nil
    }

    /// Whether the head ends with the byte of this index.
    private mutating func isEnd(_ index: Int) throws(ProxyRefusal) -> Bool {
        let isAfterReturn = index > lineStart && bytes[index - 1] == 0x0d
        switch bytes[index] {
        case 0x0a:
            guard isAfterReturn else { throw .badRequest("a line ends without CR LF") }
            if index - 1 == lineStart { return true }
            lines.append(lineStart..<(index - 1))
            lineStart = index + 1
        case _ where isAfterReturn: throw .badRequest("a CR stands within a line")
        case 0x09, 0x0d, 0x20...0x7e, 0x80...0xff: break
        default: throw .badRequest("a control character stands in the request's head")
        }
        return false
    }
}
