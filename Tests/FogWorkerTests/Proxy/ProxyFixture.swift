import CFog
import FogCore
import FogJobs
import FogSandbox
import Glibc
import Synchronization
import Testing

@testable import FogWorker

/// A proxy on a port of this machine, as its task would see it.
struct ProxyFixture {
    let host: ProxyHost
    let proxy: TaskProxy
    let port: UInt16

    /// - Parameter exempt: addresses that the machine's owner opens; loopback by default, where the tests' servers are.
    static func with<Result>(
        _ hosts: [String], exempt: [String] = ["127.0.0.1/32"], change: (inout ProxyHost.Options) -> Void = { _ in },
        _ body: (ProxyFixture) async throws -> Result
    ) async throws -> Result {
        var options = ProxyHost.Options()
        options.isAllowed = true
        options.exempt = try exempt.map { try #require(NetworkRange($0)) }
        change(&options)
        let host = ProxyHost(options)
        let proxy = host.proxy(for: try hosts.map { try AllowedHost($0) })
        var port: UInt16 = 0
        let socket = fog_listen(&port)
        try #require(socket >= 0)
        try proxy.open(socket)
        do {
            let result = try await body(ProxyFixture(host: host, proxy: proxy, port: port))
            await proxy.close()
            return result
        } catch {
            await proxy.close()
            throw error
        }
    }

    func connect() throws -> Wire { try Wire(port: port) }

    /// Sends a request and reads the answer to its end.
    func ask(_ request: String) throws -> String {
        let wire = try connect()
        try wire.send(request)
        return try wire.text()
    }

    /// A tunnel that stands.
    func tunnel(to target: String) throws -> Wire {
        let wire = try connect()
        try wire.send("CONNECT \(target) HTTP/1.1\r\nHost: \(target)\r\n\r\n")
        let answer = try wire.head()
        try #require(answer.hasPrefix("HTTP/1.1 200 "), "\(answer)")
        return wire
    }
}

/// A blocking connection. What waits for ever ends a test after two minutes.
final class Wire: Sendable {
    let descriptor: Int32

    init(adopting descriptor: Int32) {
        self.descriptor = descriptor
        let flags = fcntl(descriptor, F_GETFL)
        _ = fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK)
        var patience = timeval(tv_sec: 120, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    convenience init(port: UInt16, address: [UInt8] = [127, 0, 0, 1]) throws {
        let socket = fog_connect(address, Int32(address.count), port)
        try #require(socket >= 0)
        self.init(adopting: socket)
        var polled = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
        poll(&polled, 1, 120_000)
        let error = fog_connected(socket)
        guard error == 0 else { throw BrokenPipe(number: error) }
    }

    deinit { close(descriptor) }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var start = 0
        while start < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress.map { $0 + start }, bytes.count - start, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw BrokenPipe(number: errno) }
            start += count
        }
    }

    /// Says that nothing more comes.
    func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// What is there, at least a byte; empty at the end.
    func some(_ limit: Int = 64 << 10) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, limit) }
        guard count >= 0 else { throw BrokenPipe(number: errno) }
        return Array(bytes.prefix(count))
    }

    func exactly(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try some(count - bytes.count)
            guard !more.isEmpty else { throw BrokenPipe(number: 0) }
            bytes += more
        }
        return bytes
    }

    /// Everything up to the end.
    func text() throws -> String {
        var bytes: [UInt8] = []
        while true {
            let more = try some()
            guard !more.isEmpty else { return String(decoding: bytes, as: UTF8.self) }
            bytes += more
        }
    }

    /// Up to the empty line, and not a byte more.
    func head() throws -> String {
        var bytes: [UInt8] = []
        while !bytes.suffix(4).elementsEqual("\r\n\r\n".utf8) {
            let more = try some(1)
            guard !more.isEmpty else { break }
            bytes += more
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether the other end is gone, by an end or a reset.
    func isOver() -> Bool {
        while true {
            guard let bytes = try? some() else { return errno != EAGAIN }
            if bytes.isEmpty { return true }
        }
    }
}

/// A server on loopback, with a thread for each of its connections. It ends with the test's scope.
final class Server: Sendable {
    let port: UInt16
    private let listener: Int32
    private let accepted = Mutex(0)

    /// - Parameter address: of 127.0.0.0/8.
    init(
        address: [UInt8] = [127, 0, 0, 1], port wanted: UInt16 = 0, _ serve: @escaping @Sendable (Wire) throws -> Void
    ) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        try #require(listener >= 0)
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = wanted.bigEndian
        place.sin_addr.s_addr = address.reversed().reduce(0) { $0 << 8 | UInt32($1) }
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &place) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 512) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        try #require(isBound)
        self.listener = listener
        port = UInt16(bigEndian: place.sin_port)
        Self.thread { [weak self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { break }
                self?.accepted.withLock { $0 += 1 }
                let wire = Wire(adopting: connection)
                Self.thread { try? serve(wire) }
            }
            close(listener)
        }
    }

    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    /// Connections that reached it.
    var connections: Int { accepted.withLock { $0 } }

    /// Sends back what comes, and ends when it does.
    static func echo(address: [UInt8] = [127, 0, 0, 1], port: UInt16 = 0) throws -> Server {
        try Server(address: address, port: port) { wire in
            while true {
                let bytes = try wire.some()
                if bytes.isEmpty { return wire.finish() }
                try wire.send(bytes)
            }
        }
    }

    static func thread(_ body: @escaping @Sendable () -> Void) {
        final class Box: Sendable {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(Box(body))
        pthread_create(
            &thread, nil,
            { pointer in
                if let pointer { Unmanaged<Box>.fromOpaque(pointer).takeRetainedValue().body() }
                return nil
            }, context.toOpaque())
        pthread_detach(thread)
    }
}

/// Waits for a condition that another thread brings about; the bound only keeps a broken test from hanging.
func eventually(_ condition: () -> Bool) async throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(120)
    while !condition() {
        try #require(clock.now < end, "it never came about")
        try await Task.sleep(for: .milliseconds(2))
    }
}

/// Open descriptors and threads of this process.
func holdings() -> (descriptors: Int, threads: Int) {
    func count(_ path: String) -> Int {
        guard let folder = opendir(path) else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        return count
    }
    return (count("/proc/self/fd"), count("/proc/self/task"))
}

/// Answers in turn, the last one for ever.
final class ScriptedResolver: HostResolver {
    private let answers: [[NetworkAddress]]
    private let asked = Mutex<[String]>([])

    init(_ answers: [String]...) { self.answers = answers.map { $0.compactMap { NetworkAddress($0) } } }

    /// The names that were looked up.
    var names: [String] { asked.withLock { $0 } }

    func addresses(of name: String) -> [NetworkAddress] {
        let turn = asked.withLock { asked in
            asked.append(name)
            return asked.count - 1
        }
        return answers.isEmpty ? [] : answers[min(turn, answers.count - 1)]
    }
}
