import FogAPI
import FogCore
import FogHTTP
import FogNet
import Glibc
import Logging
import ServiceLifecycle
import Synchronization
import Testing

/// A server on loopback for as long as the body runs; afterwards it is shut down as SIGTERM would do it, and waited for.
func withServer(
    _ endpoint: any CarrierEndpoint, streams: (any EventStreaming)? = nil,
    limits: HTTPServer.Limits = HTTPServer.Limits(), identity: ServerIdentity? = nil,
    admission: @escaping HTTPServer.Admission = { _ in nil },
    _ body: @Sendable (_ port: Int, _ server: HTTPServer) async throws -> Void
) async throws {
    let (ports, port) = AsyncStream<Int>.makeStream()
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let server = HTTPServer(
        endpoint: endpoint, streams: streams, limits: limits, identity: identity, logger: logger,
        admission: admission,
        onBound: { port.yield($0) })
    let group = ServiceGroup(configuration: .init(services: [server], logger: logger))
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask {
            // A server that cannot start must not leave the test waiting for its port.
            defer { port.finish() }
            try await group.run()
        }
        var iterator = ports.makeAsyncIterator()
        let bound = try #require(await iterator.next(), "the server did not start")
        do {
            try await body(bound, server)
        } catch {
            await group.triggerGracefulShutdown()
            throw error
        }
        await group.triggerGracefulShutdown()
        try await tasks.waitForAll()
    }
}

/// A carrier to the server, shut down with the scope.
func withCarrier(
    _ port: Int, options: HTTPCarrier.Options = .init(), _ body: (HTTPCarrier) async throws -> Void
) async throws {
    let carrier = try HTTPCarrier("http://127.0.0.1:\(port)", options: options)
    do {
        try await body(carrier)
    } catch {
        await carrier.shutDown()
        throw error
    }
    await carrier.shutDown()
}

/// A condition that another task brings about; each test has a time limit.
func eventually(_ condition: @Sendable () -> Bool) async throws {
    while !condition() { try await Task.sleep(for: .milliseconds(1)) }
}

/// A TCP connection that sends what a proper client never would. Never blocks a thread.
final class RawConnection: Sendable {
    private let descriptor: Int32

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(connected == 0, "connect: \(errno)")
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }

    deinit { close(descriptor) }

    /// Whether the server still took it.
    @discardableResult
    func send(_ text: String) async throws -> Bool { try await send(bytes: Array(text.utf8)) }

    /// Whether the server still took them.
    @discardableResult
    func send(bytes: [UInt8]) async throws -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                try await Task.sleep(for: .milliseconds(1))
            } else {
                return false
            }
        }
        return true
    }

    /// Says that nothing more will be sent (FIN), and listens on.
    func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Reads until the text stands in what came, or the server closes.
    func read(until text: String) async throws -> String {
        String(decoding: try await bytes(until: text), as: UTF8.self)
    }

    private func bytes(until text: String) async throws -> [UInt8] {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count > 0 {
                all += chunk.prefix(count)
                if !text.isEmpty, String(decoding: all, as: UTF8.self).contains(text) { return all }
            } else if count < 0, errno == EAGAIN {
                try await Task.sleep(for: .milliseconds(1))
            } else {
                return all
            }
        }
    }

    /// Reads until the server closes.
    func readToEnd() async throws -> String { try await read(until: "") }

    /// Reads until the server closes.
    func bytesToEnd() async throws -> [UInt8] { try await bytes(until: "") }
}
