/// Where an installation keeps its things.
///
/// With `FOG_HOME` everything lies below that one folder; without, where the XDG Base Directory Specification puts it.
package struct Folders: Sendable, Hashable {
    /// Configuration, contexts and keys.
    package let configuration: String
    /// What Fog writes for itself: databases, blobs, logs.
    package let state: String
    /// What can be made again.
    package let cache: String
    /// Whether `FOG_HOME` chose them.
    package let isOwnHome: Bool

    /// - Throws: `no_home` when neither FOG_HOME nor HOME is set, `bad_path` for one that is not absolute.
    package init(environment: [String: String]) throws {
        func chosen(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        if let home = chosen("FOG_HOME") {
            let root = try Self.absolute(home, "FOG_HOME")
            (configuration, state, cache, isOwnHome) = ("\(root)/config", "\(root)/state", "\(root)/cache", true)
            return
        }
        guard let home = chosen("HOME") else {
            throw CommandLineFailure(
                "no_home", "neither FOG_HOME nor HOME is set", help: "export FOG_HOME=/var/lib/fog")
        }
        // The specification: a path that is not absolute is to be passed over.
        func base(_ name: String, _ plain: String) -> String {
            chosen(name).flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "\(home)/\(plain)"
        }
        configuration = base("XDG_CONFIG_HOME", ".config") + "/fog"
        state = base("XDG_STATE_HOME", ".local/state") + "/fog"
        cache = base("XDG_CACHE_HOME", ".cache") + "/fog"
        isOwnHome = false
    }

    private static func absolute(_ path: String, _ name: String) throws -> String {
        guard path.hasPrefix("/") else {
            throw CommandLineFailure("bad_path", "\(name) must be absolute, found `\(path)`", status: .usage)
        }
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }

    package var contextsFile: String { "\(configuration)/contexts.json" }
    /// The machines that private jobs are sealed to.
    package var candidatesFile: String { "\(configuration)/candidates.json" }
    package var configurationFile: String { "\(configuration)/config.yaml" }
    /// The key of contexts that name no other.
    package var identityFile: String { "\(configuration)/identity.key" }
}
