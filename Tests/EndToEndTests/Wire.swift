import Foundation
import Glibc
import Synchronization

/// A network of its own for the processes of one test, with a loopback and nothing else, and all that crosses it.
///
/// A thread of this process moves into a new network namespace and reads there from a packet socket, so it sees every
/// TCP segment from the first one on. Programs started within ``within(_:)`` live in it.
final class Wire: Sendable {
    /// What a TCP connection carried one way.
    struct Direction: Sendable {
        var bytes = 0
        /// Where segments ended within the first bytes, while a link greets.
        var firstEnds: [Int] = []
        /// Where the later ones ended, as remainders by the length of a frame; and how many did.
        var remainders: [Int: Int] = [:]
        /// Segments that the socket's queue had no room for: nothing more is known of ends.
        var hasGap = false

        fileprivate var next: UInt32?
        /// The end of what came, for markers that lie across segments.
        fileprivate var tail: [UInt8] = []
    }

    struct Flow: Sendable {
        let client: UInt16
        let server: UInt16
        /// Begun after ``mark()``.
        let isLate: Bool
        var up = Direction()
        var down = Direction()
    }

    private struct State {
        var flows: [Flow] = []
        /// The flow that two ports are of now, the client's first.
        var open: [UInt32: Int] = [:]
        var isMarked = false
        /// Markers that were seen, and in flows of which server's port.
        var found: [String: Set<UInt16>] = [:]
        var packets = 0
        var foreign: [[UInt8]] = []
        var isOver = false
        var place: Result<String, Problem>?
    }

