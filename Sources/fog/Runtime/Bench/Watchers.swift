internal import FogCommandLine
import Foundation

/// Many readers of a live event stream on raw connections: what the server sends is all that costs.
///
/// One thread, `poll(2)`; not for more than one task at a time.
final class Watchers {
    private var descriptors: [Int32] = []
    /// Bytes of each that came and are not passed yet.
    private var received: [[UInt8]] = []
    private let port: UInt16
    private let network: BenchNetwork?

    /// - Parameter network: where they stand; nil = on loopback.
    init(port: UInt16, in network: BenchNetwork? = nil) {
        self.port = port
        self.network = network
    }

    deinit { closeAll() }

    var count: Int { descriptors.count }

    /// Opens one more with a signed request, as it goes over the wire.
    func open(_ request: String) throws {
        func socket() -> Int32 {
            Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        }
        let descriptor = try network?.inside(socket) ?? socket()
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = (network == nil ? in_addr_t(0x7f00_0001) : BenchNetwork.here).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        let bytes = Array(request.utf8)
        guard connected == 0, send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            close(descriptor)
            throw CommandLineFailure("bench_failed", "watcher \(count + 1) could not connect: error \(errno)")
        }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        descriptors.append(descriptor)
        received.append([])
    }

    /// Reads until the text came to every one of them since the last call.
    func waitForAll(_ text: String, seconds: Double) throws {
        let wanted = Array(text.utf8)
        let watch = Stopwatch()
        var open = Set(descriptors.indices.filter { !received[$0].contains(wanted) })
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while !open.isEmpty {
            guard watch.seconds < seconds else {
                throw CommandLineFailure(
                    "bench_failed",
                    "\(open.count) of \(count) watchers did not see `\(text)` within \(seconds) s; one has: "
                        + String(decoding: received[open.first ?? 0].suffix(300), as: UTF8.self))
            }
            let order = open.sorted()
            var polled = order.map { pollfd(fd: descriptors[$0], events: Int16(POLLIN), revents: 0) }
            guard poll(&polled, nfds_t(polled.count), 1000) > 0 else { continue }
            for (index, item) in zip(order, polled) where item.revents != 0 {
                let got = recv(descriptors[index], &chunk, chunk.count, 0)
                guard got > 0 else {
                    throw CommandLineFailure(
                        "bench_failed",
                        "watcher \(index + 1) was cut off: \(String(decoding: received[index].suffix(300), as: UTF8.self))"
                    )
                }
                received[index] += chunk.prefix(got)
                if received[index].contains(wanted) { open.remove(index) }
            }
        }
        for index in received.indices { received[index] = [] }
    }

    func closeAll() {
        for descriptor in descriptors { close(descriptor) }
        descriptors = []
        received = []
    }
}

extension ChildProcess {
    /// Connections that it holds, its listening one among them.
    var sockets: Int {
        let folder = "/proc/\(pid)/fd"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.count { name in
            let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(name)")
            return target?.hasPrefix("socket:") == true
        }
    }
}
