internal import AsyncHTTPClient
package import FogCore
package import FogNet
internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// Carries requests over HTTP/1.1, with connections that are kept open between them.
///
/// An error that says "no answer" leaves open whether the coordinator acted: a caller that repeats a state change does so
/// under the same idempotency key.
package final class HTTPCarrier: Carrier {
    package struct Options: Sendable {
        /// Longest wait for a connection.
        package var connectTime = TimeSpan.seconds(5)
        /// Open connections to the coordinator. Each waiting poll holds one; beyond them requests queue.
        package var connections = 64
        /// Unused connections are closed after it: before the server does (``HTTPServer`` waits longer), because a
        /// request that is sent into a closing connection is lost.
        package var idleTime = TimeSpan.seconds(45)
        /// Longest silence inside an answer. An event stream speaks every 15 s.
        package var silence = TimeSpan.seconds(120)
        /// Plain HTTP to another machine: whoever is between reads everything.
        package var allowsPlaintext = false
        /// The coordinator's key: with https only a certificate that it signed will do. Nil = those that the system trusts.
        package var pin: PublicKey?
        /// For connections to other machines.
        package var proxy: Proxy?

        package init() {}
    }

    /// Set by the connection, never by a caller.
    private static let hopByHop: Set = [
        "connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
    ]

    private let client: HTTPClient
    /// `http://127.0.0.1:7070`, without a slash at the end.
    private let base: String
    /// `, through the proxy 10.0.0.1:3128`; empty when there is none on the way.
    private let way: String

    /// - Parameter base: scheme, host and port: `https://coordinator.example:7070`.
    /// - Throws: `protocol` when the address does not read so; `refused_plaintext` for plain HTTP to a host other than
    ///   this machine unless the options allow it.
    package init(_ base: String, options: Options = Options()) throws(CarrierFailure) {
        let address = try Self.parse(base)
        guard address.secure || address.loopback || options.allowsPlaintext else {
            throw CarrierFailure(
                "refused_plaintext",
                "\(base) would be spoken to in clear; use https, or allow plaintext if the network is yours alone")
        }
        self.base = address.text
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow,
            timeout: .init(
                connect: .milliseconds(options.connectTime.milliseconds),
                read: .milliseconds(options.silence.milliseconds)),
            decompression: .disabled)
        configuration.httpVersion = .http1Only
        if address.secure, let pin = options.pin {
            configuration.tlsConfiguration = try PinnedTrust.configuration(pin)
        }
        let proxy = address.loopback ? nil : options.proxy
        configuration.proxy = proxy?.configuration
        way = proxy.map { ", through the proxy \($0.host):\($0.port)" } ?? ""
        configuration.connectionPool.idleTimeout = .milliseconds(options.idleTime.milliseconds)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = options.connections
        // A refused connection is an answer; when to try again is the caller's to say.
        configuration.connectionPool.retryConnectionEstablishment = false
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    // One that failed before somebody could shut it down must not take the process with it. The callback holds the client
    // until all is closed.
    deinit { client.shutdown { [client] _ in withExtendedLifetime(client) {} } }

    /// Closes all connections; what is under way fails. A carrier that is let go without it does so in the background.
    package func shutDown() async { try? await client.shutdown() }

    package func send(_ request: CarrierRequest, deadline: TimeSpan) async throws(CarrierFailure) -> CarrierResponse {
        let prepared = try prepare(request)
        // The client's own deadline ends with the head of the answer; this one covers the body too.
        let outcome = await withTaskGroup(of: Result<CarrierResponse, CarrierFailure>.self) { group in
            group.addTask { await self.exchange(prepared, deadline: deadline) }
            group.addTask {
                try? await Task.sleep(for: deadline.duration)
                return .failure(Self.timeout(deadline))
            }
            defer { group.cancelAll() }
            return await group.next() ?? .failure(Self.timeout(deadline))
        }
        return try outcome.get()
    }

    private func exchange(_ request: HTTPClientRequest, deadline: TimeSpan) async -> Result<
        CarrierResponse, CarrierFailure
    > {
        do {
            let response = try await client.execute(request, deadline: .now() + .milliseconds(deadline.milliseconds))
            let body = try await response.body.collect(upTo: CarrierRequest.bodyLimit)
            return .success(
                CarrierResponse(
                    status: Int(response.status.code), headers: Self.headers(response.headers),
                    body: Array(body.readableBytesView)))
        } catch {
            return .failure(failure(error, deadline: deadline))
        }
    }

    /// Opens a request whose answer is read piece by piece; for event streams.
    func open(_ request: CarrierRequest, deadline: TimeSpan) async throws -> HTTPClientResponse {
        let prepared = try prepare(request)
        do {
            return try await client.execute(prepared, deadline: .now() + .milliseconds(deadline.milliseconds))
        } catch {
            throw failure(error, deadline: deadline)
        }
    }

    /// Lower-case names; a name that came more than once stands with its values joined (RFC 9110 section 5.3).
    static func headers(_ fields: HTTPHeaders) -> CarrierHeaders {
        var headers = CarrierHeaders()
        for (name, value) in fields {
            let lower = name.lowercased()
            headers[lower] = headers[lower].map { $0 + ", " + value } ?? value
        }
        return headers
    }

    func failure(_ error: any Error, deadline: TimeSpan) -> CarrierFailure {
        switch error {
        case let failure as CarrierFailure: failure
        case let error as HTTPClientError where Self.timeouts.contains(error): Self.timeout(deadline)
        case let error as HTTPClientError where Self.gone.contains(error):
            CarrierFailure("unreachable", "\(base) does not answer\(way): \(error)")
        case is CancellationError: CarrierFailure("unreachable", "the request was given up")
        case is NIOTooManyBytesError:
            CarrierFailure("too_large", "the answer is larger than \(CarrierRequest.bodyLimit) bytes")
        case is HTTPClientError, is HTTPParserError: CarrierFailure("protocol", "\(base): \(error)")
        case let error as IOError:
            CarrierFailure("unreachable", "\(base) cannot be reached\(way): \(Self.words(error))")
        case let error as NIOConnectionError:
            CarrierFailure("unreachable", "\(base) cannot be reached\(way): \(Self.words(error))")
        case let error where PinnedTrust.isRefusal(error):
            CarrierFailure(
                "untrusted",
                "\(base) shows a certificate that is not trusted: it is not the coordinator, or has a new key")
        // Sockets, names and TLS: errors of layers below, each with its own types.
        default: CarrierFailure("unreachable", "\(base) cannot be reached\(way), or closed the connection: \(error)")
        }
    }

    private static func words(_ error: IOError) -> String { String(cString: strerror(error.errnoCode)) }

    /// Of a host with a name or behind a proxy: what the first of its addresses said, or that it has none.
    private static func words(_ error: NIOConnectionError) -> String {
        guard let first = error.connectionErrors.first?.error else { return "\(error.host) has no address here" }
        return (first as? IOError).map(words) ?? "\(first)"
    }

    private static let timeouts: [HTTPClientError] = [
        .deadlineExceeded, .readTimeout, .writeTimeout, .getConnectionFromPoolTimeout,
    ]

    private static let gone: [HTTPClientError] = [
        .connectTimeout, .remoteConnectionClosed, .cancelled, .alreadyShutdown, .tlsHandshakeTimeout,
    ]

    private static func timeout(_ deadline: TimeSpan) -> CarrierFailure {
        CarrierFailure("timeout", "no answer within \(deadline)")
    }
}

