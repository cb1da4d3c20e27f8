import FogCore
import FogSandbox

/// Finds out what this machine can do, for its report to the coordinator.
package enum Capabilities {
    /// Runs a program in the sandbox and each known program once; seconds, so it is done once a start.
    /// - Parameter programs: versions that are known already; nil = look for them.
    package static func detect(
        _ configuration: WorkerConfiguration, host: SandboxHost, programs: [String: String]? = nil
    ) async -> NodeReport {
        let facts = MachineFacts.read(stateDirectory: configuration.stateDirectory)
        let found: [String: String]
        if let programs {
            found = programs
        } else {
            let more = configuration.programs
            found = (try? await Disk.offload { () throws(WorkerFailure) in ProgramProbe.run(adding: more) }) ?? [:]
        }
        let (profiles, missing) = await sandbox(configuration, host)
        return NodeReport(
            name: configuration.name, architecture: facts.architecture,
            cpu: configuration.cpu ?? .cores(Int64(facts.processors)),
            memory: configuration.memory ?? ByteCount(facts.memory.bytes / 10 * 9), disk: facts.disk, programs: found,
            labels: configuration.labels, region: configuration.region,
            volumes: (try? SharedVolumes(configuration.volumes, stateDirectory: configuration.stateDirectory))?.names
                ?? [],
            profiles: profiles, missingIsolation: missing, software: configuration.software,
            isMobile: MachineFacts.isMobile(), privacy: configuration.privacy, mix: configuration.mix)
    }

    /// The profiles whose requirements this machine meets, and what is missing of the `default` one.
    private static func sandbox(
        _ configuration: WorkerConfiguration, _ host: SandboxHost
    ) async -> (profiles: [String], missing: [String]) {
        let directory = configuration.profilesDirectory
        var profiles: [SandboxProfile] = []
        var words: [String] = []
        for name in SandboxProfile.names(in: directory) {
            do throws(SandboxFailure) {
                profiles.append(try SandboxProfile.load(named: name, from: directory))
            } catch {
                words.append(error.message)
            }
        }
        guard let probe = profiles.first(where: { $0.name == "default" }) ?? profiles.first(where: \.isolated) else {
            return ([], words + ["no sandbox profile in \(directory)"])
        }
        let capabilities = await SandboxCapabilities.detect(host: host, profile: probe)
        let allowed = profiles.filter { $0.isolated ? capabilities.allows($0) : configuration.allowUnsafe }
        return (allowed.map(\.name), capabilities.missingWords + words)
    }
}
