import CFog
import FogCore
import Glibc

/// What the sandbox can do on this machine, found out by running a program in it.
package struct SandboxCapabilities: Sendable, Hashable {
    /// Started as root: each slot has a host id of its own.
    package let isRoot: Bool
    /// 0 = no Landlock.
    package let landlockABI: Int
    /// `v2`, `v1`, `v1 + v2 freezer`, `v2 freezer` or `none`.
    package let cgroups: String
    /// Parts of the isolation that are missing, and why.
    package let missing: [Isolation: String]
    /// Why nothing can be run at all; nil when a program ran.
    package let failure: String?

    /// For people and for ``NodeReport/missingIsolation``: `memory: no delegation …`.
    package var missingWords: [String] {
        let words = missing.sorted { $0.key < $1.key }.map { "\($0.key.rawValue): \($0.value)" }
        return failure.map { ["everything: \($0)"] + words } ?? words
    }

    /// Whether a profile can be run here, and its `require` is met.
    package func allows(_ profile: SandboxProfile) -> Bool {
        failure == nil && profile.require.allSatisfy { missing[$0] == nil }
    }

    /// Runs /usr/bin/true in the profile, in a work folder of its own.
    package static func detect(
        host: SandboxHost, profile: SandboxProfile, slot index: Int = 0
    ) async -> SandboxCapabilities {
        var failure: String?
        do throws(SandboxFailure) {
            let slot = try await host.slot(profile: profile, index: index)
            let folder = try temporaryFolder()
            defer { rmdir(folder) }
            let task = SandboxTask(arguments: ["/usr/bin/true"], workFolder: folder, wallLimit: .seconds(20))
            let result = try await slot.run(task)
            if result.exitCode != 0 { failure = "/usr/bin/true ended with \(result.ending)" }
        } catch {
            failure = error.message
        }
        return SandboxCapabilities(
            isRoot: Privilege.isRoot, landlockABI: Int(max(0, fog_landlock_abi())), cgroups: host.cgroupDescription,
            missing: host.missing(for: profile), failure: failure)
    }

    private static func temporaryFolder() throws(SandboxFailure) -> String {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/fog-detect-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw SandboxFailure("sandbox_failed", "no folder in \(parent): \(Files.words(errno))")
        }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
