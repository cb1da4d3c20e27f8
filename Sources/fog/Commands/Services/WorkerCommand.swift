internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogWorker
import Foundation
internal import ServiceLifecycle

/// `fog worker`: this machine at work for others.
struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "worker", "Lend this machine to a pool.", examples: ["fog worker run"], subcommands: [WorkerRun.self])
}

/// `fog worker run`
struct WorkerRun: SessionCommand {
    static let configuration = CommandConfiguration(
        "run", "Take tasks from the coordinator and run them, in the foreground.",
        examples: ["fog worker run", "fog worker run --slots 4 --label gpu --memory 8GiB"],
        more:
            "Ctrl-C lets running tasks finish for a while, hands the others back and keeps undelivered results on disk."
    )

    @Option(help: "The machine's name in the pool; default its host name.")
    var name: String?

    @Option(help: "Tasks at once, 1 to 256; default one a core.")
    var slots: Int?

    @Option(help: "What tasks may use together, in cores; default all.")
    var cpu: Double?

    @Option(help: "What tasks may use together; default 90 % of the machine's memory.")
    var memory: String?

    @Option(help: "A label that jobs may ask for; can be repeated.")
    var label: [String] = []

    @Option(help: "Where the machine is, in the pool's own words.")
    var region = ""

    @Option(help: "The folder of its cache and results; default in the state folder.")
    var state: String?

    @Option(help: "What running tasks get to finish when the worker is told to stop.")
    var drainGrace = "30s"

    @Flag(help: "Also offer the profile none, which isolates nothing. For comparisons only.")
    var allowUnsafe = false

    @OptionGroup var common: CommonOptions

    func validate() throws {
        if let slots, !(1...256).contains(slots) { throw ValidationError("--slots must be 1 to 256, found \(slots)") }
        if let cpu, !(0.1...1024).contains(cpu) { throw ValidationError("--cpu must be 0.1 to 1024, found \(cpu)") }
    }

    func run(_ session: Session) async throws {
        let context = try await session.resolve()
        let path = session.settings.identity ?? context.identityFile
        let name = name ?? String(ProcessInfo.processInfo.hostName.prefix { $0 != "." })
        var options = WorkerHost.Options(folder: state ?? "\(session.folders.state)/worker", name: name)
        options.slots = slots
        options.cpu = cpu.map { Millicores(Int64(($0 * 1000).rounded())) }
        options.memory = try memory.map { try ByteCount($0) }
        options.labels = label
        options.region = region
        options.allowUnsafe = allowUnsafe
        options.drainGrace = try TimeSpan(drainGrace)
        let logger = ServiceRun.logger("fog.worker", verbose: common.verbose, quietly: session.mode == .quiet)
        let carrier = try session.carrier(to: context.server)
        let agent = try WorkerHost.agent(
            options, carrier: carrier, key: try KeyFile.read(path), coordinator: context.coordinator.id,
            environment: session.environment, logger: logger)
        if session.mode == .table {
            session.console.note(
                "\(name) works for \(context.server), policy dedicated: any hour, no matter who is at the machine")
        }
        try await ServiceRun.group([agent], logger: logger).run()
    }
}
