internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogWorker
import Foundation
internal import Logging
internal import ServiceLifecycle

/// `fog worker leave`: this machine leaves the pool for good.
struct WorkerLeave: SessionCommand {
    static let configuration = CommandConfiguration(
        "leave", "Leave the pool: deliver what is finished, hand back the rest, end the registration.",
        examples: ["fog worker leave", "fog worker leave --purge"],
        more: """
            The worker must have been stopped. What was earned stays in the account. The key can work no more; to come \
            back, the machine joins anew with another.
            """)

    @Option(help: "The folder of its cache and results; default in the state folder.")
    var state: String?

    @Option(help: "How long finished results may take to be delivered.")
    var patience = "2m"

    @Flag(help: "Remove the worker's folder too: cache, work and results that nobody took.")
    var purge = false

    @OptionGroup var log: LogOptions

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let patience = try TimeSpan(patience)
        let folder = state ?? "\(session.folders.state)/worker"
        let lock = Disk.exists(folder) ? try FolderLock(folder) : nil
        defer { withExtendedLifetime(lock) {} }
        let context = try await session.resolve()
        let key = try KeyFile.read(session.settings.identity ?? context.identityFile)
        let left = try await deliver(folder, context, key, patience, session)
        let client = FogClient(
            carrier: try session.carrier(for: context), key: key, coordinator: context.coordinator)
        let node = try await client.leave()
        if purge, Disk.exists(folder) { try FileManager.default.removeItem(atPath: folder) }
        try session.show(node, id: node.id.description) {
            session.console.print("\(DisplayText.clean(node.name)) (\(node.id.short)) has left \(context.server)")
            if left > 0 { session.console.warn("\(Human.count(left, "result")) could not be delivered in time") }
            session.console.note(purge ? "removed \(folder)" : "its folder stays: \(folder)")
        }
    }

    /// Runs the worker with its door closed until its results are delivered.
    /// - Returns: how many were not.
    private func deliver(
        _ folder: String, _ context: FogContext, _ key: SigningKey, _ patience: TimeSpan, _ session: Session
    ) async throws -> Int {
        let spool = "\(folder)/spool"
        guard Disk.exists(spool), try !FileManager.default.contentsOfDirectory(atPath: spool).isEmpty else { return 0 }
        let logger = ServiceRun.logger("fog.worker", log, verbose: common.verbose, quietly: true)
        var options = WorkerHost.Options(folder: folder, name: ProcessInfo.processInfo.hostName)
        options.drainGrace = .zero
        let agent = try WorkerHost.agent(
            options, carrier: try session.carrier(for: context), key: key, coordinator: context.coordinator,
            environment: session.environment, source: ClosedMachine(), logger: logger)
        let group = ServiceRun.group([agent], logger: logger)
        let clock = session.clock
        let end = clock.sinceBoot + patience
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            while clock.sinceBoot < end {
                let status = await agent.status
                if status.link == .connected, status.undelivered == 0 { break }
                try await Task.sleep(for: .milliseconds(100))
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
            return await agent.status.undelivered
        }
    }
}

/// A machine that takes nothing more.
private struct ClosedMachine: AllowanceSource {
    func decisions() -> AsyncStream<HarvestDecision> {
        AsyncStream { continuation in
            continuation.yield(
                HarvestDecision(
                    Allowance(
                        state: .closed, reason: "leaving the pool", cpuCap: .zero, memoryCap: .zero, slots: 1)))
        }
    }
}
