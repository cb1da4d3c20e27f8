package import FogAPI
package import FogCore
package import FogLedger

/// The newest checkpoint of a coordinator's log that this installation saw: one small file a coordinator.
package struct KeptCheckpoint: Sendable {
    package let path: String
    private let folder: String
    private let key: NoteKey

    /// - Parameter state: where an installation keeps what it writes for itself.
    package init(state: String, coordinator: PublicKey) throws(LedgerFailure) {
        key = try NoteKey(coordinator: coordinator)
        folder = "\(state)/checkpoints"
        path = "\(folder)/\(coordinator.id).checkpoint"
    }

    /// Nil when none was kept.
    package func read() throws -> VerifiedCheckpoint? {
        try Disk.readSmall(path).map { try VerifiedCheckpoint($0, key: key) }
    }

    /// Asks the coordinator for its newest, holds it against the kept one and keeps it.
    /// - Returns: the newest; nil of a coordinator that keeps no tree.
    /// - Throws: `log_rollback`, `log_fork` with the name of the file of evidence, after writing it. The kept one stays.
    package func follow(_ client: FogClient) async throws -> VerifiedCheckpoint? {
        let newest: VerifiedCheckpoint?
        if let kept = try read() {
            do {
                newest = try await client.follow(kept)
            } catch let fork as LogFork {
                let evidence = try export(fork)
                throw CommandLineFailure(
                    fork.code, "\(key.name): \(fork.message); both checkpoints are in \(evidence)",
                    help: "ask the operator; a coordinator restored from a backup is known again after: rm \(path)")
            }
        } else {
            newest = try await client.checkpoint()
        }
        guard let newest else { return nil }
        try Disk.makeFolder(folder, mode: 0o700)
        try Disk.write(newest.note.bytes, to: path, mode: 0o600)
        return newest
    }

    /// One file a pair of checkpoints, so that asking again does not fill the disk.
    private func export(_ fork: LogFork) throws -> String {
        let bytes = Array(fork.evidence.compact.utf8) + [0x0a]
        let file = "\(path).evidence-\(Hex.encode(Digest.sha256(bytes).bytes.prefix(4))).json"
        if !Disk.exists(file) { try Disk.write(bytes, to: file, mode: 0o600) }
        return file
    }
}
