internal import FogCore
import Glibc
internal import ServiceLifecycle

/// What a service tells the manager that started it, systemd above all: that it is ready, that it lives, that it stops.
///
/// The protocol of sd_notify(3): a datagram of `NAME=VALUE` lines to the Unix socket that `NOTIFY_SOCKET` names; a first
/// `@` stands for the zero byte of Linux' abstract names.
struct ServiceManager: Sendable {
    private let address: [UInt8]
    /// Silence for so long and the manager ends us: `WATCHDOG_USEC`, when it is meant for this process.
    let watchdog: TimeSpan?

    /// Nil when nobody listens.
    init?(environment: [String: String], pid: Int32 = getpid()) {
        guard let path = environment["NOTIFY_SOCKET"], path.hasPrefix("/") || path.hasPrefix("@"),
            path.utf8.count < Self.pathLimit
        else { return nil }
        address = path.hasPrefix("@") ? [0] + path.utf8.dropFirst() : Array(path.utf8)
        let isOurs = environment["WATCHDOG_PID"].map { Int32($0) == pid } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        watchdog = isOurs && microseconds > 0 ? .milliseconds(max(1, microseconds / 1000)) : nil
    }

    private static let pathLimit = 108

    /// Sends the lines in one datagram. Nobody waits for an answer, and a manager that is gone is no failure of ours.
    func tell(_ lines: String...) {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var place = sockaddr_un()
        place.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &place.sun_path) { $0.copyBytes(from: address) }
        // The length says where an abstract name ends.
        let length = socklen_t(MemoryLayout<sa_family_t>.size + address.count)
        let message = Array(lines.joined(separator: "\n").utf8)
        _ = withUnsafePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, message, message.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
    }

    func ready(_ status: String) { tell("READY=1", "STATUS=\(status)") }
}

/// Says that the service lives as long as it does, and that it stops when it is told to.
struct WatchdogService: Service {
    let manager: ServiceManager
    /// Whether the service could do its work now.
    let isHealthy: @Sendable () async -> Bool

    func run() async throws {
        // Half the time, as sd_watchdog_enabled(3) advises; without a watchdog there is only the end to tell.
        let every = manager.watchdog.map { TimeSpan.milliseconds(max(1, $0.milliseconds / 2)) } ?? .hours(1)
        let ticks = AsyncStream<Void> { continuation in
            let task = Task {
                while !Task.isCancelled {
                    continuation.yield()
                    try? await Task.sleep(for: every.duration)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
        for await _ in ticks.cancelOnGracefulShutdown() where manager.watchdog != nil {
            if await isHealthy() { manager.tell("WATCHDOG=1") }
        }
        manager.tell("STOPPING=1")
    }
}
