import FogCore
import Glibc
import Synchronization
import Testing

/// A small HTTP proxy on loopback that knows CONNECT alone, and leads every connection to one port of this machine.
final class ConnectProxy: Sendable {
    let port: Int
    private let listener: Int32
    private let target: Int
    private let state = Mutex<(heads: [String], isStopped: Bool)>(([], false))

    /// The heads of the requests that came.
    var heads: [String] { state.withLock { $0.heads } }

    init(to target: Int) throws {
        self.target = target
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, $0, &size) == 0
            }
        }
        try #require(bound, "a listener on loopback: \(errno)")
        port = Int(in_port_t(bigEndian: address.sin_port))
        Self.thread { [self] in accept() }
    }

    /// Ends the listener; connections end with their clients.
    func stop() {
        state.withLock { $0.isStopped = true }
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private func accept() {
        while true {
            let client = Glibc.accept(listener, nil, nil)
            guard client >= 0, !state.withLock({ $0.isStopped }) else { return }
            Self.thread { [self] in serve(client) }
        }
    }

    private func serve(_ client: Int32) {
        var head: [UInt8] = []
        var byte: UInt8 = 0
        while !head.suffix(4).elementsEqual([13, 10, 13, 10]), head.count < 8192, recv(client, &byte, 1, 0) == 1 {
            head.append(byte)
        }
        state.withLock { $0.heads.append(String(decoding: head, as: UTF8.self)) }
        guard let server = try? RawSocket.connect(to: target) else {
            close(client)
            return
        }
        RawSocket.sendAll(Array("HTTP/1.1 200 Connection established\r\n\r\n".utf8), to: client)
        Self.thread { RawSocket.copy(from: server, to: client) }
        RawSocket.copy(from: client, to: server)
    }

    private static func thread(_ body: @escaping @Sendable () -> Void) {
        var id = pthread_t()
        let box = Unmanaged.passRetained(Body(body))
        pthread_create(
            &id, nil,
            { raw in
                guard let raw else { return nil }
                Unmanaged<Body>.fromOpaque(raw).takeRetainedValue().run()
                return nil
            }, box.toOpaque())
        pthread_detach(id)
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
}

/// Sockets of threads that may block.
enum RawSocket {
    static func connect(to port: Int) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(connected == 0, "connect: \(errno)")
        return descriptor
    }

    @discardableResult
    static func sendAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Until one side closes.
    static func copy(from source: Int32, to target: Int32) {
        var chunk = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = recv(source, &chunk, chunk.count, 0)
            guard count > 0, sendAll(Array(chunk.prefix(count)), to: target) else { break }
        }
        shutdown(target, Int32(SHUT_WR))
        shutdown(source, Int32(SHUT_RD))
    }
}
