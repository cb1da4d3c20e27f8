package import FogCore

/// Brings a request to the coordinator and its answer back: the one way in, whatever lies between.
///
/// HTTP is a carrier, memory is one, the mixnet is one. A carrier may lose, delay, repeat or reorder; it never
/// alters, and it never answers for the coordinator but by throwing.
package protocol Carrier: Sendable {
    /// - Throws: ``CarrierFailure`` when no answer came until the deadline, or when it is known that none will.
    func send(_ request: CarrierRequest, deadline: TimeSpan) async throws(CarrierFailure) -> CarrierResponse
}

/// What a carrier delivers to: the coordinator's router, in the same process.
package protocol CarrierEndpoint: Sendable {
    /// Answers every request; a failure is an answer too. Cancelled when the asker has left.
    func handle(_ request: CarrierRequest) async -> CarrierResponse
}

/// A request without sockets, streams or TLS.
package struct CarrierRequest: Hashable, Sendable {
    /// The largest body that a carrier takes, in bytes.
    package static let bodyLimit = 64 << 20

    package var method: String
    /// The path with its query: `/v1/jobs?limit=10`.
    package var target: String
    package var headers: CarrierHeaders
    package var body: [UInt8]
    /// The address that it came from, where the carrier knows and shows it. Nothing that the asker says.
    package var origin: String?

    package init(method: String, target: String, headers: CarrierHeaders = [:], body: [UInt8] = []) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
    }

    package var path: String { String(target[..<mark]) }
    /// Without the question mark.
    package var query: String { String(Substring(target.utf8[mark...].dropFirst())) }

    /// The first question mark by its byte, whatever stands behind it.
    private var mark: String.Index { target.utf8.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex }
}

package struct CarrierResponse: Hashable, Sendable {
    package var status: Int
    package var headers: CarrierHeaders
    package var body: [UInt8]

    package init(status: Int, headers: CarrierHeaders = [:], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// Header fields with lower-case names; a name stands once.
package struct CarrierHeaders: Hashable, Sendable, ExpressibleByDictionaryLiteral, Sequence {
    private var fields: [(name: String, value: String)] = []

    package init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { self[name] = value }
    }

    package subscript(_ name: String) -> String? {
        get { fields.first { $0.name == name }?.value }
        set {
            let lower = name.lowercased()
            fields.removeAll { $0.name == lower }
            if let newValue { fields.append((lower, newValue)) }
        }
    }

    package func makeIterator() -> IndexingIterator<[(name: String, value: String)]> { fields.makeIterator() }

    package static func == (first: CarrierHeaders, second: CarrierHeaders) -> Bool {
        first.sorted() == second.sorted()
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(sorted()) }

    private func sorted() -> [String] { fields.map { "\($0.name):\($0.value)" }.sorted() }
}

/// Why there is no answer.
package struct CarrierFailure: CodedFailure, Equatable {
    /// `unreachable`, `timeout`, `too_large`, `refused_plaintext`, `protocol`.
    package let code: String
    package let message: String

    package init(_ code: String, _ message: String) {
        self.code = code
        self.message = message
    }
}

/// Straight to an endpoint in the same process.
package struct MemoryCarrier: Carrier {
    private let endpoint: any CarrierEndpoint

    package init(_ endpoint: any CarrierEndpoint) { self.endpoint = endpoint }

    package func send(_ request: CarrierRequest, deadline: TimeSpan) async throws(CarrierFailure) -> CarrierResponse {
        guard request.body.count <= CarrierRequest.bodyLimit else {
            throw CarrierFailure(
                "too_large", "the body has \(request.body.count) bytes, at most \(CarrierRequest.bodyLimit)")
        }
        let answer: CarrierResponse? = await withTaskGroup(of: CarrierResponse?.self) { group in
            group.addTask { await endpoint.handle(request) }
            group.addTask {
                try? await Task.sleep(for: deadline.duration)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
        guard let answer else { throw CarrierFailure("timeout", "no answer within \(deadline)") }
        return answer
    }
}
