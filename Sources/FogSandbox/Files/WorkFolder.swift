import CFog
import FogCore
import FogSandboxPlan
import Glibc

/// Makes a task's work folder ready: its owner, the mount points of its inputs, and the detached mounts.
struct WorkFolder {
    /// Files and folders bound into one task.
    static let maxInputs = 1024
    static let maxNameBytes = 1024

    private(set) var mounts: [PlanMount] = []
    /// Detached mounts, in the order of `mounts` that refer to them; to be closed by the caller.
    private(set) var descriptors: [Int32] = []

    /// - Parameter owner: the host id of the task when this process may give files away, else nil; then the launcher
    ///   opens the host's paths itself.
    /// - Parameter firstDescriptor: the place of the first of `descriptors` in the packet.
    /// - Throws: `bad_input`, `bad_work_folder`.
    init(_ task: SandboxTask, owner: UInt32?, firstDescriptor: Int32) throws(SandboxFailure) {
        guard task.inputs.count <= Self.maxInputs else {
            throw SandboxFailure("bad_input", "\(task.inputs.count) inputs exceed the limit of \(Self.maxInputs)")
        }
        let folder = open(task.workFolder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else {
            throw SandboxFailure("bad_work_folder", "\(task.workFolder): \(Files.words(errno))")
        }
        defer { close(folder) }
        // Not without need: it would count as a change of the folder.
        if let owner, !Self.belongs(folder, to: owner), fchown(folder, owner, owner) != 0 {
            throw SandboxFailure("bad_work_folder", "cannot give \(task.workFolder) to \(owner): \(Files.words(errno))")
        }
        do throws(SandboxFailure) {
            try add(task.workFolder, at: "work", writable: true, detached: owner != nil, firstDescriptor)
            for input in task.inputs {
                try Self.makeMountPoint(input, in: folder, owner: owner)
                try add(
                    input.hostPath, at: "work/" + input.name, writable: false, detached: owner != nil, firstDescriptor)
            }
        } catch {
            closeAll()
            throw error
        }
    }

    private static func belongs(_ folder: Int32, to owner: UInt32) -> Bool {
        var status = stat()
        return fstat(folder, &status) == 0 && status.st_uid == owner && status.st_gid == owner
    }

    func closeAll() {
        for descriptor in descriptors { close(descriptor) }
    }

    private mutating func add(
        _ path: String, at target: String, writable: Bool, detached: Bool, _ first: Int32
    ) throws(SandboxFailure) {
        var place: Int32 = -1
        if detached {
            let descriptor = fog_detached_mount(path, writable ? 0 : 1)
            guard descriptor >= 0 else {
                throw SandboxFailure("bad_input", "cannot bind \(path): \(Files.words(errno))")
            }
            place = first + Int32(descriptors.count)
            descriptors.append(descriptor)
        }
        mounts.append(
            PlanMount(
                writable ? .writable : .readOnly, target, source: detached ? "" : path, descriptor: place))
    }

    /// A relative path of plain names.
    static func components(_ name: String) -> [Substring]? {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard name.utf8.count <= maxNameBytes, parts.count <= 32, !name.hidesSlash,
            parts.allSatisfy({ part in
                !part.isEmpty && part != "." && part != ".." && part.utf8.count <= 255
                    && part.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
            })
        else { return nil }
        return parts
    }

    /// An empty file or folder where the input will be bound; links on the way are refused.
    private static func makeMountPoint(_ input: SandboxInput, in folder: Int32, owner: UInt32?) throws(SandboxFailure) {
        guard let parts = components(input.name), let last = parts.last else {
            throw SandboxFailure("bad_input", "the input name `\(input.name.prefix(120))` is not a plain relative path")
        }
        var status = stat()
        guard stat(input.hostPath, &status) == 0 else {
            throw SandboxFailure("bad_input", "\(input.hostPath): \(Files.words(errno))")
        }
        var parent = dup(folder)
        defer { close(parent) }
        for part in parts.dropLast() {
            let made = mkdirat(parent, String(part), 0o755) == 0
            let next = openat(parent, String(part), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard next >= 0 else {
                throw SandboxFailure("bad_input", "cannot make `\(input.name)`: \(Files.words(errno))")
            }
            if made, let owner { fchown(next, owner, owner) }
            close(parent)
            parent = next
        }
        if status.st_mode & S_IFMT == S_IFDIR {
            guard mkdirat(parent, String(last), 0o755) == 0 || errno == EEXIST else {
                throw SandboxFailure("bad_input", "cannot make `\(input.name)`: \(Files.words(errno))")
            }
        } else {
            let file = openat(parent, String(last), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o644)
            guard file >= 0 else {
                throw SandboxFailure("bad_input", "cannot make `\(input.name)`: \(Files.words(errno))")
            }
            close(file)
        }
    }
}
