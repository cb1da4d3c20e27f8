internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogNet
internal import FogWorker
import Foundation
internal import Logging
internal import Synchronization

/// Says what the machine's owner does.
final class OwnersHand: AllowanceSource {
    private let stream: AsyncStream<HarvestDecision>
    private let continuation: AsyncStream<HarvestDecision>.Continuation
    private let slots: Int

    init(slots: Int) {
        self.slots = slots
        (stream, continuation) = AsyncStream.makeStream()
        leaves()
    }

    func leaves() { say(.open, "nobody there") }
    func evicts() { say(.evicting, "keyboard used for a while") }

    private func say(_ state: Allowance.State, _ reason: String) {
        continuation.yield(
            HarvestDecision(
                Allowance(
                    state: state, reason: reason, cpuCap: .cores(Int64(slots)), memoryCap: .gibibytes(8), slots: slots),
                evictGrace: .zero, isIdlePriority: true))
    }

    func decisions() -> AsyncStream<HarvestDecision> { stream }
}

/// A busy thread of the machine's owner. Within this process, so that it cannot outlive it.
final class OwnerThread: Sendable {
    private let isOver = Atomic(false)
    private let isAway = Atomic(false)

    init() {
        Thread.detachNewThread {
            while !self.isOver.load(ordering: .relaxed) {
                if self.isAway.load(ordering: .relaxed) { Thread.sleep(forTimeInterval: 0.005) }
            }
        }
    }

    func rest(_ isAway: Bool) { self.isAway.store(isAway, ordering: .relaxed) }

    func stop() { isOver.store(true, ordering: .relaxed) }
}

/// Looks at the clock before everybody else: it is not to wait for a processor that the owner's threads have, which would
/// count as time the tasks took.
enum Witness {
    private static let patience = 60.0

    /// Milliseconds from the act to the first moment in which something is so, looked at every 0.1 ms.
    /// - Throws: `bench_failed` after a minute.
    static func milliseconds(
        after act: @escaping @Sendable () -> Void, until isSo: @escaping @Sendable () -> Bool
    ) async throws -> Double {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                // Only root may; anybody else's figures hold the wait as well.
                var first = sched_param()
                first.sched_priority = 1
                sched_setscheduler(0, SCHED_FIFO, &first)
                let watch = Stopwatch()
                act()
                while !isSo() {
                    guard watch.seconds < patience else {
                        return continuation.resume(
                            throwing: CommandLineFailure("bench_failed", "the tasks did not stop within a minute"))
                    }
                    usleep(100)
                }
                continuation.resume(returning: watch.milliseconds)
            }
        }
    }
}

/// A task's process, seen from outside by what the kernel tells of it.
struct BusyProcess: Sendable {
    let pid: Int
    private let freezer: String?

    /// Waits until so many processes with the mark among their arguments run.
    static func find(_ mark: String, count: Int) async throws -> [BusyProcess] {
        for _ in 0..<1200 {
            let found = try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int($0) }.filter {
                // Its launcher is a parent without arguments of its own.
                text("/proc/\($0)/cmdline").contains("\u{0}\(mark)\u{0}")
            }
            if found.count == count { return found.map(BusyProcess.init) }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw CommandLineFailure("bench_failed", "the tasks did not start within a minute", help: "fog doctor")
    }

    private init(_ pid: Int) {
        self.pid = pid
        var freezer: String?
        for line in Self.text("/proc/\(pid)/cgroup").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let candidates =
                parts[1] == "freezer"
                ? ["/sys/fs/cgroup/freezer\(parts[2])/freezer.state"]
                : parts[1].isEmpty
                    ? ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map { "\($0)\(parts[2])/cgroup.events" } : []
            freezer = candidates.first { $0.contains("/fog-") && FileManager.default.fileExists(atPath: $0) } ?? freezer
        }
        self.freezer = freezer
    }

    /// False where there is no freezer to ask.
    var isFrozen: Bool {
        guard let freezer else { return Self.text("/proc/\(pid)/stat").contains(") T ") }
        let text = Self.text(freezer)
        return text.hasPrefix("FROZEN") || text.contains("frozen 1")
    }

    /// Processor time, from schedstat (proc(5)): exact, unlike the ticks of stat.
    var nanoseconds: Int64 {
        Self.text("/proc/\(pid)/schedstat").split(separator: " ").first.flatMap { Int64($0) } ?? 0
    }

    var residentBytes: Int {
        let pages = Self.text("/proc/\(pid)/statm").split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * Int(getpagesize())
    }

    /// Its memory is given back before its entry goes.
    var isThere: Bool { residentBytes > 0 }

    private static func text(_ path: String) -> String {
        (try? String(decoding: Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)) ?? ""
    }
}

extension BenchCloud {
    /// A worker within this process, that obeys `source`.
    func agent(
        _ name: String, slots: Int, source: any AllowanceSource, over carrier: HTTPCarrier
    ) async throws -> WorkerAgent {
        let home = "\(folder)/\(name)"
        let enrolled = try await client.enroll(
            EnrollBody(roles: [.worker], uses: 1, ttl: .hours(1), owner: "operator", credits: .zero))
        var environment = environment
        environment["FOG_HOME"] = home
        let join = try ChildProcess(
            ["join", enrolled.token, "--name", name, "-q"], environment: environment,
            errors: FileHandle.nullDevice)
        for await _ in join.lines {}
        var options = WorkerHost.Options(folder: "\(home)/state/worker", name: name)
        options.slots = slots
        options.cpu = .cores(Int64(slots))
        let logger = Logger(label: "fog.worker") { _ in SwiftLogNoOpLogHandler() }
        return try WorkerHost.agent(
            options, carrier: carrier, key: try KeyFile.read("\(home)/config/identity.key"),
            coordinator: client.coordinatorKey, environment: environment, source: source, logger: logger)
    }

    func submit(_ command: [String], tasks: Int, memory: ByteCount) async throws -> JobID {
        var step = StepSpec(action: .command(command))
        if tasks > 1 { step.elements = .array(first: 0, last: tasks - 1, stride: 1) }
        step.resources.memory = memory
        step.resources.cpu = .cores(1)
        let body = SubmitBody(
            document: ManifestDocument(of: JobSpec(name: "busy", steps: [step])).canonical, fileTable: nil)
        return try await client.submit(body, idempotencyKey: FogClient.newKey()).id
    }

    func cancel(_ job: JobID) async throws {
        _ = try await client.cancel(job, reason: "measured")
    }
}
