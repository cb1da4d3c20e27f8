import FogJobs
import Glibc

/// One connection of a task, from its request to its end. Touched by its proxy's thread alone.
final class ProxyConnection {
    enum Phase {
        /// The request comes in.
        case reading
        /// The name is looked up, or waits for its turn.
        case resolving
        case connecting
        case flowing
        /// It was refused: the answer goes out, and what still comes in is thrown away.
        case refusing
    }

    let id: UInt64
    let client: Int32
    private(set) var server: Int32 = -1
    var phase = Phase.reading
    var head: ProxyHead
    var request: ProxyRequest?
    /// What came behind the request's head.
    var rest: [UInt8] = []
    /// Addresses that were checked and not tried yet, the next one last.
    var addresses: [NetworkAddress] = []
    /// To the server, and to the task.
    private(set) var up = ProxyPipe()
    private(set) var down = ProxyPipe()
    /// By the boot clock: when the phase is given up.
    var deadline: Int64
    /// When the present address is given up for the next one.
    var addressDeadline = Int64.max

    init(id: UInt64, client: Int32, limits: ProxyLimits, deadline: Int64) {
        self.id = id
        self.client = client
        self.deadline = deadline
        head = ProxyHead(limits: limits)
    }

    /// For what the machine spent frozen.
    func shift(by nanoseconds: Int64) {
        deadline &+= nanoseconds
        if addressDeadline != .max { addressDeadline &+= nanoseconds }
        up.heldUntil &+= nanoseconds
        down.heldUntil &+= nanoseconds
    }

    /// When something must be done even if no socket speaks.
    func nextMoment(_ now: Int64) -> Int64 {
        var next = min(deadline, addressDeadline)
        if phase == .flowing {
            for held in [up.heldUntil, down.heldUntil] where held > now { next = min(next, held) }
        }
        return next
    }

    // MARK: - Sockets

    /// What to wait for at each socket; 0 = nothing, and then it is not asked, since a broken one would never be quiet.
    func interests(_ now: Int64) -> (client: Int16, server: Int16) {
        let (reading, writing) = (Int16(POLLIN), Int16(POLLOUT))
        switch phase {
        case .reading: return (reading, 0)
        case .resolving: return (0, 0)
        case .connecting: return (0, writing)
        case .refusing: return (down.isEmpty && down.isShut ? reading : writing, 0)
        case .flowing:
            var (client, server): (Int16, Int16) = (0, 0)
            if up.heldUntil <= now {
                if up.wantsRead { client |= reading }
                if !up.isEmpty { server |= writing }
            }
            if down.heldUntil <= now {
                if down.wantsRead { server |= reading }
                if !down.isEmpty { client |= writing }
            }
            return (client, server)
        }
    }

    func connect(_ socket: Int32) {
        closeServer()
        server = socket
        phase = .connecting
    }

    func closeServer() {
        if server >= 0 { close(server) }
        server = -1
        addressDeadline = .max
    }

    func closeAll() {
        closeServer()
        close(client)
    }

    // MARK: - Bytes

    /// Begins to pass bytes on. What is answered first goes to the task, what is sent first to the server.
    func flow(answering answer: [UInt8], sending first: [UInt8]) {
        phase = .flowing
        addressDeadline = .max
        (rest, request) = ([], nil)
        up = ProxyPipe(first)
        down = ProxyPipe(answer)
    }

    func refuse(_ answer: [UInt8], until deadline: Int64) {
        closeServer()
        phase = .refusing
        self.deadline = deadline
        down = ProxyPipe(answer, isLast: true)
    }

    /// What was moved, as the server sees it.
    struct Moved {
        var read = 0
        var written = 0
        var isOver = false
    }

    /// Rounds without waiting, so that one connection does not keep the others.
    private static let rounds = 4

    /// Moves what can be moved at once in both directions.
    /// - Parameter meter: told how many bytes were read, answers from when on they may go.
    func move(_ now: Int64, meter: (Int) -> Int64) throws(BrokenPipe) -> Moved {
        var moved = Moved()
        let sent = try Self.move(&up, from: client, to: server, now, meter)
        let received = try Self.move(&down, from: server, to: client, now, meter)
        (moved.written, moved.read) = (sent.written, received.read)
        moved.isOver = up.isShut && down.isShut
        return moved
    }

    private static func move(
        _ pipe: inout ProxyPipe, from source: Int32, to destination: Int32, _ now: Int64, _ meter: (Int) -> Int64
    ) throws(BrokenPipe) -> (read: Int, written: Int) {
        var (read, written) = (0, 0)
        for _ in 0..<rounds where pipe.heldUntil <= now {
            if pipe.wantsRead {
                guard case .bytes(let count) = try pipe.fill(from: source) else {
                    if !pipe.isFinished { break }
                    _ = try pipe.drain(to: destination)
                    break
                }
                read += count
                pipe.heldUntil = meter(count)
                if pipe.heldUntil > now { break }
            }
            guard case .bytes(let count) = try pipe.drain(to: destination) else { break }
            written += count
        }
        // What was the last may have gone just now: its end is handed on as well.
        if pipe.isEmpty, pipe.isFinished, pipe.heldUntil <= now { _ = try pipe.drain(to: destination) }
        return (read, written)
    }

    /// Sends a refusal, then waits for the task to close: whoever closes first, with bytes unread, takes the answer back.
    /// - Returns: whether it is over.
    func sayNo() throws(BrokenPipe) -> Bool {
        if !down.isShut {
            _ = try down.drain(to: client)
            if down.isEmpty { _ = try down.drain(to: client) }
            return false
        }
        var scratch = ProxyPipe()
        for _ in 0..<Self.rounds {
            guard case .bytes = try scratch.fill(from: client) else { return scratch.isFinished }
        }
        return false
    }

    /// Reads more of the request.
    /// - Returns: nil when there is no more now.
    /// - Throws: a broken connection, also one that ended before the request did.
    func readHead() throws(BrokenPipe) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: max(1, min(4096, head.room)))
        let count = bytes.withUnsafeMutableBytes { read(client, $0.baseAddress, $0.count) }
        if count < 0, errno == EAGAIN || errno == EINTR { return nil }
        guard count > 0 else { throw BrokenPipe(number: count < 0 ? errno : 0) }
        return Array(bytes.prefix(count))
    }
}
