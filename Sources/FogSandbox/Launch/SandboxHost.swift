import CFog
import FogCore
import Glibc
import Synchronization

/// All sandboxes of one agent.
package final class SandboxHost: Sendable {
    package struct Options: Sendable {
        /// False: run without control groups even where they could be had.
        package var useCgroups = true
        /// Slots per profile.
        package var maxSlots = 256
        /// Each launcher keeps the next sandbox ready: a task starts sooner, for an idle process a slot.
        package var preparesAhead = true
        var freezer: CgroupSlot.Freezer?
        /// Where compiled filters are kept for the next process; nil = nowhere.
        package var filterFolder: String?

        package init() {}
    }

    package let launcherPath: String
    let reactor: Reactor
    private let cgroups: CgroupTree?
    private let firstHostID: UInt32
    private let options: Options
    private let state = Mutex(State())
    private let standing = Mutex(Standing())

    private struct Standing {
        var wanted = TaskStanding.ordinary
        /// Tasks that are being stopped or killed now.
        var hurries = 0
    }

    private struct State {
        var slots: [Key: SandboxSlot] = [:]
        var landlockABI: Int32?
    }

    private struct Key: Hashable {
        let profile: Digest
        let image: String?
        let index: Int
    }

    /// Prepares the machine: sweeps what dead agents left, makes the control groups, starts the thread that waits.
    /// - Throws: `no_launcher`, `sandbox_failed`.
    package init(launcherPath: String, options: Options = Options()) throws(SandboxFailure) {
        guard access(launcherPath, X_OK) == 0 else {
            throw SandboxFailure("no_launcher", "\(launcherPath): \(Files.words(errno))")
        }
        self.launcherPath = launcherPath
        self.options = options
        let (wide, narrow): (UInt32, UInt32) = (1_900_000_000, 61_184)
        firstHostID = Privilege.maps(wide + UInt32(options.maxSlots)) ? wide : narrow
        reactor = try Reactor()
        cgroups = options.useCgroups ? CgroupTree() : nil
    }

    /// The slot of a profile with a number, made when it is first asked for. Its launcher starts with its first task.
    /// - Parameter image: the root of an unpacked image, which must stay until the slot is discarded; nil = the host's
    ///   own programs.
    /// - Throws: `bad_slot`, `bad_profile`, `bad_task` for an image in a profile without a root of its own,
    ///   `filter_failed`, `filter_mismatch`, `cgroup_failed`.
    package func slot(
        profile: SandboxProfile, image: String? = nil, index: Int
    ) async throws(SandboxFailure) -> SandboxSlot {
        guard image == nil || profile.isolated else {
            throw SandboxFailure("bad_task", "profile `\(profile.name)` has no root of its own for an image")
        }
        guard (0..<options.maxSlots).contains(index) else {
            throw SandboxFailure("bad_slot", "slot \(index) is not within 0 to \(options.maxSlots - 1)")
        }
        let key = Key(profile: profile.digest, image: image, index: index)
        if let slot = state.withLock({ $0.slots[key] }) { return slot }
        let filter = try FilterCache.shared.filter(of: profile, folder: options.filterFolder)
        let group = try cgroups?.makeSlot(
            "\(profile.name)-\(profile.digest.description.prefix(8))-\(index)"
                + (image.map { "-" + Digest.blake2b(Array($0.utf8)).description.prefix(8) } ?? ""),
            freezer: options.freezer)
        let slot = try SandboxSlot(
            profile: profile, image: image, index: index, host: self, filter: filter, group: group)
        return state.withLock { state in
            if let first = state.slots[key] { return first }
            state.slots[key] = slot
            return slot
        }
    }

    /// Ends a slot's launcher, so that nothing holds its image any more. The next task of its place gets a new slot.
    package func discard(_ slot: SandboxSlot) async {
        let key = Key(profile: slot.profile.digest, image: slot.image, index: slot.index)
        state.withLock { state in
            if state.slots[key] === slot { state.slots[key] = nil }
        }
        await slot.shutdown()
    }

    /// Ends every task and launcher and removes the control groups. The host cannot be used afterwards.
    package func shutdown() async {
        let slots = state.withLock { state in
            defer { state.slots = [:] }
            return Array(state.slots.values)
        }
        for slot in slots { await slot.shutdown() }
        cgroups?.remove()
        reactor.stop()
    }

    /// Sets what tasks get of the processors beside the rest of the machine. False where no control group can do it;
    /// then only the tasks' own class (``SandboxTask/isIdle``) yields.
    @discardableResult
    package func setStanding(_ standing: TaskStanding) -> Bool {
        guard let cgroups else { return false }
        return self.standing.withLock { state in
            state.wanted = standing
            return state.hurries > 0 || cgroups.setStanding(standing)
        }
    }

    /// Puts tasks before everybody else until as many calls of ``settle()`` came: what is never run can neither stop nor
    /// die, and a machine whose owner is busy never runs the idle.
    package func hurry() {
        standing.withLock { state in
            state.hurries += 1
            if state.hurries == 1 { _ = cgroups?.setStanding(.urgent) }
        }
    }

    package func settle() {
        standing.withLock { state in
            state.hurries -= 1
            if state.hurries == 0 { _ = cgroups?.setStanding(state.wanted) }
        }
    }

    // MARK: - What the machine can do

    /// Words for each part of a profile's isolation that this machine lacks.
    package func missing(for profile: SandboxProfile) -> [Isolation: String] {
        guard let cgroups else {
            let words = "control groups are not used"
            return landlockMissing(profile).merging(
                [.memory: words, .cpu: words, .pids: words, .freezer: words].filter { !replaced($0.key) }
            ) { $1 }
        }
        return landlockMissing(profile).merging(cgroups.missing.filter { !replaced($0.key) }) { $1 }
    }

    /// RLIMIT_NPROC within the task's user namespace does for processes what the control group would.
    private func replaced(_ isolation: Isolation) -> Bool { isolation == .pids }

    private func landlockMissing(_ profile: SandboxProfile) -> [Isolation: String] {
        let abi = state.withLock { $0.landlockABI } ?? fog_landlock_abi()
        return profile.landlock && abi < 1 ? [.landlock: "not in this kernel"] : [:]
    }

    var preparesAhead: Bool { options.preparesAhead }

    var cgroupDescription: String { cgroups?.description ?? "none" }

    func learn(_ ready: fog_report) { state.withLock { $0.landlockABI = ready.status } }

    /// The id on the host of everything in a slot: its own for each slot, from a range that no system hands out
    /// (systemd's UIDS-GIDS leaves 1879048192 to 2147352575 unused), or a low one where a container has only few.
    func hostID(slot: Int) -> UInt32 {
        firstHostID + UInt32(slot)
    }
}

enum Privilege {
    /// Asked once: whether detached mounts and ids can be given to a launcher.
    static let isRoot = geteuid() == 0

    /// Whether an id exists in this process's user namespace (/proc/self/uid_map).
    static func maps(_ id: UInt32) -> Bool {
        for line in (Files.text("/proc/self/uid_map") ?? "").split(separator: "\n") {
            let parts = line.split { $0 == " " }.compactMap { UInt64($0) }
            if parts.count == 3, parts[0] <= id, UInt64(id) < parts[0] + parts[2] { return true }
        }
        return false
    }
}
