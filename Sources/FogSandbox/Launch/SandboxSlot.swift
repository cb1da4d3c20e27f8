import CFog
import FogCore
import FogSandboxPlan
import Glibc
import Synchronization

/// One place for one task at a time, with its own launcher, network namespace, host id and control group.
package actor SandboxSlot {
    package nonisolated let profile: SandboxProfile
    package nonisolated let index: Int
    /// The root of an unpacked image; nil = the host's programs.
    package nonisolated let image: String?
    private let host: SandboxHost
    private let filter: CompiledFilter
    private let group: CgroupSlot?
    private var sequence: UInt32 = 0
    private var isActive = false
    private var isClosed = false
    /// An order to end that came before the task was launched.
    private var isAborted = false
    private let reach = Mutex(Reach())
    private let null: Int32

    /// When memory runs out on the machine, tasks go before anything of its owner's (proc(5), oom_score_adj).
    private static let firstToGo = "900"
    /// Where a task's proxy listens when the port is free: the usual one of proxies.
    private static let proxyPort: UInt16 = 3128

    init(
        profile: SandboxProfile, image: String?, index: Int, host: SandboxHost, filter: CompiledFilter,
        group: CgroupSlot?
    ) throws(SandboxFailure) {
        self.image = image
        (self.profile, self.index, self.host, self.filter, self.group) = (profile, index, host, filter, group)
        null = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard null >= 0 else { throw SandboxFailure("sandbox_failed", "/dev/null: \(Files.words(errno))") }
    }

    deinit { close(null) }

    /// What an order needs that may not wait for its turn at the slot.
    private struct Reach {
        var channel: SlotChannel?
        /// The running task's way out.
        var network: (any TaskNetwork)?
    }

    private nonisolated var channel: SlotChannel? {
        get { reach.withLock { $0.channel } }
        set { reach.withLock { $0.channel = newValue } }
    }

    private nonisolated var network: (any TaskNetwork)? {
        get { reach.withLock { $0.network } }
        set { reach.withLock { $0.network = newValue } }
    }

    /// Runs one task to its end. Cancelling the caller kills the task and still answers.
    /// - Throws: `slot_busy`, `unsafe_profile`, `isolation_missing`, `bad_task`, `bad_input`, `bad_work_folder`,
    ///   `plan_too_large`, `cgroup_failed`, `no_launcher`, `sandbox_failed`.
    package func run(_ task: SandboxTask) async throws(SandboxFailure) -> SandboxResult {
        guard !isActive else { throw SandboxFailure("slot_busy", "slot \(index) runs a task already") }
        guard !isClosed else { throw SandboxFailure("slot_closed", "slot \(index) was shut down") }
        guard profile.isolated || task.allowUnsafe else {
            throw SandboxFailure("unsafe_profile", "profile `\(profile.name)` isolates nothing; it is for comparisons")
        }
        guard task.network == nil || profile.network == .proxy else {
            throw SandboxFailure("bad_task", "profile `\(profile.name)` has no network that leads out")
        }
        (isActive, isAborted) = (true, false)
        defer { isActive = false }
        let channel = try await readyChannel()
        try group?.apply(limits(task))
        guard let network = task.network else { return try await perform(task, on: channel) }
        var task = task
        do {
            let outlet = try await channel.listen(port: Self.proxyPort)
            try network.open(outlet.socket)
            task.environment.merge(network.environment(port: outlet.port)) { own, _ in own }
            self.network = network
            defer { self.network = nil }
            return try await perform(task, on: channel)
        } catch {
            await network.close()
            throw error
        }
    }

    private func perform(
        _ task: SandboxTask, on channel: SlotChannel
    ) async throws(SandboxFailure) -> SandboxResult {
        let plan = try plan(task)
        let folder = try workFolder(task)
        defer { folder?.closeAll() }
        return try await launch(task, plan, folder, on: channel)
    }

    private func launch(
        _ task: SandboxTask, _ plan: LaunchPlan, _ folder: WorkFolder?, on channel: SlotChannel
    ) async throws(SandboxFailure) -> SandboxResult {
        var plan = plan
        // Mounts come in order: /work before what is bound below it.
        if profile.isolated { plan.mounts = try RootTree.secrets(task.secrets) + (folder?.mounts ?? []) }
        let standard = [task.standardInput, task.standardOutput, task.standardError].map { $0 < 0 ? null : $0 }
        let baseline = group?.begin()
        let supervision = Supervision(
            wallLimit: task.wallLimit.milliseconds * 1_000_000, grace: task.killGrace.milliseconds * 1_000_000,
            now: fog_boot_nanoseconds())
        let watch = TaskWatch(
            folder: task.workFolder, disk: task.resources.disk.bytes, files: Int64(profile.limits.files),
            memory: group?.limitsMemory == true || !profile.isolated ? nil : task.resources.memory.bytes,
            launcher: channel.pid)
        let hurry = Hurry()
        try channel.launch(
            plan, descriptors: standard + (folder?.descriptors ?? []), supervision: supervision,
            afterKill: { [group, host] in
                group?.setQuotaLifted(true)
                if hurry.begin() { host.hurry() }
            },
            measure: { watch.look(fog_boot_nanoseconds()) })
        if isAborted { channel.end(.killed, grace: 0) }
        let ended = await withTaskCancellationHandler {
            await channel.ended()
        } onCancel: {
            channel.end(.killed, grace: 0)
        }
        await task.network?.close()
        if hurry.end() { host.settle() }
        let measured = baseline.flatMap { group?.end($0) }
        var endings = EndingReader(ended: ended, measured: measured)
        if endings.ending == .exited || endings.ending == .signaled, task.workStamp?.isUnchanged != true {
            // What was written since the last look counts as well.
            let measure = FolderMeasure(
                task.workFolder, limit: task.resources.disk.bytes, maxEntries: Int64(profile.limits.files))
            if measure.exceeds { endings.ending = .diskExceeded }
        }
        return endings.result(missing: missing)
    }

    // MARK: - The launcher

    var launcher: pid_t? { channel?.pid }

    /// What the machine does not do for this slot.
    private var missing: [String] {
        guard profile.isolated else { return ["all isolation (profile \(profile.name))"] }
        return host.missing(for: profile).sorted { $0.key < $1.key }.map { "\($0.key.rawValue): \($0.value)" }
    }

    /// The slot's launcher once it is free, a new one when the last has died.
    private func readyChannel() async throws(SandboxFailure) -> SlotChannel {
        if let channel, await channel.wait(until: { $0 == .free }) == .free { return channel }
        let group = group
        let fresh = try await SlotChannel.start(host.launcherPath, reactor: host.reactor) {
            pid throws(SandboxFailure) in
            // Written by root, the value is also the lowest that anything below may give itself.
            if Privilege.isRoot { _ = Files.write("/proc/\(pid)/oom_score_adj", Self.firstToGo) }
            try group?.add(pid)
        }
        channel = fresh
        try fresh.send(try template())
        let phase = await fresh.wait { $0 != .starting }
        guard phase == .free, let ready = fresh.ready else {
            channel = nil
            fresh.abandon()
            throw refusal(fresh.ready)
        }
        host.learn(ready)
        let lacking = profile.require.filter { host.missing(for: profile)[$0] != nil }
        guard lacking.isEmpty else {
            fresh.abandon()
            channel = nil
            let words = lacking.sorted().map { "\($0.rawValue) (\(host.missing(for: profile)[$0] ?? ""))" }
            throw SandboxFailure(
                "isolation_missing",
                "profile `\(profile.name)` requires what is missing here: \(words.joined(separator: ", "))")
        }
        return fresh
    }

    private func refusal(_ report: fog_report?) -> SandboxFailure {
        guard let report, let step = SandboxStep(rawValue: report.step) else {
            return SandboxFailure("sandbox_failed", "the launcher ended before it was ready")
        }
        var advice = ""
        if [.unshare, .idMap, .mount].contains(step), geteuid() != 0 {
            advice =
                "; an ordinary user needs unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1,"
                + " kernel.apparmor_restrict_unprivileged_userns=0, user.max_user_namespaces > 0)"
        }
        return SandboxFailure("sandbox_failed", "\(step.words) failed: \(Files.words(report.error))\(advice)")
    }

    private func template() throws(SandboxFailure) -> [UInt8] {
        var template = TemplatePlan()
        template.isolated = profile.isolated
        template.landlock = profile.landlock
        template.insideID = RootTree.insideID
        template.hostID = host.hostID(slot: index)
        if profile.isolated {
            template.mounts = try RootTree.mounts(profile, image: image)
            template.taskMounts = RootTree.perTask(profile.limits)
            // A launcher of an image serves one task only.
            template.preparesAhead = host.preparesAhead && image == nil
            template.rules = RootTree.rules(profile)
            template.filter = filter.shared.isEmpty ? filter.bytes : filter.own
            template.sharedFilter = filter.shared
        }
        do {
            return try template.encoded()
        } catch {
            throw SandboxFailure("bad_profile", "profile `\(profile.name)` does not fit a plan: \(error)")
        }
    }

    // MARK: - The plan

    private func limits(_ task: SandboxTask) -> CgroupSlot.Limits {
        CgroupSlot.Limits(
            memory: task.resources.memory.bytes, millicores: task.resources.cpu.count,
            pids: Int64(task.resources.pids ?? profile.limits.pids))
    }

    private func workFolder(_ task: SandboxTask) throws(SandboxFailure) -> WorkFolder? {
        guard profile.isolated else {
            guard task.inputs.isEmpty, task.secrets.isEmpty else {
                throw SandboxFailure("bad_task", "profile `\(profile.name)` binds no inputs and keeps no secrets")
            }
            return nil
        }
        let owner = Privilege.isRoot ? host.hostID(slot: index) : nil
        return try WorkFolder(task, owner: owner, firstDescriptor: 3)
    }

    private func plan(_ task: SandboxTask) throws(SandboxFailure) -> LaunchPlan {
        guard let program = task.arguments.first, !program.isEmpty else {
            throw SandboxFailure("bad_task", "a task needs a program")
        }
        let environment = profile.environment.merging(task.environment) { $1 }
        for (name, value) in environment where !SandboxEnvironment.isName(name) || value.utf8.contains(0) {
            throw SandboxFailure("bad_task", "`\(name.prefix(64))` cannot be an environment variable")
        }
        sequence &+= 1
        var plan = LaunchPlan()
        plan.sequence = sequence
        plan.arguments = task.arguments
        plan.environment = environment.sorted { $0.key < $1.key }.map { $0.key + "=" + $0.value }
        plan.folder = profile.isolated ? "/work" : task.workFolder
        plan.path = environment["PATH"] ?? "/usr/bin:/bin"
        plan.niceness = task.niceness
        plan.isIdle = task.isIdle
        plan.processors = task.processors
        plan.limits = ResourceLimits.all(
            task, profile, isMemoryLimited: group?.limitsMemory == true,
            areProcessesLimited: group?.limitsProcesses == true)
        return plan
    }

    // MARK: - Orders

    /// Orders every process of the task to stop in place, until ``thaw()``; see ``waitUntilFrozen()``. The wall limit
    /// stands still meanwhile. Done when it returns, on the caller's thread: each change of threads is a wait for a processor where
    /// the owner is busy.
    package nonisolated func freeze() {
        guard let channel, channel.phase == .running, !channel.isFrozen else { return }
        channel.setFrozen(true)
        network?.setFrozen(true)
        guard let group, group.setFrozen(true) else { return channel.stopBySignal(true) }
        // Only now: what is not ordered to stop yet would use what it is given.
        group.setQuotaLifted(true)
    }

    /// The kernel finishes shortly after the order; a process in an uninterruptible wait may take longer, and is not
    /// waited for.
    package func waitUntilFrozen() async {
        guard let channel, channel.isFrozen, let group else { return }
        for _ in 0..<100 {
            if group.isFrozen { return }
            try? await Task.sleep(for: .milliseconds(1))
        }
    }

    package func thaw() {
        guard let channel, channel.phase == .running, channel.isFrozen else { return }
        group?.setQuotaLifted(false)
        if group?.setFrozen(false) != true { channel.stopBySignal(false) }
        channel.setFrozen(false)
        network?.setFrozen(false)
    }

    /// As ``terminate(grace:)``, but meanwhile the task gets only a little of the processor: its owner wants it.
    package func evict(grace: TimeSpan, cpu: Millicores) {
        try? group?.applyCPU(cpu.count)
        terminate(grace: grace)
    }

    /// SIGTERM, and SIGKILL after the grace; zero = SIGKILL at once. Returns without waiting for the end.
    package func terminate(grace: TimeSpan) {
        if isActive { isAborted = channel?.phase != .running }
        thaw()
        channel?.end(.killed, grace: grace.milliseconds * 1_000_000)
    }

    /// Changes the running task's share of processor time.
    package func limitCPU(_ millicores: Millicores) throws(SandboxFailure) { try group?.applyCPU(millicores.count) }

    /// Ends the launcher and any task, and removes the slot's control group.
    package func shutdown() async {
        isClosed = true
        if let channel {
            _ = group?.setFrozen(false)
            channel.abandon()
            _ = await channel.wait { $0 == .dead }
        }
        channel = nil
        group?.remove()
    }
}

/// Whether tasks were put before everybody else for the sake of one that is killed. A kill that comes after its end must
/// not do so any more.
private final class Hurry: Sendable {
    private static let (open, begun, over) = (0, 1, 2)
    private let state = Atomic(open)

    /// True for the one call that begins it.
    func begin() -> Bool {
        state.compareExchange(expected: Self.open, desired: Self.begun, ordering: .acquiringAndReleasing).exchanged
    }

    /// Whether it had begun.
    func end() -> Bool { state.exchange(Self.over, ordering: .acquiringAndReleasing) == Self.begun }
}
