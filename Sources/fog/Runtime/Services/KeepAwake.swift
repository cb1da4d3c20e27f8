internal import FogCore
import Foundation
internal import Logging
internal import ServiceLifecycle

/// Keeps the machine from falling asleep while tasks run here: inhibitors of systemd-logind, held by a child.
///
/// Two of them, one inside the other: for `sleep:idle` in one, logind asks polkit for the right to meddle with the lid
/// (method_inhibit in systemd's logind-dbus.c), which a service's user never has.
/// The child ends by itself after a while and is started again, so that one that is left behind (its worker was killed)
/// keeps nothing awake for long.
struct KeepAwake: Service {
    let logger: Logger
    let isBusy: @Sendable () async -> Bool

    private static let look = TimeSpan.seconds(5)
    private static let term = TimeSpan.minutes(2)

    func run() async throws {
        let ticks = AsyncStream<Void> { continuation in
            let task = Task {
                while !Task.isCancelled {
                    continuation.yield()
                    try? await Task.sleep(for: Self.look.duration)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
        var child: Process?
        for await _ in ticks.cancelOnGracefulShutdown() {
            let busy = await isBusy()
            if !busy, let held = child {
                held.terminate()
                child = nil
            }
            guard busy, child?.isRunning != true else { continue }
            if let ended = child, ended.terminationStatus != 0 {
                logger.warning(
                    "the machine may fall asleep: systemd-inhibit failed, as it does for a service without polkit and its rule",
                    metadata: ["status": "\(ended.terminationStatus)"])
                return try await gracefulShutdown()
            }
            child = try Self.inhibitor()
        }
        child?.terminate()
    }

    private static func inhibitor() throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        let inhibitors = ["sleep", "idle"].flatMap { what in
            ["systemd-inhibit", "--what=\(what)", "--who=fog", "--why=tasks run here", "--mode=block"]
        }
        process.arguments = inhibitors + ["sleep", String(Int(term.seconds))]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        return process
    }
}
