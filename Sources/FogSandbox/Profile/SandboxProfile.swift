import FogCore
import Glibc

/// What a task may do: system calls, mounts, limits, environment. Read from `sandbox-profiles/NAME.json`.
package struct SandboxProfile: Sendable, Hashable {
    package struct Limits: Sendable, Hashable {
        /// Processes and threads at once, unless the task asks for a number.
        package var pids = 64
        /// RLIMIT_NOFILE.
        package var descriptors = 256
        /// What the caller keeps of standard output and error; the sandbox itself passes everything on.
        package var standardOutputBytes = ByteCount.mebibytes(16)
        /// Each of /tmp and /dev/shm, in memory.
        package var temporaryBytes = ByteCount.mebibytes(64)
    }

    package struct Mount: Sendable, Hashable {
        package let source: String
        /// Absolute, as the task sees it.
        package let target: String
    }

    package var name: String
    package var description: String
    /// False for `none` alone: a plain child process.
    package var isolated: Bool
    package var limits: Limits
    /// Further folders of the host, read-only.
    package var mounts: [Mount]
    package var landlock: Bool
    /// A machine without one of these refuses the profile.
    package var require: Set<Isolation>
    package var environment: [String: String]
    package var filter: FilterProfile
    /// BLAKE2b of the canonical JSON with everything inherited put in.
    package internal(set) var digest: Digest

    /// Generations of `extends`.
    package static let maxInheritance = 4
    package static let maxFileBytes = 1 << 20

    /// Reads a profile and those it extends.
    /// - Throws: `unknown_profile`, `bad_profile` with the path of the field.
    package static func load(named name: String, from directory: String) throws(SandboxFailure) -> SandboxProfile {
        let document = try merged(named: name, from: directory, depth: 0)
        var reader = ProfileReader(name: name)
        return try reader.profile(document)
    }

    /// Every profile of a folder, by name.
    package static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        return Folder.names(stream, max: 1024).compactMap { bytes in
            let name = String(decoding: bytes, as: UTF8.self)
            return name.hasSuffix(".json") ? String(name.dropLast(5)) : nil
        }.sorted()
    }

    private static func merged(named name: String, from directory: String, depth: Int) throws(SandboxFailure) -> JSON {
        guard depth < maxInheritance else {
            throw SandboxFailure("bad_profile", "\(name).json: at most \(maxInheritance) generations of `extends`")
        }
        guard !name.isEmpty, name.utf8.count <= 64,
            name.utf8.allSatisfy({ $0 == 0x2d || (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) })
        else {
            throw SandboxFailure(
                "unknown_profile", "a profile's name has a-z, 0-9 and -, found `\(name.prefix(80))`")
        }
        let path = "\(directory)/\(name).json"
        guard let bytes = Files.read(path, max: maxFileBytes) else {
            let known = names(in: directory).joined(separator: ", ")
            throw SandboxFailure("unknown_profile", "no profile `\(name)` in \(directory); there: \(known)")
        }
        let document: JSON
        do {
            document = try JSON(parsing: bytes)
        } catch {
            throw SandboxFailure("bad_profile", "\(path): \(error.message)")
        }
        guard let parent = document["extends"] else { return document }
        guard let parentName = parent.string else {
            throw SandboxFailure("bad_profile", "\(path): `extends` wants a profile's name")
        }
        return ProfileReader.merge(try merged(named: parentName, from: directory, depth: depth + 1), document)
    }
}
