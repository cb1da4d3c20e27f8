internal import FogCommandLine
internal import FogCore
internal import FogSandbox

/// Whether tasks can be run here, found out by running one.
enum SandboxChecks {
    static func all(_ session: Session) async -> [Finding] {
        let launcher: String
        let profile: SandboxProfile
        let host: SandboxHost
        do {
            launcher = try Launcher.locate()
            let folder = try ProfileFolder.locate(environment: session.environment)
            profile = try SandboxProfile.load(named: "default", from: folder)
            host = try SandboxHost(launcherPath: launcher)
        } catch {
            let report = FailureReport(error)
            return [
                Finding(
                    "sandbox", .bad, report.message,
                    fix: report.help ?? "put fog-sandbox beside fog, or set FOG_SANDBOX")
            ]
        }
        let found = await SandboxCapabilities.detect(host: host, profile: profile)
        await host.shutdown()
        var findings = [Finding("launcher", .good, launcher)]
        if let failure = found.failure {
            findings.append(Finding("sandbox", .bad, failure, fix: "see user namespaces above"))
        } else {
            findings.append(
                Finding("sandbox", .good, "a program ran in the profile default\(found.isRoot ? ", as root" : "")"))
        }
        findings.append(
            found.landlockABI > 0
                ? Finding("landlock", .good, "ABI \(found.landlockABI)")
                : Finding(
                    "landlock", .warning, "not in this kernel: mounts alone keep files apart",
                    fix: "boot with lsm=landlock,… (kernel 5.13 or newer)"))
        let lost = found.missing.filter { $0.key != .landlock }.sorted { $0.key < $1.key }
        guard !lost.isEmpty else { return findings + [Finding("cgroups", .good, found.cgroups)] }
        let words = lost.map { "\($0.key.rawValue) (\($0.value))" }.joined(separator: "; ")
        findings.append(
            Finding(
                "cgroups", found.allows(profile) ? .warning : .bad, "\(found.cgroups); not limited here: \(words)",
                fix:
                    "run the worker under systemd with Delegate=yes: systemd-run --user --scope -p Delegate=yes fog worker run"
            ))
        return findings
    }
}
