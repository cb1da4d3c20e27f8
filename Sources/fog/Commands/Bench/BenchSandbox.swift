internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogSandbox
import Foundation

/// `fog bench sandbox`: what isolation costs.
struct BenchSandbox: SessionCommand {
    static let configuration = CommandConfiguration(
        "sandbox", "Time `true` in the sandbox beside `true` alone, and beside bubblewrap where it is installed.",
        examples: ["fog bench sandbox", "fog bench sandbox --count 1000 -o json"])

    @Option(help: "Processes of each run.")
    var count = 300

    @OptionGroup var bench: BenchOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard (1...100_000).contains(count) else {
            throw ValidationError("--count must be 1 to 100000, found \(count)")
        }
    }

    func run(_ session: Session) async throws {
        let folder = try ProfileFolder.locate(environment: session.environment)
        let host = try SandboxHost(launcherPath: Launcher.locate())
        let slots = CurrentMachine.processors
        let work = NSTemporaryDirectory() + "fog-bench-\(UUID().uuidString.prefix(8))"
        do {
            let profile = try SandboxProfile.load(named: "default", from: folder)
            var all: [SandboxSlot] = []
            for index in 0..<slots { all.append(try await host.slot(profile: profile, index: index)) }
            for index in 0..<slots { try Disk.makeFolder("\(work)/\(index)") }
            _ = try await Self.seconds(all, count: slots * 5, work)
            var floors: [Double] = []
            var rates: [Double] = []
            var ratios: [Double] = []
            var wraps: [Double] = []
            let wrap = Self.bubblewrap
            for _ in 0..<bench.runs {
                let before = Double(count) / SpawnFloor.seconds(tasks: count, atOnce: slots)
                let rate = Double(count) / (try await Self.seconds(all, count: count, work))
                let after = Double(count) / SpawnFloor.seconds(tasks: count, atOnce: slots)
                floors += [before, after]
                rates.append(rate)
                ratios.append(rate / ((before + after) / 2))
                if let wrap {
                    let few = max(1, count / 5)
                    let each = "i=0; while [ $i -lt \((few + slots - 1) / slots) ]; do \(wrap); i=$((i+1)); done"
                    let loop = Array(repeating: "(\(each)) &", count: slots).joined(separator: " ") + " wait"
                    let seconds = try SpawnFloor.seconds(command: loop, tasks: few, environment: session.environment)
                    wraps.append(Double((few + slots - 1) / slots * slots) / seconds)
                }
            }
            BenchFigure(
                bench: "sandbox", name: "floor", unit: "tasks/s", values: floors, note: "posix_spawn, \(slots) at once"
            ).show(session)
            BenchFigure(
                bench: "sandbox", name: "run", unit: "tasks/s", values: rates,
                note: "\(BenchFigure.text(BenchFigure.median(ratios))) of the floor"
            ).show(session)
            if wrap != nil {
                let times = BenchFigure.median(rates) / BenchFigure.median(wraps)
                BenchFigure(
                    bench: "sandbox", name: "bubblewrap", unit: "tasks/s", values: wraps,
                    note: "the sandbox does \(BenchFigure.text(times)) times as many"
                ).show(session)
            }
        } catch {
            await host.shutdown()
            throw error
        }
        await host.shutdown()
        try? FileManager.default.removeItem(atPath: work)
    }

    private static func seconds(_ slots: [SandboxSlot], count: Int, _ work: String) async throws -> Double {
        let watch = Stopwatch()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, slot) in slots.enumerated() {
                group.addTask {
                    let task = SandboxTask(
                        arguments: ["true"], environment: ["PATH": "/usr/bin:/bin"], workFolder: "\(work)/\(index)")
                    for _ in 0..<(count / slots.count + (index < count % slots.count ? 1 : 0)) {
                        let result = try await slot.run(task)
                        guard result.shellCode == 0 else {
                            throw CommandLineFailure("bench_failed", "true ended as \(result.ending)")
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        return watch.seconds
    }

    /// The nearest that bubblewrap does to the profile default: all namespaces, a read-only root, fresh /proc, /tmp,
    /// /dev. It sets no limits and no filter.
    private static var bubblewrap: String? {
        guard
            let path = ["/usr/bin/bwrap", "/usr/local/bin/bwrap"].first(where: { (path: String) in
                access(path, X_OK) == 0
            })
        else { return nil }
        return
            "\(path) --unshare-all --die-with-parent --new-session --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/bin /bin --proc /proc --dev /dev --tmpfs /tmp --tmpfs /work --chdir /work true"
    }
}
