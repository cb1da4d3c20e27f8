import CSeccomp
import FogCore
import Glibc
import Synchronization

/// Compiled and checked filters by the digest of their profile: for the life of the process, and in a folder for the
/// next one. Compiling one takes milliseconds, checking it many more.
final class FilterCache: Sendable {
    static let shared = FilterCache()

    /// Profiles kept; a machine has a handful.
    private static let max = 64
    private let filters = Mutex<[Digest: CompiledFilter]>([:])

    /// - Parameter folder: where filters are kept between processes; nil = nowhere. What is found there is believed only
    ///   when this user alone could have written it.
    /// - Throws: what ``FilterCompiler/compile(_:)`` does.
    func filter(of profile: SandboxProfile, folder: String?) throws(SandboxFailure) -> CompiledFilter {
        if let filter = filters.withLock({ $0[profile.digest] }) { return filter }
        let file = folder.map { FilterFile(folder: $0, profile: profile.digest) }
        let filter: CompiledFilter
        if let kept = file?.read() {
            filter = kept
        } else {
            filter = try FilterCompiler.compile(profile)
            file?.write(filter)
        }
        filters.withLock { filters in
            if filters.count >= Self.max { filters.removeAll() }
            filters[profile.digest] = filter
        }
        return filter
    }
}

/// One filter in a file: a head, its programs, and BLAKE2b of all.
struct FilterFile {
    let path: String
    private let folder: String
    private let head: [UInt8]

    /// Changes whenever ``FilterCompiler`` or ``FilterCheck`` would say something else of the same profile.
    private static let edition = 2
    private static let maxBytes = 1 << 20

    init(folder: String, profile: Digest) {
        let version = seccomp_version().pointee
        let words =
            "fog filter \(Self.edition) of \(profile) by libseccomp \(version.major).\(version.minor).\(version.micro)"
            + " for \(seccomp_arch_native())\n"
        head = Array(words.utf8)
        self.folder = folder
        path = "\(folder)/\(Digest.blake2b(head)).filter"
    }

    /// Nil when it is not there, is another's, or is damaged.
    func read() -> CompiledFilter? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, Self.isOurs(status), Self.isOurs(folder),
            let bytes = Files.read(descriptor: descriptor, max: Self.maxBytes), bytes.count > head.count + 4 + 32,
            bytes.starts(with: head)
        else { return nil }
        let content = bytes.dropLast(32)
        guard Digest.blake2b(Array(content)).bytes.elementsEqual(bytes.suffix(32)) else { return nil }
        let highest = Self.number(content.dropFirst(head.count).prefix(4))
        var rest = content.dropFirst(head.count + 4)
        var programs: [[UInt8]] = []
        for _ in 0..<3 {
            guard rest.count >= 4 else { return nil }
            let count = Int(Self.number(rest.prefix(4)))
            guard count % 8 == 0, rest.count >= 4 + count else { return nil }
            programs.append(Array(rest.dropFirst(4).prefix(count)))
            rest = rest.dropFirst(4 + count)
        }
        guard rest.isEmpty, !programs[0].isEmpty else { return nil }
        return CompiledFilter(
            bytes: programs[0], shared: programs[1], own: programs[2], architecture: seccomp_arch_native(),
            highestKnown: highest)
    }

    /// A cache: what cannot be written is compiled again next time.
    func write(_ filter: CompiledFilter) {
        mkdir(folder, 0o700)
        guard Self.isOurs(folder) else { return }
        var content = head + Self.bytes(of: filter.highestKnown)
        for program in [filter.bytes, filter.shared, filter.own] {
            content += Self.bytes(of: UInt32(program.count)) + program
        }
        content += Digest.blake2b(content).bytes
        let temporary = "\(path).\(getpid())"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return }
        let isWritten = Glibc.write(descriptor, content, content.count) == content.count
        close(descriptor)
        guard isWritten, rename(temporary, path) == 0 else {
            unlink(temporary)
            return
        }
    }

    /// Little-endian.
    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }

    private static func bytes(of number: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(8 * $0)) }
    }

    private static func isOurs(_ status: stat) -> Bool { status.st_uid == geteuid() && status.st_mode & 0o022 == 0 }

    private static func isOurs(_ folder: String) -> Bool {
        var status = stat()
        return lstat(folder, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR && isOurs(status)
    }
}
