import FogCore
import FogJobs
import FogSandbox
import Glibc

/// The folders that the machine's owner shares with tasks, read-only, by name.
package struct SharedVolumes: Sendable, Hashable {
    package static let maxCount = 64

    private var folders: [String: String] = [:]

    package init() {}

    /// - Parameter paths: name to folder.
    /// - Throws: `bad_configuration` for a name that no manifest can ask for, a path that is no folder, or one that
    ///   holds the worker's own state.
    package init(_ paths: [String: String], stateDirectory: String) throws(WorkerFailure) {
        guard paths.count <= Self.maxCount else {
            throw WorkerFailure("bad_configuration", "at most \(Self.maxCount) volumes, found \(paths.count)")
        }
        let state = Self.real(stateDirectory)
        for (name, path) in paths.sorted(by: { $0.key < $1.key }) {
            guard VolumeReference.isName(name) else {
                throw WorkerFailure(
                    "bad_configuration", "a volume is named by a-z, 0-9 and -, at most 63 long, found `\(name)`")
            }
            guard let real = Self.real(path), Self.isFolder(real) else {
                throw WorkerFailure("bad_configuration", "the volume \(name): \(path) is no folder that can be read")
            }
            if let state, real == "/" || state == real || state.hasPrefix(real + "/") || real.hasPrefix(state + "/") {
                throw WorkerFailure(
                    "bad_configuration",
                    "the volume \(name): \(path) and the worker's own folder \(stateDirectory) lie within each other")
            }
            folders[name] = real
        }
    }

    /// Of volumes whose folder is there now, sorted.
    var names: [String] { folders.filter { Self.isFolder($0.value) }.keys.sorted() }

    /// What a lease wants of them, to be bound.
    /// - Throws: `no_volume`, `bad_input`.
    func inputs(of lease: Lease) throws(WorkerFailure) -> [SandboxInput] {
        var inputs: [SandboxInput] = []
        for wanted in lease.volumes ?? [] {
            if let mistake = InputName.mistake(in: wanted.name) {
                throw WorkerFailure("bad_input", "the volume at `\(wanted.name.prefix(120))` \(mistake)")
            }
            guard let folder = folders[wanted.volume] else {
                throw WorkerFailure("no_volume", "no volume `\(wanted.volume.prefix(63))` is shared here")
            }
            let place = wanted.path.isEmpty ? folder : folder + "/" + wanted.path
            guard let real = Self.real(place) else {
                throw WorkerFailure(
                    "no_volume", "`\(wanted.path.prefix(200))` is not in the volume `\(wanted.volume)`")
            }
            // Neither `..` nor a link in the volume leads a task to other parts of the machine.
            guard real == folder || real.hasPrefix(folder + "/") else {
                throw WorkerFailure(
                    "bad_input", "`\(wanted.path.prefix(200))` leads out of the volume `\(wanted.volume)`")
            }
            inputs.append(SandboxInput(hostPath: real, name: wanted.name))
        }
        return inputs
    }

    private static func real(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR && access(path, R_OK | X_OK) == 0
    }
}
