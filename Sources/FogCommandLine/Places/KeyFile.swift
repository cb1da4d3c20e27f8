package import FogCore
internal import Glibc

/// A secret key on disk: one line, `fogsecret1` and the seed in base32, mode 0600.
package enum KeyFile {
    private static let prefix = "fogsecret1"

    /// What is wrong with a key file's owner or mode, with the command that mends it; nil when nothing is.
    package static func complaint(about path: String) -> (words: String, help: String)? {
        guard let status = Disk.status(path) else { return nil }
        guard status.st_uid == geteuid() || geteuid() == 0 else {
            return ("\(path) belongs to user \(status.st_uid), not to you", "chown \(geteuid()) \(path)")
        }
        let mode = status.st_mode & 0o777
        guard mode & 0o077 == 0 else {
            let digits = String(mode, radix: 8)
            return ("\(path) has mode 0\(digits): others can read the key", "chmod 600 \(path)")
        }
        return nil
    }

    /// - Throws: `no_key`, `key_exposed` for a mode beyond 0600, `bad_key`.
    package static func read(_ path: String) throws -> SigningKey {
        guard let bytes = try Disk.readSmall(path) else {
            throw CommandLineFailure(
                "no_key", "there is no key at \(path)", help: "fog identity create, or fog join TOKEN", status: .denied)
        }
        if let complaint = complaint(about: path) {
            throw CommandLineFailure("key_exposed", complaint.words, help: complaint.help, status: .denied)
        }
        var text = String(decoding: bytes, as: UTF8.self)
        while text.last?.isWhitespace ?? false { text.removeLast() }
        guard text.hasPrefix(prefix), let seed = Base32.decode(text.dropFirst(prefix.count)), seed.count == 32 else {
            throw CommandLineFailure(
                "bad_key", "\(path) is not a key: a key file has one line that begins with \(prefix)", status: .denied)
        }
        return try SigningKey(seed: seed)
    }

    /// Writes a key where none is: a key that is lost cannot be had back.
    /// - Throws: `exists`, `unwritable`.
    package static func write(_ key: SigningKey, to path: String) throws {
        guard !Disk.exists(path) else {
            throw CommandLineFailure("exists", "there is a key at \(path) already", help: "fog identity show")
        }
        if let slash = path.lastIndex(of: "/") { try Disk.makeFolder(String(path[..<slash]), mode: 0o700) }
        try Disk.write(Array("\(prefix)\(Base32.encode(key.seed))\n".utf8), to: path, mode: 0o600)
    }

    /// The key of a file, made first when there is none.
    package static func readOrCreate(_ path: String) throws -> (key: SigningKey, isNew: Bool) {
        if Disk.exists(path) { return (try read(path), false) }
        let key = SigningKey.generate()
        try write(key, to: path)
        return (key, true)
    }
}
