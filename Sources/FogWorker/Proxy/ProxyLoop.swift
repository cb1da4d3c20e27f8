import CFog
import FogCore
import FogJobs
import Glibc

/// The thread behind a ``TaskProxy``: waits for its sockets and moves their bytes.
///
/// `poll` and not `epoll`: at most two sockets for each of ``ProxyLimits/connections``, and what is waited for changes
/// with every turn.
final class ProxyLoop {
    let proxy: TaskProxy
    let mailbox: ProxyMailbox
    let limits: ProxyLimits
    private let listener: Int32
    private(set) var connections: [UInt64: ProxyConnection] = [:]
    private var nextID: UInt64 = 1
    private var frozenSince: Int64?
    private(set) var isAllowed = false
    /// Descriptors are short: nothing is accepted before.
    private var acceptAfter: Int64 = 0
    /// Connections whose name waits for its turn, and lookups under way, abandoned ones among them.
    var unresolved: [UInt64] = []
    var lookups = 0
    private let niceness: Int32
    /// Turns that moved little since a moment.
    private var idling: (since: Int64, turns: Int) = (0, 0)
    private var moved = 0

    /// Of one task: a name server that does not answer keeps nobody else.
    static let maxLookups = 4
    private static let acceptedAtOnce = 64
    private static let shortageNanoseconds: Int64 = 100_000_000
    /// A task that sends byte by byte would have the agent work for it, whose time no limit of the task's counts. So
    /// after this many turns of less than `little` bytes within `paceNanoseconds` each further one waits a millisecond.
    private static let paceNanoseconds: Int64 = 100_000_000
    private static let idleTurns = 500
    private static let little = 4096

    init(_ proxy: TaskProxy, listener: Int32, mailbox: ProxyMailbox, niceness: Int32) {
        self.niceness = niceness
        self.proxy = proxy
        self.listener = listener
        self.mailbox = mailbox
        limits = proxy.host.options.limits
    }

