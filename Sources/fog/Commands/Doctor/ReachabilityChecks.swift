internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogNet
import Glibc

/// The way to the coordinator, step by step from this machine: name, connection, TLS, key, clock, version, signature.
///
/// The first step that fails is the last that is looked at, but for those that do not rest on it.
enum ReachabilityChecks {
    static func all(_ session: Session) async -> [Finding] {
        do {
            let contexts = try session.contexts()
            guard session.settings.server != nil || session.settings.context != nil || contexts.currentContext != nil
            else {
                return [Finding("coordinator", .warning, "none joined", fix: "fog join TOKEN   (or fog dev)")]
            }
            return await check(try await session.resolve(), session)
        } catch {
            let report = FailureReport(error)
            return [Finding("coordinator", .bad, report.message, fix: report.help)]
        }
    }

    private static func check(_ context: FogContext, _ session: Session) async -> [Finding] {
        guard let place = Place(context.server) else {
            return [
                Finding(
                    "name", .bad, "\(context.server) is no address: https://HOST:PORT", fix: "fog context show")
            ]
        }
        // Nothing goes to the address of who is reached through a mixnet.
        guard context.mix == nil else { return await ask(context, place, session) }
        var findings: [Finding] = []
        do {
            let proxy = try ProxySetting(environment: session.environment).proxy(for: context.server)
            let target = proxy.map { Place(host: $0.host, port: $0.port) } ?? place
            let via = proxy.map { _ in " (the proxy on the way to \(place.host))" } ?? ""
            let around = proxy.map { _ in "export HTTPS_PROXY=…, or NO_PROXY=\(place.host)" }
            let (addresses, name) = resolve(target, via, around: around)
            findings.append(name)
            guard let addresses else { return findings }
            defer { freeaddrinfo(addresses) }
            let connection = connect(addresses, target, via, around: around)
            findings.append(connection)
            guard connection.mark == .good else { return findings }
        } catch {
            let report = FailureReport(error)
            return [Finding("proxy", .bad, report.message, fix: report.help)]
        }
        return findings + (await ask(context, place, session))
    }

    /// What only the coordinator itself can tell.
    private static func ask(_ context: FogContext, _ place: Place, _ session: Session) async -> [Finding] {
        do {
            let carrier = try session.carrier(for: context)
            let before = session.now
            let info = try await FogClient.info(of: carrier)
            let after = session.now
            var findings = [tls(context, place)]
            guard info.coordinator == context.coordinator else {
                return findings + [
                    Finding(
                        "coordinator", .bad,
                        "\(context.server) has another key than the one that was joined: \(info.coordinator.id)",
                        fix: "ask its operator; if it was set up anew: fog join TOKEN")
                ]
            }
            findings.append(
                Finding("coordinator", .good, "\(info.name) at \(context.server), \((after - before).brief)"))
            // The answer was made between the two readings.
            let middle = Timestamp(microseconds: (before.microseconds + after.microseconds) / 2)
            findings.append(clock(info.time - middle))
            findings.append(
                info.version == FogVersion.current
                    ? Finding("version", .good, "\(info.version) on both sides")
                    : Finding(
                        "version", .warning, "\(info.version) there, \(FogVersion.current) here",
                        fix: "install the same Fog on both sides"))
            findings.append(await signed(context, session))
            return findings
        } catch let failure as CarrierFailure where failure.code == "untrusted" {
            let fix =
                context.isPinned
                ? "ask the operator whether the coordinator was set up anew; then: fog join TOKEN"
                : "fog join TOKEN of this coordinator; for a proxy of your own: sudo update-ca-certificates"
            return [Finding("tls", .bad, failure.message, fix: fix)]
        } catch let failure as CarrierFailure {
            let report = FailureReport(failure)
            return [
                Finding(
                    failure.code == "refused_plaintext" ? "tls" : "coordinator", .bad, report.message, fix: report.help)
            ]
        } catch {
            let report = FailureReport(error)
            return [Finding("coordinator", .bad, report.message, fix: report.help)]
        }
    }

    /// Said when an answer came: then the certificate was good.
    private static func tls(_ context: FogContext, _ place: Place) -> Finding {
        if !context.server.hasPrefix("https://") {
            return place.isLoopback
                ? Finding("tls", .good, "not needed: the coordinator is on this machine")
                : Finding(
                    "tls", .warning, "plain HTTP: whoever is between reads everything",
                    fix: "start the coordinator without --insecure-plaintext, then: fog join TOKEN")
        }
        return Finding(
            "tls", .good,
            context.isPinned
                ? "under the key that was joined (\(context.coordinator.id))"
                : "under a certificate that this system trusts")
    }

