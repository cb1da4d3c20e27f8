internal import FogCommandLine
internal import FogCore
internal import FogManifestFile
internal import FogWorker
import Glibc
internal import Logging

/// A governed machine as this installation runs it.
enum HarvestHost {
    /// Nil for the word that asks for no sensor.
    /// - Parameter source: a word or a file; nil = what the owner chose before, or what suits the machine.
    static func machine(
        _ source: String?, _ options: WorkerHost.Options, _ session: Session, logger: Logger
    ) throws -> (machine: GovernedMachine, policy: String)? {
        guard source != PolicyFile.always else { return nil }
        let policy = try source.map { try PolicyFile.load($0) } ?? PolicyFile.usual(options.folder)
        let facts = MachineFacts.read(stateDirectory: options.folder)
        let isTable = session.mode == .table
        let console = session.console
        let machine = GovernedMachine(
            policy,
            machine: HarvestMachine(
                cores: facts.processors, memory: facts.memory, cpuLimit: options.cpu, memoryLimit: options.memory,
                slots: options.slots),
            sensors: LinuxSensors(SensorRoots(environment: session.environment)), zone: systemZone,
            folder: HarvestFolder(options.folder), boot: boot, clock: session.clock, logger: logger
        ) { step in
            guard isTable else { return }
            console.note(DisplayText.clean(step.words))
            if let cause = step.cause { console.note("help: \(cause.change)") }
        }
        return (machine, "\(policy.name): \(words(policy))")
    }

    private static func words(_ policy: HarvestPolicy) -> String {
        let presence = policy.idle.map { "nobody there for \($0.brief)" } ?? "no matter who is at the machine"
        return "\(policy.schedule.text), \(presence), \(policy.cpuPercent) % of the cores"
    }

    /// The kernel's word for this boot; "" where it has none, which is no other boot's.
    private static var boot: String {
        let text = (try? LocalFile.read("/proc/sys/kernel/random/boot_id", limit: 100)) ?? []
        return String(decoding: text.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// The zone of the C library, which `TZ` and /etc/localtime tell.
    private static var systemZone: ClockRule {
        ClockRule { time in
            var seconds = time_t(time.seconds)
            var parts = tm()
            return localtime_r(&seconds, &parts) == nil ? 0 : parts.tm_gmtoff
        }
    }
}
