internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogSandbox
import Foundation
internal import Synchronization

/// `fog bench sandbox`: what isolation costs, and whether it leaves anything behind.
struct BenchSandbox: SessionCommand {
    static let configuration = CommandConfiguration(
        "sandbox", "Time `true` in the sandbox beside `true` alone, and beside bubblewrap where it is installed.",
        examples: [
            "fog bench sandbox", "fog bench sandbox --count 1000 -o json", "fog bench sandbox --launches 20000",
        ],
        more: """
            launch: from the call to the end of `true`, one at a time, by a launcher that is up. command: `fog-sandbox run` \
            as a process, where `fog sandbox serve` runs. alone: `fog sandbox run` as a process, with nothing up. run: all cores at once. bubblewrap gets the same root, filter and control group, in turns with \
            the others. With --launches only that many launches are made, and what they left is counted; exit 1 when it \
            is more than nothing.
            """)

    @Option(help: "Processes of each run.")
    var count = 300

    @Option(help: "Make so many launches and count what is left of them.")
    var launches: Int?

    @OptionGroup var bench: BenchOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard (1...100_000).contains(count) else {
            throw ValidationError("--count must be 1 to 100000, found \(count)")
        }
        if let launches, !(1...10_000_000).contains(launches) {
            throw ValidationError("--launches must be 1 to 10000000, found \(launches)")
        }
    }

    func run(_ session: Session) async throws {
        let work = NSTemporaryDirectory() + "fog-bench-\(UUID().uuidString.prefix(8))"
        try Disk.makeFolder(work)
        defer { try? FileManager.default.removeItem(atPath: work) }
        // Before the first host: its thread and files stay for the life of the process.
        try await withHost(session, work) { places in
            if launches != nil { try await last(places) }
        }
        let before = LeakCount(folder: work)
        if let launches {
            let leaks = try await withHost(session, work) { places in try await soak(places, launches, session) }
            try conclude(
                leaks, Self.leaks(from: before, to: LeakCount(folder: work), besides: Self.slackBytes), session)
        } else {
            try await withHost(session, work) { places in
                try await throughput(places, session)
                try await latency(places, session)
            }
        }
    }

    /// A slot a core, warm, and their work folders.
    private struct Places {
        let slots: [SandboxSlot]
        let filter: CompiledFilter
        let work: String
    }

    private func withHost<Result>(
        _ session: Session, _ work: String, _ body: (Places) async throws -> Result
    ) async throws -> Result {
        let folder = try ProfileFolder.locate(environment: session.environment)
        let profile = try SandboxProfile.load(named: "default", from: folder)
        let host = try SandboxHost(launcherPath: Launcher.locate())
        do {
            var slots: [SandboxSlot] = []
            for index in 0..<CurrentMachine.processors {
                slots.append(try await host.slot(profile: profile, index: index))
                try Disk.makeFolder("\(work)/\(index)")
            }
            let places = Places(slots: slots, filter: try FilterCompiler.compile(profile), work: work)
            _ = try await seconds(places, count: slots.count * 5)
            let result = try await body(places)
            await host.shutdown()
            return result
        } catch {
            await host.shutdown()
            throw error
        }
    }

    // MARK: - All cores

    private func throughput(_ places: Places, _ session: Session) async throws {
        let slots = places.slots.count
        let wrap = try Bubblewrap(filter: places.filter, folder: places.work)
        defer { wrap?.close() }
        var (floors, rates, wraps): ([Double], [Double], [Double]) = ([], [], [])
        for _ in 0..<bench.runs {
            floors.append(Double(count) / SpawnFloor.seconds(tasks: count, atOnce: slots))
            rates.append(Double(count) / (try await seconds(places, count: count)))
            floors.append(Double(count) / SpawnFloor.seconds(tasks: count, atOnce: slots))
            if let wrap {
                let each = max(1, count / 3 / slots)
                let watch = Stopwatch()
                // Each iteration waits for its own processes; the class keeps nothing that changes between launches.
                nonisolated(unsafe) let shared = wrap
                let failed = Atomic(0)
                DispatchQueue.concurrentPerform(iterations: slots) { _ in
                    for _ in 0..<each where (try? shared.launch()) == nil { failed.add(1, ordering: .relaxed) }
                }
                // What failed was quick, and is no launch.
                guard failed.load(ordering: .relaxed) == 0 else {
                    throw CommandLineFailure(
                        "bench_failed", "\(failed.load(ordering: .relaxed)) launches of bubblewrap failed")
                }
                wraps.append(Double(each * slots) / watch.seconds)
            }
        }
        let share = BenchFigure.median(rates) / BenchFigure.median(floors)
        show("floor", "tasks/s", floors, "posix_spawn, \(slots) at once", session)
        show("run", "tasks/s", rates, "\(BenchFigure.text(share)) of the floor, \(slots) at once", session)
        if wrap != nil {
            let times = BenchFigure.median(rates) / BenchFigure.median(wraps)
            let note = "the sandbox does \(BenchFigure.text(times)) times as many"
            show("bubblewrap", "tasks/s", wraps, note, session)
        }
    }

    private func seconds(_ places: Places, count: Int) async throws -> Double {
        let watch = Stopwatch()
        let slots = places.slots
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, slot) in slots.enumerated() {
                let runs = count / slots.count + (index < count % slots.count ? 1 : 0)
                group.addTask { for _ in 0..<runs { try await Self.launch(slot, "\(places.work)/\(index)") } }
            }
            try await group.waitForAll()
        }
        return watch.seconds
    }

    private static func launch(_ slot: SandboxSlot, _ work: String, _ words: [String] = ["true"]) async throws {
        let result = try await slot.run(
            SandboxTask(arguments: words, environment: ["PATH": "/usr/bin:/bin"], workFolder: work))
        guard result.shellCode == 0 else {
            throw CommandLineFailure("bench_failed", "\(words[0]) ended as \(result.ending)")
        }
    }

    // MARK: - One at a time

    /// In turns, so that a busy moment of the machine falls on all of them.
    private func latency(_ places: Places, _ session: Session) async throws {
        let wrap = try Bubblewrap(filter: places.filter, folder: places.work)
        defer { wrap?.close() }
        let words = ["run", "--work", "\(places.work)/0", "--", "true"]
        let own = ["/proc/self/exe", "sandbox"] + words, served = [try Launcher.locate()] + words
        // Where the processes below look for whom they may ask.
        setenv("FOG_HOME", places.work, 1)
        let door = try SandboxDoor(
            folder: "\(places.work)/state", cache: "\(places.work)/cache",
            profiles: ProfileFolder.locate(environment: session.environment), slots: 1)
        door.start()
        for _ in 0..<5 { try OneShot.wait(for: try OneShot.start(served), "fog-sandbox run") }
        var (warm, once, wraps, commands): ([Double], [Double], [Double], [Double]) = ([], [], [], [])
        for round in 0..<max(20, count / 3) * bench.runs {
            var watch = Stopwatch()
            try await Self.launch(places.slots[0], "\(places.work)/0")
            warm.append(watch.milliseconds)
            if let wrap {
                watch = Stopwatch()
                try wrap.launch()
                wraps.append(watch.milliseconds)
            }
            watch = Stopwatch()
            try OneShot.wait(for: try OneShot.start(served), "fog-sandbox run")
            commands.append(watch.milliseconds)
            // Ten times as long as the others, so not as often.
            guard round % 5 == 0 else { continue }
            watch = Stopwatch()
            try OneShot.wait(for: try OneShot.start(own), "fog sandbox run")
            once.append(watch.milliseconds)
        }
        await door.close()
        func ratio(_ values: [Double]) -> String {
            let tail = "p99 \(BenchFigure.text(BenchFigure.percentile(values, 99)))"
            guard wrap != nil else { return tail }
            return "\(BenchFigure.text(BenchFigure.median(values) / BenchFigure.median(wraps))) of bubblewrap, \(tail)"
        }
        show("launch", "ms", warm, ratio(warm), session)
        show("command", "ms", commands, ratio(commands), session)
        show("alone", "ms", once, ratio(once), session)
        if wrap != nil {
            show("bubblewrap_launch", "ms", wraps, "same root, filter and control group", session)
        }
    }

    // MARK: - What is left

    private static let slackBytes: Int64 = 1 << 20

    private func soak(_ places: Places, _ launches: Int, _ session: Session) async throws -> [String] {
        // What is made once, by this process or its libraries, is made in the first half; a leak goes on in the second.
        var took = try await seconds(places, count: launches - launches / 2)
        try await last(places)
        let middle = LeakCount(folder: places.work)
        took += try await seconds(places, count: launches / 2)
        show("soak", "tasks/s", [Double(launches) / took], "\(launches) launches", session)
        return try Self.leaks(from: middle, to: await settled(places, middle), besides: Self.slackBytes)
    }

    /// Tasks that last, so that what looks at running ones has started as well; then time for their sandboxes to go
    /// and for the next ones to be made ready.
    private func last(_ places: Places) async throws {
        for (index, slot) in places.slots.enumerated() {
            try await Self.launch(slot, "\(places.work)/\(index)", ["sleep", "0.3"])
        }
        try await Task.sleep(for: .milliseconds(500))
    }

    /// The last tasks' processes go after their status has come.
    private func settled(_ places: Places, _ before: LeakCount) async throws -> LeakCount {
        var now = LeakCount(folder: places.work)
        for _ in 0..<100 where now.counts.map(\.count) != before.counts.map(\.count) {
            try await Task.sleep(for: .milliseconds(50))
            now = LeakCount(folder: places.work)
        }
        return now
    }

    /// Words for everything there is more of.
    private static func leaks(from before: LeakCount, to after: LeakCount, besides bytes: Int64) throws -> [String] {
        var words = zip(before.counts, after.counts).filter { $1.count > $0.count }.map { old, new in
            "\(new.count - old.count) \(new.name) (\(old.count) before)"
        }
        let grown = after.residentBytes - before.residentBytes
        if grown > bytes { words.append("\(ByteCount(grown)) of memory") }
        return words
    }

    private func conclude(_ running: [String], _ afterwards: [String], _ session: Session) throws {
        // Memory that the process took for its hosts comes back to its allocator, not to the system.
        let left = running + afterwards.filter { !$0.hasSuffix("of memory") }
        show(
            "leaks", "kinds", [Double(left.count)], left.isEmpty ? "nothing is left" : left.joined(separator: ", "),
            session)
        if !left.isEmpty { throw ExitCode.failure }
    }

    private func show(_ name: String, _ unit: String, _ values: [Double], _ note: String, _ session: Session) {
        BenchFigure(bench: "sandbox", name: name, unit: unit, values: values, note: note).show(session)
    }
}
