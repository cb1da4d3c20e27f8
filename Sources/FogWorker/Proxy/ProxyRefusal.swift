/// Why the proxy did not do what a task asked, as the task reads it: an HTTP status, a stable code, a sentence.
package struct ProxyRefusal: Error, Hashable, Sendable {
    package let status: Int
    package let code: String
    package let words: String

    init(_ status: Int, _ code: String, _ words: String) {
        self.status = status
        self.code = code
        self.words = words
    }

    static func badRequest(_ words: String) -> ProxyRefusal { ProxyRefusal(400, "bad_request", words) }

    private var reason: String {
        switch status {
        case 400: "Bad Request"
        case 403: "Forbidden"
        case 408: "Request Timeout"
        case 431: "Request Header Fields Too Large"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        default: "Error"
        }
    }

    /// The whole answer; the connection ends with it.
    var answer: [UInt8] {
        // Words may quote what the task wrote, of which only ASCII is left.
        let body = words.unicodeScalars.map { (0x20..<0x7f).contains($0.value) ? String($0) : "?" }.joined()
        let text = "\(body) (\(code))\n"
        return Array(
            """
            HTTP/1.1 \(status) \(reason)\r
            Content-Type: text/plain; charset=us-ascii\r
            Content-Length: \(text.utf8.count)\r
            Fog-Error: \(code)\r
            Connection: close\r
            \r
            \(text)
            """.utf8)
    }
}

/// Bounds of one task's proxy.
package struct ProxyLimits: Hashable, Sendable {
    /// Connections at once; more wait in the kernel's queue.
    package var connections = 64
    /// Connections in the task's life; then all are refused.
    package var total = 100_000
    package var headBytes = 16 << 10
    package var headerCount = 100
    /// From the connection to the end of the request's head.
    package var headNanoseconds: Int64 = 10_000_000_000
    /// Looking up the name and connecting, all addresses together; and one address, while there are others.
    package var connectNanoseconds: Int64 = 10_000_000_000
    package var addressNanoseconds: Int64 = 3_000_000_000
    /// Without a byte in either direction.
    package var idleNanoseconds: Int64 = 300_000_000_000
    /// What a refused task gets to read its answer.
    package var lingerNanoseconds: Int64 = 2_000_000_000
    /// Addresses of one name that are tried.
    package var addresses = 8

    package init() {}
}