// MARK: - Requests and addresses

extension HTTPCarrier {
    private func prepare(_ request: CarrierRequest) throws(CarrierFailure) -> HTTPClientRequest {
        guard request.body.count <= CarrierRequest.bodyLimit else {
            throw CarrierFailure(
                "too_large", "the body has \(request.body.count) bytes, at most \(CarrierRequest.bodyLimit)")
        }
        guard Self.isTarget(request.target) else {
            throw CarrierFailure(
                "protocol", "a target begins with `/` and is percent-encoded, found `\(request.target.prefix(120))`")
        }
        var prepared = HTTPClientRequest(url: base + request.target)
        prepared.method = HTTPMethod(rawValue: request.method)
        for (name, value) in request.headers where !Self.hopByHop.contains(name) {
            prepared.headers.add(name: name, value: value)
        }
        if !request.body.isEmpty { prepared.body = .bytes(ByteBuffer(bytes: request.body)) }
        return prepared
    }

    /// Whether the text goes over the wire as it is (RFC 3986 section 3.3 and 3.4): a target is signed, so nothing on
    /// the way may need to encode it again.
    private static func isTarget(_ target: String) -> Bool {
        guard target.utf8.first == UInt8(ascii: "/") else { return false }
        return target.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
            default: Self.targetMarks.contains(byte)
            }
        }
    }

    private static let targetMarks = Set("-._~!$&'()*+,;=:@/?%".utf8)

    private static func parse(
        _ base: String
    ) throws(CarrierFailure) -> (text: String, secure: Bool, loopback: Bool) {
        let text = base.hasSuffix("/") ? String(base.dropLast()) : base
        let secure = text.hasPrefix("https://")
        guard secure || text.hasPrefix("http://") else { throw badAddress(base) }
        let authority = text.dropFirst(secure ? 8 : 7)
        let host: Substring
        let port: Substring
        if authority.first == "[", let end = authority.firstIndex(of: "]") {
            host = authority[authority.index(after: authority.startIndex)..<end]
            port = authority[authority.index(after: end)...]
        } else {
            host = authority.prefix { $0 != ":" }
            port = authority.dropFirst(host.count)
        }
        let number = port.isEmpty ? 80 : Int(port.dropFirst()) ?? 0
        let named = host.utf8.allSatisfy { byte in
            (0x30...0x3a).contains(byte) || (0x61...0x7a).contains(byte) || (0x41...0x5a).contains(byte)
                || byte == 0x2d || byte == 0x2e
        }
        guard !host.isEmpty, named, port.isEmpty || port.hasPrefix(":"), (1...65535).contains(number) else {
            throw badAddress(base)
        }
        return (text, secure, isLoopback(host))
    }

    private static func badAddress(_ base: String) -> CarrierFailure {
        CarrierFailure("protocol", "an address reads https://HOST:PORT, found `\(base.prefix(120))`")
    }

    /// 127.0.0.0/8 in full, `::1` and `localhost`; a name that merely resolves to them could resolve elsewhere tomorrow.
    private static func isLoopback(_ host: Substring) -> Bool {
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}