    func run() {
        // Of this thread alone (setpriority(2), "C library/kernel differences").
        if niceness > 0 { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, niceness) }
        while obey() {
            if frozenSince == nil { expire(fog_boot_nanoseconds()) }
            turn()
            pace(fog_boot_nanoseconds())
        }
        close(listener)
        for connection in connections.values { connection.closeAll() }
        proxy.host.giveBack(connections.count)
        connections = [:]
        proxy.finished()
    }

    // MARK: - Orders

    /// False when it is over.
    private func obey() -> Bool {
        let mail = mailbox.take()
        if mail.isStopped { return false }
        let now = fog_boot_nanoseconds()
        if mail.isFrozen != (frozenSince != nil) {
            if let since = frozenSince {
                for connection in connections.values { connection.shift(by: now - since) }
                frozenSince = nil
            } else {
                frozenSince = now
            }
        }
        if isAllowed, !mail.isAllowed { cut() }
        isAllowed = mail.isAllowed
        for (id, answer) in mail.answers {
            lookups -= 1
            if let connection = connections[id], connection.phase == .resolving { resolved(connection, answer, now) }
        }
        startLookups(now)
        return true
    }

    /// The owner allows no network any more: nobody is asked, and requests that come are answered.
    private func cut() {
        for connection in Array(connections.values) where connection.phase != .reading && connection.phase != .refusing
        {
            drop(connection)
        }
    }

    // MARK: - One turn

    private func turn() {
        let now = fog_boot_nanoseconds()
        var polled = [pollfd(fd: mailbox.event, events: Int16(POLLIN), revents: 0)]
        var owners: [ProxyConnection?] = [nil]
        var wake = Int64.max
        if frozenSince == nil {
            if connections.count < limits.connections {
                if acceptAfter > now {
                    wake = acceptAfter
                } else {
                    polled.append(pollfd(fd: listener, events: Int16(POLLIN), revents: 0))
                    owners.append(nil)
                }
            }
            for connection in connections.values {
                let (client, server) = connection.interests(now)
                for (socket, events) in [(connection.client, client), (connection.server, server)] where events != 0 {
                    polled.append(pollfd(fd: socket, events: events, revents: 0))
                    owners.append(connection)
                }
                wake = min(wake, connection.nextMoment(now))
            }
        }
        let wait = wake == .max ? -1 : Int32(clamping: max(0, wake &- now &+ 999_999) / 1_000_000)
        // Orders first: what is to be frozen or cut moves no byte more.
        guard poll(&polled, nfds_t(polled.count), wait) > 0, polled[0].revents == 0 else { return }
        let after = fog_boot_nanoseconds()
        for (entry, owner) in zip(polled, owners) where entry.revents != 0 {
            if let owner {
                // Its other socket may have ended it in this turn.
                if connections[owner.id] != nil { ready(owner, after) }
            } else if entry.fd == listener {
                accept(after)
            }
        }
    }

    private func pace(_ now: Int64) {
        if now - idling.since > Self.paceNanoseconds { idling = (now, 0) }
        if moved < Self.little { idling.turns += 1 }
        moved = 0
        if idling.turns > Self.idleTurns { usleep(1000) }
    }

    private func accept(_ now: Int64) {
        for _ in 0..<Self.acceptedAtOnce where connections.count < limits.connections {
            guard proxy.host.take() else {
                acceptAfter = now + Self.shortageNanoseconds
                return
            }
            let client = fog_accept(listener)
            guard client >= 0 else {
                proxy.host.giveBack(1)
                if errno != EAGAIN { acceptAfter = now + Self.shortageNanoseconds }
                return
            }
            let connection = ProxyConnection(
                id: nextID, client: client, limits: limits, deadline: now + limits.headNanoseconds)
            nextID += 1
            connections[connection.id] = connection
            if connection.id > UInt64(limits.total) {
                refuse(
                    connection,
                    ProxyRefusal(503, "too_many_connections", "the task has made \(limits.total) connections"), now)
            } else {
                // What comes and goes at once is gone before the next turn.
                ready(connection, now)
            }
        }
    }

    private func ready(_ connection: ProxyConnection, _ now: Int64) {
        do {
            switch connection.phase {
            case .reading:
                guard let bytes = try connection.readHead() else { return }
                if let (request, rest) = try connection.head.append(bytes) { begin(connection, request, rest, now) }
            case .resolving: break
            case .connecting:
                let error = fog_connected(connection.server)
                if error == 0 { stand(connection, now) } else { tryNext(connection, error, now) }
            case .flowing: try flow(connection, now)
            case .refusing:
                if try connection.sayNo() { drop(connection) }
            }
        } catch let refusal as ProxyRefusal {
            refuse(connection, refusal, now)
        } catch {
            drop(connection)
        }
    }

    func flow(_ connection: ProxyConnection, _ now: Int64) throws {
        let moved = try connection.move(now) { meter($0, now) }
        self.moved += moved.read + moved.written
        if moved.read + moved.written > 0 {
            proxy.count {
                $0.bytesIn += Int64(moved.read)
                $0.bytesOut += Int64(moved.written)
            }
            connection.deadline = now + limits.idleNanoseconds
        }
        if moved.isOver { drop(connection) }
    }

    /// From when on so many bytes may go.
    private func meter(_ bytes: Int, _ now: Int64) -> Int64 {
        guard let bandwidth = proxy.host.options.bandwidth else { return 0 }
        let wait = bandwidth.reserve(bytes, now: .milliseconds(now / 1_000_000))
        return wait > .zero ? now + wait.milliseconds * 1_000_000 : 0
    }

    func drop(_ connection: ProxyConnection) {
        connection.closeAll()
        connections[connection.id] = nil
        proxy.host.giveBack(1)
    }

    private func expire(_ now: Int64) {
        for connection in Array(connections.values) {
            if connection.deadline <= now {
                switch connection.phase {
                case .reading:
                    refuse(connection, ProxyRefusal(408, "request_timeout", "the request's head did not come"), now)
                case .resolving, .connecting:
                    refuse(connection, ProxyRefusal(504, "connect_timeout", "the host did not answer in time"), now)
                case .flowing:
                    // Held by the rate is not idle.
                    let held = max(connection.up.heldUntil, connection.down.heldUntil)
                    if held > now { connection.deadline = held + limits.idleNanoseconds } else { drop(connection) }
                case .refusing: drop(connection)
                }
            } else if connection.addressDeadline <= now {
                tryNext(connection, ETIMEDOUT, now)
            }
        }
    }
}
