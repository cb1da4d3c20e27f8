import CFog
import FogJobs
import Glibc

/// From a request to the connection that it asks for, or to the answer that says why not.
extension ProxyLoop {
    func begin(_ connection: ProxyConnection, _ request: ProxyRequest, _ rest: [UInt8], _ now: Int64) {
        guard isAllowed else {
            let words = "the machine's owner lets no task reach the network now"
            return refuse(connection, ProxyRefusal(403, "network_denied", words), now)
        }
        guard proxy.hosts.allow(request.host, port: request.port) else {
            let words = "\(request.host):\(request.port) is not among the hosts that the task may reach (allow_hosts)"
            return refuse(connection, ProxyRefusal(403, "host_not_allowed", words), now)
        }
        connection.request = request
        connection.rest = rest
        connection.phase = .resolving
        connection.deadline = now + limits.connectNanoseconds
        unresolved.append(connection.id)
        startLookups(now)
    }

    func startLookups(_ now: Int64) {
        while lookups < Self.maxLookups, !unresolved.isEmpty {
            guard let connection = connections[unresolved.removeFirst()], connection.phase == .resolving,
                let request = connection.request
            else { continue }
            let (mailbox, id) = (mailbox, connection.id)
            let isTaken = proxy.host.look(up: request.host, port: request.port) { answer in
                mailbox.tell { $0.answers.append((id, answer)) }
            }
            if isTaken {
                lookups += 1
            } else {
                refuse(connection, ProxyRefusal(503, "resolver_busy", "too many names are being looked up"), now)
            }
        }
    }

    func resolved(_ connection: ProxyConnection, _ answer: ProxyMailbox.Answer, _ now: Int64) {
        switch answer {
        case .failure(let refusal): refuse(connection, refusal, now)
        case .success(let addresses):
            connection.addresses = addresses.reversed()
            tryNext(connection, EHOSTUNREACH, now)
        }
    }

    /// - Parameter error: why the address before could not be reached.
    func tryNext(_ connection: ProxyConnection, _ error: Int32, _ now: Int64) {
        connection.closeServer()
        guard let request = connection.request else { return drop(connection) }
        var error = error
        while let address = connection.addresses.popLast() {
            let bytes = address.bytes
            let socket = fog_connect(bytes, Int32(bytes.count), request.port)
            guard socket >= 0 else {
                error = errno
                continue
            }
            connection.connect(socket)
            if !connection.addresses.isEmpty { connection.addressDeadline = now + limits.addressNanoseconds }
            return
        }
        let words = "\(request.host):\(request.port) cannot be reached: \(String(cString: strerror(error)))"
        refuse(
            connection,
            error == ETIMEDOUT
                ? ProxyRefusal(504, "connect_timeout", words) : ProxyRefusal(502, "connect_failed", words), now)
    }

    /// The connection to the server stands.
    func stand(_ connection: ProxyConnection, _ now: Int64) {
        guard let request = connection.request else { return drop(connection) }
        let answer = request.isTunnel ? Array("HTTP/1.1 200 Connection established\r\n\r\n".utf8) : []
        connection.flow(answering: answer, sending: (request.head ?? []) + connection.rest)
        connection.deadline = now + limits.idleNanoseconds
        proxy.count { $0.connections += 1 }
        do { try flow(connection, now) } catch { drop(connection) }
    }

    func refuse(_ connection: ProxyConnection, _ refusal: ProxyRefusal, _ now: Int64) {
        proxy.count { $0.refusals[refusal.code, default: 0] += 1 }
        connection.refuse(refusal.answer, until: now + limits.lingerNanoseconds)
        do {
            if try connection.sayNo() { drop(connection) }
        } catch {
            drop(connection)
        }
    }
}
