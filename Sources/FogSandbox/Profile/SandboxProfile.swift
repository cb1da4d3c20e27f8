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
        /// Files and folders in the work folder.
        package var files = 100_000
        /// Each of /tmp and /dev/shm, in memory.
        package var temporaryBytes = ByteCount.mebibytes(64)
    }

    package struct Mount: Sendable, Hashable {
        package let source: String
        /// Absolute, as the task sees it.
        package let target: String
        /// Left out on a host that does not have it.
        package let isOptional: Bool
    }

    /// What Landlock allows below a path of the sandbox; anything else is refused.
    package struct FileRule: Sendable, Hashable {
        package enum Access: String, Sendable, CaseIterable {
            /// Read and execute.
            case read
            /// Read, execute and write what is there.
            case write
            /// Make, remove and rename as well.
            case all
        }

        package let path: String
        package let access: Access

        /// What `"landlock": true` stands for.
        package static let standard: [FileRule] = [
            .init(path: "/", access: .read), .init(path: "/proc", access: .write), .init(path: "/dev", access: .all),
            .init(path: "/tmp", access: .all), .init(path: "/work", access: .all),
        ]
    }

    package enum Network: String, Sendable, CaseIterable {
        /// A loopback interface of its own.
        case none
        /// Named hosts, through the worker's proxy.
        case proxy
    }

    package var name: String
    package var description: String
    /// False for `none` alone: a plain child process.
    package var isolated: Bool
    package var limits: Limits
    /// Further folders of the host, read-only.
    package var mounts: [Mount]
    package var network: Network
    /// Empty: without Landlock.
    package var fileRules: [FileRule]
    package var landlock: Bool { !fileRules.isEmpty }
    /// A machine without one of these refuses the profile.
    package var require: Set<Isolation>
    package var environment: [String: String]
    package var filter: FilterProfile
    /// The profile as JSON, with everything inherited put in.
    package internal(set) var document: JSON
    /// BLAKE2b of the canonical JSON with everything inherited put in.
    package internal(set) var digest: Digest

    /// Generations of `extends`.
    package static let maxInheritance = 4
    package static let maxFileBytes = 1 << 20

    /// Reads a profile and those it extends.
    /// - Throws: `unknown_profile`, `bad_profile` with the path of the field.
    package static func load(named name: String, from directory: String) throws(SandboxFailure) -> SandboxProfile {
        let document = try merged(named: name, from: [directory], depth: 0)
        return try ProfileReader(name: name).profile(document)
    }

    /// Reads a file, NAME.json, and the profiles it extends: from its own folder, else from the first of `parents` that
    /// has them.
    /// - Throws: `unknown_profile`, `bad_profile` with the path of the field.
    package static func load(file path: String, parents: [String]) throws(SandboxFailure) -> SandboxProfile {
        let slash = path.lastIndex(of: "/")
        let directory = slash.map { String(path[..<$0]) } ?? "."
        let file = slash.map { String(path[path.index(after: $0)...]) } ?? path
        guard file.hasSuffix(".json") else {
            throw SandboxFailure("bad_profile", "\(path): a profile is a file NAME.json")
        }
        let name = String(file.dropLast(".json".count))
        let document = try merged(named: name, from: [directory] + parents, depth: 0)
        return try ProfileReader(name: name).profile(document)
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

    private static func merged(
        named name: String, from directories: [String], depth: Int
    ) throws(SandboxFailure) -> JSON {
        guard depth < maxInheritance else {
            throw SandboxFailure("bad_profile", "\(name).json: at most \(maxInheritance) generations of `extends`")
        }
        guard !name.isEmpty, name.utf8.count <= 64,
            name.utf8.allSatisfy({ $0 == 0x2d || (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) })
        else {
            throw SandboxFailure(
                "unknown_profile", "a profile's name has a-z, 0-9 and -, found `\(name.prefix(80))`")
        }
        let paths = directories.map { "\($0)/\(name).json" }
        guard let path = paths.first(where: Files.exists), let bytes = Files.read(path, max: maxFileBytes) else {
            let known = directories.flatMap(names(in:)).joined(separator: ", ")
            throw SandboxFailure(
                "unknown_profile",
                "no profile `\(name)` in \(directories.joined(separator: " or ")), at most \(maxFileBytes) bytes; there: "
                    + known)
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
        return ProfileReader.merge(try merged(named: parentName, from: directories, depth: depth + 1), document)
    }
}
