internal import FogCommandLine
internal import FogJobs
internal import FogSandbox

/// Holds what a job wants of the network against the profiles that are here. What a profile of somebody's own allows,
/// no manifest says, and a worker would only say it when the task is there.
enum NetworkCheck {
    /// - Throws: `no_network` for a step that names hosts and whose profile leads to none.
    static func check(_ spec: JobSpec, _ session: Session) throws(CommandLineFailure) {
        guard let folder = try? ProfileFolder.locate(environment: session.environment) else { return }
        for step in spec.steps where !step.allowHosts.isEmpty {
            // One that is not here may be on the machines of the pool.
            guard let profile = try? SandboxProfile.load(named: step.profile, from: folder), profile.network == .none
            else { continue }
            let place = step.name.isEmpty ? "" : "steps.\(step.name)."
            throw CommandLineFailure(
                "no_network",
                "the profile `\(profile.name)` has no network, and `\(place)allow_hosts` names hosts to reach",
                help: "a profile with `network: proxy`, such as network-client", status: .badData)
        }
    }
}
