internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
import Foundation

/// `fog bench submit`: how long one small thing takes.
struct BenchSubmit: SessionCommand {
    static let configuration = CommandConfiguration(
        "submit", "Time one task from its submission to the news of its end, and `fog run -- true`.",
        examples: ["fog bench submit", "fog bench submit --count 200 -o json"],
        more: "submit/one: through the API in one process; submit/run: the whole command as a process, on a warm node.")

    @Option(help: "How many are timed.")
    var count = 50

    @OptionGroup var bench: BenchOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard (1...100_000).contains(count) else {
            throw ValidationError("--count must be 1 to 100000, found \(count)")
        }
    }

    func run(_ session: Session) async throws {
        let cloud = try await BenchCloud.start(session)
        let worker = try await cloud.startWorker(1, slots: CurrentMachine.processors, unsafely: true)
        do {
            try await measure(cloud, session)
        } catch {
            await cloud.stop([worker])
            throw error
        }
        await cloud.stop([worker])
    }

    private func measure(_ cloud: BenchCloud, _ session: Session) async throws {
        for profile in ["none", "default"] { _ = try await cloud.time(BenchDrain.spec(1, profile)) }
        var spawns: [Double] = []
        var flushes: [Double] = []
        var one: [String: [Double]] = [:]
        var whole: [Double] = []
        let file = "\(cloud.folder)/flush"
        for _ in 0..<count {
            spawns.append(SpawnFloor.seconds(tasks: 1, atOnce: 1) * 1000)
            flushes.append(try Self.flush(file))
            for profile in ["none", "default"] {
                one[profile, default: []].append(try await cloud.time(BenchDrain.spec(1, profile)) * 1000)
            }
            whole.append(try await cloud.run(["run", "-q", "--", "true"]) * 1000)
        }
        func show(_ name: String, _ values: [Double], _ note: String = "") {
            let tail = "p95 \(BenchFigure.text(BenchFigure.percentile(values, 95)))\(note.isEmpty ? "" : ", \(note)")"
            BenchFigure(bench: "submit", name: name, unit: "ms", values: values, note: tail).show(session)
        }
        show("spawn", spawns, "posix_spawn and wait, the floor")
        show("flush", flushes, "4 KiB written and fdatasync")
        show("one-unsandboxed", one["none"] ?? [])
        show("one", one["default"] ?? [])
        show("run", whole, "fog run -- true as a process")
        let audit = AuditDocument(try await cloud.client.audit())
        guard audit.status == .success else { throw CommandLineFailure("tampered", audit.sentence) }
    }

    /// Milliseconds to append a block and have it on the disk.
    private static func flush(_ path: String) throws -> Double {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        guard descriptor >= 0 else { throw CommandLineFailure("unwritable", "\(path): \(Disk.words())") }
        defer { close(descriptor) }
        let block = [UInt8](repeating: 7, count: 4096)
        let watch = Stopwatch()
        try Disk.writeAll(block, to: descriptor, name: path)
        guard fdatasync(descriptor) == 0 else { throw CommandLineFailure("unwritable", "\(path): \(Disk.words())") }
        return watch.milliseconds
    }
}

/// `fog bench array`: what a million waiting tasks cost.
struct BenchArray: SessionCommand {
    static let configuration = CommandConfiguration(
        "array", "Submit one very large array and see what its waiting tasks cost.",
        examples: ["fog bench array", "fog bench array --tasks 1000000 -o json"])

    @Option(help: "Elements of the array.")
    var tasks = 1_000_000

    @OptionGroup var bench: BenchOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard (2...1_000_000).contains(tasks) else {
            throw ValidationError("--tasks must be 2 to 1000000, found \(tasks)")
        }
    }

    func run(_ session: Session) async throws {
        let cloud = try await BenchCloud.start(session)
        do {
            var times: [Double] = []
            let memory = cloud.coordinator.residentBytes
            let disk = Self.size(of: cloud.folder)
            for _ in 0..<bench.runs {
                let body = SubmitBody(
                    document: ManifestDocument(of: BenchDrain.spec(tasks, "default")).canonical, fileTable: nil)
                let watch = Stopwatch()
                _ = try await cloud.client.submit(body, idempotencyKey: FogClient.newKey())
                times.append(watch.milliseconds)
            }
            let all = Double(tasks * bench.runs)
            BenchFigure(bench: "array", name: "submit", unit: "ms", values: times, note: "\(tasks) elements").show(
                session)
            BenchFigure(
                bench: "array", name: "disk", unit: "B/task", values: [Double(Self.size(of: cloud.folder) - disk) / all]
            ).show(session)
            BenchFigure(
                bench: "array", name: "memory", unit: "MiB",
                values: [Double(cloud.coordinator.residentBytes - memory) / 1_048_576],
                note: "more, for \(bench.runs) such jobs"
            ).show(session)
        } catch {
            await cloud.stop()
            throw error
        }
        await cloud.stop()
    }

    /// Bytes that a folder's files take.
    private static func size(of folder: String) -> Int64 {
        guard let all = FileManager.default.enumerator(atPath: folder) else { return 0 }
        var sum: Int64 = 0
        for case let name as String in all { sum += Int64(Disk.status("\(folder)/\(name)")?.st_size ?? 0) }
        return sum
    }
}