    /// Beyond it requests are refused (RFC 9421 signatures carry the time); a warning comes well before.
    private static let (skewLimit, skewWarning) = (TimeSpan.seconds(60), TimeSpan.seconds(5))

    private static func clock(_ ahead: TimeSpan) -> Finding {
        let skew = ahead < .zero ? TimeSpan.zero - ahead : ahead
        let words = "\(skew.brief) \(ahead < .zero ? "ahead of" : "behind") the coordinator's"
        let fix = "timedatectl set-ntp true"
        if skew > skewLimit { return Finding("clock", .bad, words + ": requests are refused", fix: fix) }
        return skew > skewWarning
            ? Finding("clock", .warning, words, fix: fix) : Finding("clock", .good, "agrees with the coordinator's")
    }

    private static func signed(_ context: FogContext, _ session: Session) async -> Finding {
        do {
            let me = try await session.client().me()
            let roles = me.roles.map(\.rawValue).joined(separator: ", ")
            return Finding("signed request", .good, "accepted: you are \(DisplayText.clean(me.name)) (\(roles))")
        } catch {
            let report = FailureReport(error)
            return Finding("signed request", .bad, report.message, fix: report.help)
        }
    }

    // MARK: - Name and connection

    private struct Place {
        let host: String
        let port: Int

        init(host: String, port: Int) {
            self.host = host
            self.port = port
        }

        /// Nil when the text is no `http(s)://HOST[:PORT]`.
        init?(_ server: String) {
            let isSecure = server.hasPrefix("https://")
            guard isSecure || server.hasPrefix("http://") else { return nil }
            let authority = server.dropFirst(isSecure ? 8 : 7).prefix { $0 != "/" }
            let isBracketed = authority.first == "["
            let host = isBracketed ? authority.dropFirst().prefix { $0 != "]" } : authority.prefix { $0 != ":" }
            let rest = authority.dropFirst(host.count + (isBracketed ? 2 : 0))
            guard !host.isEmpty, let port = rest.isEmpty ? (isSecure ? 443 : 80) : Int(rest.dropFirst()) else {
                return nil
            }
            self.init(host: String(host), port: port)
        }

        var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
    }

    private static func resolve(
        _ place: Place, _ via: String, around: String?
    ) -> (UnsafeMutablePointer<addrinfo>?, Finding) {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(place.host, String(place.port), &hints, &list)
        guard status == 0, let list else {
            let words = "\(place.host) has no address here\(via): \(String(cString: gai_strerror(status)))"
            let fix = around ?? "getent hosts \(place.host)   (or an address: fog context show)"
            return (nil, Finding("name", .bad, words, fix: fix))
        }
        let address = text(of: list.pointee)
        let words = address == place.host ? "\(address) is an address" : "\(place.host) is \(address)"
        return (list, Finding("name", .good, words + via))
    }

    private static func text(of info: addrinfo) -> String {
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        getnameinfo(info.ai_addr, info.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Longest wait for a connection, in milliseconds.
    private static let connectMilliseconds: Int32 = 5000

    /// - Parameter around: what helps when it is a proxy that does not answer.
    private static func connect(
        _ list: UnsafeMutablePointer<addrinfo>, _ place: Place, _ via: String, around: String?
    ) -> Finding {
        var next: UnsafeMutablePointer<addrinfo>? = list
        var last: Int32 = 0
        while let info = next {
            last = connect(info.pointee)
            if last == 0 {
                return Finding("connection", .good, "\(text(of: info.pointee)) port \(place.port) takes connections")
            }
            next = info.pointee.ai_next
        }
        let words = "port \(place.port) of \(place.host) takes no connection\(via): \(Disk.words(last))"
        let fix =
            around
            ?? (last == ECONNREFUSED
                ? "on the coordinator's machine: fog coordinator run --listen 0.0.0.0:\(place.port)"
                : "ip route get \(text(of: list.pointee)); on the coordinator's machine open TCP \(place.port) in its firewall")
        return Finding("connection", .bad, words, fix: fix)
    }

    /// 0, or why not.
    private static func connect(_ info: addrinfo) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(info.ai_family, type, 0)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        if Glibc.connect(descriptor, info.ai_addr, info.ai_addrlen) == 0 { return 0 }
        guard errno == EINPROGRESS else { return errno }
        var event = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&event, 1, connectMilliseconds) > 0 else { return ETIMEDOUT }
        var error: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno
    }
}
