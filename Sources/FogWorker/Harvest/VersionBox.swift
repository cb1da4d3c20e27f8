import Synchronization

/// Collects versions from several threads.
final class VersionBox: Sendable {
    private let versions = Mutex<[String: String]>([:])

    func set(_ name: String, _ version: String) { versions.withLock { $0[name] = version } }
    var all: [String: String] { versions.withLock { $0 } }
}
