import FogSandbox
import Synchronization

/// Sandbox profiles by name, read once.
final class ProfileShelf: Sendable {
    let directory: String
    private let loaded = Mutex<[String: SandboxProfile]>([:])

    init(directory: String) { self.directory = directory }

    /// - Throws: `unknown_profile`, `bad_profile`.
    func profile(named name: String) throws(SandboxFailure) -> SandboxProfile {
        if let profile = loaded.withLock({ $0[name] }) { return profile }
        let profile = try SandboxProfile.load(named: name, from: directory)
        loaded.withLock { $0[name] = profile }
        return profile
    }
}