    /// A greeting is shorter.
    static let greetingBytes = 400
    static var isPossible: Bool {
        geteuid() == 0
            && ["/usr/bin/nsenter", "/usr/sbin/ip"].allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }
    }

    private let markers: [(text: String, forms: [[UInt8]])]
    private let frameBytes: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - markers: texts to look for in whatever is sent, as they are and in base64, of at least 12 and at most 40 bytes.
    ///   - frameBytes: of a frame of a mixnet's link.
    init(markers: [String], frameBytes: Int) async throws {
        self.markers = markers.map { text in
            // In base64 a text has three forms, by where it begins; what its neighbours change of them is left out.
            let coded = (0...2).map { before in
                let code = Data([UInt8](repeating: 0, count: before) + Array(text.utf8)).base64EncodedString()
                return Array(code.utf8.dropFirst(before == 0 ? 0 : before + 1).dropLast(4))
            }
            return (text, [Array(text.utf8)] + coded)
        }
        self.frameBytes = frameBytes
        // Ends by `end()`, which the test calls, or with the process.
        Thread.detachNewThread { [self] in listen() }
        var place: Result<String, Problem>?
        while place == nil {
            try await Task.sleep(for: .milliseconds(10))
            place = state.withLock { $0.place }
        }
        let up = try Child(
            "/usr/bin/nsenter", ["--net=\(try place?.get() ?? "")", "/usr/sbin/ip", "link", "set", "lo", "up"],
            environment: [:])
        let end = try await up.end(within: Cloud.patience)
        guard end.status == 0 else { throw Problem("the loopback cannot be set up: \(end.errors)") }
    }

    /// Starts the programs of the body in this network.
    func within<Result>(_ body: () async throws -> Result) async throws -> Result {
        let place = try state.withLock { try $0.place?.get() } ?? ""
        return try await Child.$prefix.withValue(["/usr/bin/nsenter", "--net=\(place)"]) { try await body() }
    }

    /// From now on connections count as late.
    func mark() { state.withLock { $0.isMarked = true } }
    /// The thread ends, and with it the namespace once its processes have ended.
    func end() { state.withLock { $0.isOver = true } }

    var flows: [Flow] { state.withLock { $0.flows } }
    var found: [String: Set<UInt16>] { state.withLock { $0.found } }
    /// The beginnings of packets that are no TCP over IPv4.
    var foreign: [[UInt8]] { state.withLock { $0.foreign } }

    // MARK: - Reading

    private static let family: Int32 = 17
    private static let internetProtocol = UInt16(0x0800).bigEndian
    private static let outgoing: UInt8 = 4
    private static let newNetwork: Int32 = 0x4000_0000

    private func listen() {
        let opened = Self.open()
        let task = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")) ?? ""
        state.withLock { $0.place = opened.map { _ in "/proc/\(task)/ns/net" } }
        guard let socket = try? opened.get() else { return }
        defer { close(socket) }
        var buffer = [UInt8](repeating: 0, count: 1 << 17)
        var address = [UInt8](repeating: 0, count: 32)
        while !state.withLock({ $0.isOver }) {
            var length = socklen_t(address.count)
            let count = address.withUnsafeMutableBytes { place in
                recvfrom(
                    socket, &buffer, buffer.count, 0, place.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                    &length)
            }
            // Each packet of a loopback is seen when it leaves and when it comes.
            guard count > 0, address[10] != Self.outgoing else { continue }
            take(buffer[..<count])
        }
    }

    /// A packet socket in a new network namespace, which this thread is in from then on.
    private static func open() -> Result<Int32, Problem> {
        typealias Unshare = @convention(c) (Int32) -> Int32
        guard let symbol = dlsym(nil, "unshare") else { return .failure(Problem("there is no unshare(2)")) }
        guard unsafeBitCast(symbol, to: Unshare.self)(newNetwork) == 0 else {
            return .failure(Problem("no network namespace: \(String(cString: strerror(errno)))"))
        }
        let socket = Glibc.socket(family, Int32(SOCK_DGRAM.rawValue), Int32(internetProtocol))
        guard socket >= 0 else { return .failure(Problem("no packet socket: \(String(cString: strerror(errno)))")) }
        var room: Int32 = 256 << 20
        setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &room, socklen_t(MemoryLayout<Int32>.size))
        var patience = timeval(tv_sec: 0, tv_usec: 200_000)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        return .success(socket)
    }

    private func take(_ packet: ArraySlice<UInt8>) {
        func number(_ place: Int) -> UInt16 { UInt16(packet[place]) << 8 | UInt16(packet[place + 1]) }
        let header = Int(packet[0] & 15) * 4
        state.withLock { state in
            state.packets += 1
            guard packet.count >= header + 20, packet[0] >> 4 == 4, packet[9] == 6 else {
                return state.foreign.append(Array(packet.prefix(28)))
            }
            let (source, target, flags) = (number(header), number(header + 2), packet[header + 13])
            let sequence = UInt32(number(header + 4)) << 16 | UInt32(number(header + 6))
            let total = Int(number(2))
            let start = header + Int(packet[header + 12] >> 4) * 4
            let end = total == 0 ? packet.count : min(total, packet.count)
            let isOpening = flags & 2 != 0
            if isOpening, flags & 16 == 0 {
                state.open[UInt32(source) << 16 | UInt32(target)] = state.flows.count
                state.flows.append(Flow(client: source, server: target, isLate: state.isMarked))
            }
            let upward = state.open[UInt32(source) << 16 | UInt32(target)]
            guard let flow = upward ?? state.open[UInt32(target) << 16 | UInt32(source)] else { return }
            let path: WritableKeyPath<Flow, Direction> = upward == nil ? \.down : \.up
            if isOpening { return state.flows[flow][keyPath: path].next = sequence &+ 1 }
            guard end > start else { return }
            let payload = packet[start..<end]
            guard let fresh = state.flows[flow][keyPath: path].add(payload, at: sequence, frame: frameBytes) else {
                return
            }
            let whole = state.flows[flow][keyPath: path].tail + fresh
            for marker in markers where marker.forms.contains(where: { Self.contains(whole, $0) }) {
                state.found[marker.text, default: []].insert(state.flows[flow].server)
            }
            state.flows[flow][keyPath: path].tail = Array(whole.suffix(64))
        }
    }

    private static func contains(_ bytes: [UInt8], _ text: [UInt8]) -> Bool {
        bytes.withUnsafeBufferPointer { all in
            guard var place = all.baseAddress, all.count >= text.count else { return false }
            let end = place + (all.count - text.count + 1)
            while let hit = memchr(place, Int32(text[0]), end - place) {
                let start = UnsafePointer(hit.assumingMemoryBound(to: UInt8.self))
                if memcmp(start, text, text.count) == 0 { return true }
                place = start + 1
                if place >= end { return false }
            }
            return false
        }
    }
}

extension Wire.Direction {
    /// - Returns: what of a segment was not there before.
    fileprivate mutating func add(
        _ payload: ArraySlice<UInt8>, at sequence: UInt32, frame: Int
    ) -> ArraySlice<UInt8>? {
        let ahead = Int(Int32(bitPattern: sequence &- (next ?? sequence)))
        if ahead > 0 { hasGap = true }
        guard ahead + payload.count > 0 else { return nil }
        let fresh = payload.dropFirst(max(0, -ahead))
        next = sequence &+ UInt32(payload.count)
        bytes += fresh.count
        if bytes < Wire.greetingBytes {
            firstEnds.append(bytes)
        } else if !hasGap {
            remainders[bytes % frame, default: 0] += 1
        }
        return fresh
    }
}
