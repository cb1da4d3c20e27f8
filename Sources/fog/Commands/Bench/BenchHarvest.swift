internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogNet
internal import FogWorker
import Foundation

/// `fog bench harvest`: how fast a machine is its owner's again.
struct BenchHarvest: SessionCommand {
    static let configuration = CommandConfiguration(
        "harvest", "Time how fast tasks stop, and give their memory back, when the owner returns.",
        examples: ["fog bench harvest", "fog bench harvest --count 200 -o json"],
        more: """
            Busy tasks run at idle priority beside busy threads of the owner. harvest/freeze: from the event of a key, which \
            the sensors read as they read a keyboard's, to the last task standing still, as the kernel tells it; \
            harvest/cpu: what the tasks still used of the processors in the 200 ms after the key; harvest/memory: from \
            the order to kill to the memory of the task being free.
            """)

    @Option(help: "How often the owner returns.")
    var count = 50

    @Option(help: "Busy tasks.")
    var tasks = 4

    @Option(help: "Busy threads of the owner.")
    var owners = 2

    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard (1...10_000).contains(count) else {
            throw ValidationError("--count must be 1 to 10000, found \(count)")
        }
        guard (1...64).contains(tasks) else { throw ValidationError("--tasks must be 1 to 64, found \(tasks)") }
        guard (0...64).contains(owners) else { throw ValidationError("--owners must be 0 to 64, found \(owners)") }
    }

    func run(_ session: Session) async throws {
        let cloud = try await BenchCloud.start(session)
        let busy = (0..<owners).map { _ in OwnerThread() }
        do {
            try await measure(cloud, busy, session)
        } catch {
            for owner in busy { owner.stop() }
            await cloud.stop()
            throw error
        }
        for owner in busy { owner.stop() }
        await cloud.stop()
    }

    private func measure(_ cloud: BenchCloud, _ busy: [OwnerThread], _ session: Session) async throws {
        let keyboard = try BenchKeyboard(folder: "\(cloud.folder)/keyboard", slots: tasks, clock: session.clock)
        defer { keyboard.close() }
        try await lend(cloud, keyboard.machine, as: "desk") { try await freezes(cloud, keyboard, session) }
        let owner = OwnersHand(slots: tasks)
        try await lend(cloud, owner, as: "hand") { try await memory(cloud, owner, busy, session) }
    }

    /// Works for the cloud, as the source allows, during the body.
    private func lend(
        _ cloud: BenchCloud, _ source: any AllowanceSource, as name: String,
        _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        let carrier = try HTTPCarrier(cloud.server)
        do {
            let agent = try await cloud.agent(name, slots: tasks, source: source, over: carrier)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await agent.run() }
                group.addTask { try await body() }
                // The agent runs until it is cancelled: whichever ends first ends both, and its error is the bench's.
                try await group.next()
                group.cancelAll()
                while (try? await group.next()) != nil {}
            }
        } catch {
            await carrier.shutDown()
            throw error
        }
        await carrier.shutDown()
    }

    private func freezes(_ cloud: BenchCloud, _ keyboard: BenchKeyboard, _ session: Session) async throws {
        let mark = "fog-bench-\(UUID().uuidString)"
        let job = try await cloud.submit(
            ["sh", "-c", "while :; do :; done", mark], tasks: tasks, memory: .mebibytes(32))
        let processes = try await BusyProcess.find(mark, count: tasks)
        var (stops, leftovers): ([Double], [Double]) = ([], [])
        for _ in 0..<count {
            try await Task.sleep(for: .milliseconds(Int.random(in: 100...300)))
            let before = processes.reduce(0) { $0 + $1.nanoseconds }
            let stop = try await Witness.milliseconds(after: keyboard.press) { processes.allSatisfy(\.isFrozen) }
            stops.append(stop)
            try await Task.sleep(for: .milliseconds(max(0, 200 - Int(stop))))
            leftovers.append(Double(processes.reduce(0) { $0 + $1.nanoseconds } - before) / 1e6)
            let watch = Stopwatch()
            while processes.contains(where: \.isFrozen) { try await Self.pause(watch, "the tasks did not go on") }
        }
        try await cloud.cancel(job)
        show(session, "freeze", stops, "ms", "\(tasks) tasks, \(owners) threads of the owner")
        show(session, "cpu", leftovers, "ms", "of \(tasks) tasks in 200 ms")
    }

    private func memory(
        _ cloud: BenchCloud, _ owner: OwnersHand, _ busy: [OwnerThread], _ session: Session
    ) async throws {
        var times: [Double] = []
        let size = 512
        for _ in 0..<max(3, min(10, count / 5)) {
            let mark = "fog-bench-\(UUID().uuidString)"
            // What runs on the owner's leavings would take minutes to fill its memory.
            for thread in busy { thread.rest(true) }
            let job = try await cloud.submit(
                [
                    "python3", "-c",
                    "import signal,time; signal.signal(15, signal.SIG_IGN); x=bytearray(b'x')*(\(size)<<20); time.sleep(600)",
                    mark,
                ], tasks: 1, memory: .mebibytes(Int64(size) + 128))
            let process = try await BusyProcess.find(mark, count: 1)[0]
            let filled = Stopwatch()
            while process.residentBytes < size << 20 {
                try await Self.pause(filled, "the task did not fill its memory")
            }
            for thread in busy { thread.rest(false) }
            let watch = Stopwatch()
            owner.evicts()
            while process.isThere { try await Self.pause(watch, "the task did not die") }
            times.append(watch.milliseconds)
            try await cloud.cancel(job)
            owner.leaves()
        }
        show(session, "memory", times, "ms", "\(size) MiB, killed without grace")
    }

    private static func pause(_ watch: Stopwatch, _ words: String) async throws {
        guard watch.seconds < 60 else { throw CommandLineFailure("bench_failed", "\(words) within a minute") }
        try await Task.sleep(for: .microseconds(200))
    }

    private func show(_ session: Session, _ name: String, _ values: [Double], _ unit: String, _ note: String) {
        BenchFigure(
            bench: "harvest", name: name, unit: unit, values: values,
            note: "p99 \(BenchFigure.text(BenchFigure.percentile(values, 99))), \(note)"
        ).show(session)
    }
}
