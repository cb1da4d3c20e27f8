package import FogCore
internal import Glibc

/// A node's secrets on disk, each in a file of mode 0600: the identity, the link's and the VRF's keys, and the mix keys of the epochs
/// that were announced. What an epoch leaves behind is overwritten and removed.
package final class MixKeyStore: Sendable {
    /// Epochs whose keys are announced beforehand.
    package static let ahead: UInt64 = 2

    package let folder: String
    /// What the node is known by, and signs with.
    package let identity: SigningKey
    package let link: NoiseKey
    package let vrf: VRFKey

    /// - Throws: `disk` when the folder cannot be made or read, `bad_key` for files that are no keys.
    package init(folder: String) throws(MixnetFailure) {
        self.folder = folder
        for path in [folder, "\(folder)/mix"] where mkdir(path, 0o700) != 0 && errno != EEXIST {
            throw Self.failure(path, "made")
        }
        let seed = try Self.secret("\(folder)/identity.key") { SecureRandom.bytes(32) }
        guard let identity = try? SigningKey(seed: seed) else {
            throw MixnetFailure("bad_key", "\(folder)/identity.key is no key")
        }
        self.identity = identity
        link = try NoiseKey(secret: Self.secret("\(folder)/link.key") { SecureRandom.bytes(32) })
        vrf = try VRFKey(secret: Self.secretOfVRF("\(folder)/vrf.key"))
    }

    /// The public keys of an epoch and those ahead of it, made where they are not there yet.
    package func announced(from epoch: UInt64) throws(MixnetFailure) -> [UInt64: [UInt8]] {
        var keys: [UInt64: [UInt8]] = [:]
        for number in epoch...(epoch + Self.ahead) where !exists(burnt(number)) {
            keys[number] = try mixKey(number).publicKey
        }
        return keys
    }

    /// What opens the packets of an epoch: its key, and every tag that earlier processes saw under it. Nil when the tags
    /// may not be whole: then the key was erased, since what was already mixed could be mixed again.
    /// - Parameter threads: logs are opened for so many; those of more threads are read as well.
    package func open(
        _ epoch: UInt64, draw: DelayDraw, threads: Int, boot: [UInt8]
    ) throws(MixnetFailure) -> (keys: EpochKeys, logs: [ReplayLog])? {
        guard !exists(burnt(epoch)) else { return nil }
        let key = try mixKey(epoch)
        let replays = ReplaySet()
        var logs: [ReplayLog] = []
        var thread = 0
        while thread < threads || exists(logPath(epoch, thread)) {
            let (log, earlier) = try ReplayLog.open(
                logPath(epoch, thread), epoch: epoch, key: key.publicKey, boot: boot, into: replays)
            if case .incomplete = earlier {
                try erase(epoch)
                try Self.write([], to: burnt(epoch))
                return nil
            }
            logs.append(log)
            thread += 1
        }
        return (EpochKeys(key: key, draw: draw, replays: replays), logs)
    }

    /// Overwrites and removes a key, and the tags seen under it.
    package func erase(_ epoch: UInt64) throws(MixnetFailure) {
        let path = keyPath(epoch)
        if exists(path) {
            try Self.write([UInt8](repeating: 0, count: 32), to: path)
            guard unlink(path) == 0 else { throw Self.failure(path, "removed") }
        }
        var thread = 0
        while exists(logPath(epoch, thread)) {
            ReplayLog.remove(logPath(epoch, thread))
            thread += 1
        }
    }

    /// Erases everything before an epoch.
    package func erase(before epoch: UInt64) throws(MixnetFailure) {
        guard let directory = opendir("\(folder)/mix") else { throw Self.failure("\(folder)/mix", "read") }
        var found: Set<UInt64> = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if let number = UInt64(name.prefix { $0 != "." }), number < epoch { found.insert(number) }
        }
        closedir(directory)
        for number in found {
            try erase(number)
            unlink(burnt(number))
        }
    }

    /// Names this run of the machine: 16 bytes of its boot id.
    package static func boot() throws(MixnetFailure) -> [UInt8] {
        let text = try read("/proc/sys/kernel/random/boot_id", limit: 64)
        guard let bytes = Hex.decode(String(decoding: text, as: UTF8.self).filter { $0.isHexDigit }), bytes.count == 16
        else { throw MixnetFailure("disk", "/proc/sys/kernel/random/boot_id has no id") }
        return bytes
    }

    // MARK: - Files

    private func keyPath(_ epoch: UInt64) -> String { "\(folder)/mix/\(epoch).key" }
    private func logPath(_ epoch: UInt64, _ thread: Int) -> String { "\(folder)/mix/\(epoch).seen.\(thread)" }
    private func burnt(_ epoch: UInt64) -> String { "\(folder)/mix/\(epoch).burnt" }
    private func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    private func mixKey(_ epoch: UInt64) throws(MixnetFailure) -> MixKey {
        try MixKey(secret: Self.secret(keyPath(epoch)) { SecureRandom.bytes(MixKey.byteCount) }, epoch: epoch)
    }

    private static func secretOfVRF(_ path: String) throws(MixnetFailure) -> [UInt8] {
        let fresh = try VRFKey.generate().secret
        return try secret(path) { fresh }
    }

    /// The 32 bytes of a file, which is made when it is not there.
    private static func secret(_ path: String, _ make: () -> [UInt8]) throws(MixnetFailure) -> [UInt8] {
        if access(path, F_OK) != 0 { try write(make(), to: path) }
        let bytes = try read(path, limit: 64)
        guard bytes.count == 32 else {
            throw MixnetFailure("bad_key", "\(path): a key has 32 bytes, found \(bytes.count)")
        }
        return bytes
    }

    private static func read(_ path: String, limit: Int) throws(MixnetFailure) -> [UInt8] {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path, "opened") }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = Glibc.read(descriptor, &bytes, limit)
        guard count >= 0 else { throw failure(path, "read") }
        return Array(bytes.prefix(count))
    }

    /// Written, synced, and only then under its name: a key that was announced is whole after a crash.
    private static func write(_ bytes: [UInt8], to path: String) throws(MixnetFailure) {
        let exists = access(path, F_OK) == 0
        let target = exists ? path : path + ".new"
        let descriptor = Glibc.open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(target, "opened") }
        defer { close(descriptor) }
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else {
            throw failure(target, "written")
        }
        guard exists || rename(target, path) == 0 else { throw failure(path, "made") }
    }

    private static func failure(_ path: String, _ what: String) -> MixnetFailure {
        MixnetFailure("disk", "\(path) cannot be \(what): \(String(cString: strerror(errno)))")
    }
}
