import FogCore
import FogJobs
import Foundation
import Glibc
import Logging
import Synchronization
import Testing

@testable import FogWorker

/// Readings that a test hands out one by one.
private final class HandSensors: HarvestSensors {
    private let stream: AsyncStream<HarvestReading>
    let outlet: AsyncStream<HarvestReading>.Continuation
    let running = Mutex<[Bool]>([])

    init() { (stream, outlet) = AsyncStream.makeStream(of: HarvestReading.self) }

    func readings() -> AsyncStream<HarvestReading> { stream }
    func tasksRun(_ areRunning: Bool) { running.withLock { $0.append(areRunning) } }
}

/// A clock that stands where it is put.
private final class HandClock: FogClock {
    let moment = Mutex((time("2026-11-23T22:30:00Z"), SensorBench.start))

    var now: Timestamp { moment.withLock { $0.0 } }
    var sinceBoot: TimeSpan { moment.withLock { $0.1 } }
    func go(_ span: TimeSpan) { moment.withLock { $0 = ($0.0 + span, $0.1 + span) } }
}

private struct Fixture {
    let sensors = HandSensors()
    let clock = HandClock()
    let machine: GovernedMachine
    var bench: SensorBench

    init(_ policy: HarvestPolicy, in folder: String, boot: String = "a") {
        bench = SensorBench(policy)
        machine = GovernedMachine(
            policy, machine: SensorBench.machine, sensors: sensors, zone: berlin, folder: HarvestFolder(folder),
            boot: boot, clock: clock)
        clock.moment.withLock { [reading = bench.reading] in $0 = (reading.wall.utc, reading.at) }
    }

    /// A reading after a while, taken as the loop takes it.
    mutating func after(_ span: TimeSpan, _ change: (inout HarvestReading) -> Void = { _ in }) async {
        clock.go(span)
        bench.reading.at = bench.reading.at + span
        bench.reading.wall.utc = bench.reading.wall.utc + span
        change(&bench.reading)
        await machine.take(bench.reading)
    }

    mutating func during(_ span: TimeSpan, _ change: (inout HarvestReading) -> Void = { _ in }) async {
        for _ in 0..<Int(span.seconds) { await after(.seconds(1), change) }
    }
}

private func withPlace(_ body: (String) async throws -> Void) async throws {
    let path = FileManager.default.temporaryDirectory.path + "/fog-worker-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try await body(path)
}

@Suite("A machine under its governor", .timeLimit(.minutes(1)))
struct GovernedMachineTests {
    @Test("The agent hears the present decision and each change, not every second's words")
    func tells() async throws {
        try await withPlace { folder in
            var fixture = Fixture(.lab, in: folder)
            var decisions = fixture.machine.decisions().makeAsyncIterator()
            fixture.sensors.outlet.yield(fixture.bench.reading)
            #expect(await decisions.next()?.allowance.state == .closed)
            fixture.machine.working(HarvestWork(held: 1, running: 1))
            #expect(fixture.sensors.running.withLock { $0 } == [true])
            await fixture.during(.seconds(10))
            #expect(await decisions.next()?.allowance.state == .open)
            await fixture.after(.seconds(1)) { $0.input?.last = $0.at }
            let frozen = await decisions.next()
            #expect(frozen?.allowance.state == .frozen)
            // Nine seconds only count; the tenth is told, and those after it are not.
            await fixture.during(.seconds(15))
            let later = await decisions.next()
            #expect(later?.allowance.reason == "keyboard used 10s ago; resumes after 5m idle")
        }
    }

    @Test("Cooldown and pause outlive the process; events and contributions are kept")
    func keeps() async throws {
        try await withPlace { folder in
            var fixture = Fixture(.personal, in: folder)
            fixture.machine.working(HarvestWork(held: 1, running: 1))
            await fixture.during(.seconds(60))
            fixture.machine.working(HarvestWork(held: 1, running: 1, used: .seconds(40)))
            await fixture.during(.seconds(601)) { $0.input?.last = $0.at }
            fixture.machine.working(HarvestWork(used: .seconds(40)))
            await fixture.after(.seconds(1))
            #expect(await fixture.machine.report.phase == .cooldown)
            let events = HarvestFolder(folder).events(limit: 10)
            #expect(events.map(\.to) == [.eligible, .running, .frozen, .evicted, .cooldown])
            #expect(events.allSatisfy { !$0.reason.isEmpty } && events[3].cause == .input)
            await fixture.machine.close()
            let day = try #require(HarvestFolder(folder).book().days["2026-11-23"])
            #expect(day.offeredSeconds == 55 && day.offeredCoreSeconds == 110 && day.usedSeconds == 55)
            #expect(day.usedCoreSeconds == 40)
            #expect(day.refusedSeconds == ["input": 601, "settling": 5])
            // Another process, five minutes later: it still rests, and is paused as well.
            await fixture.machine.pause(.until(fixture.clock.now + .hours(3)))
            var next = Fixture(.personal, in: folder)
            next.bench.reading = fixture.bench.reading
            next.clock.moment.withLock { [clock = fixture.clock] in $0 = (clock.now, clock.sinceBoot) }
            await next.after(.minutes(5)) { $0.input?.last = .zero }
            let report = await next.machine.report
            #expect(report.phase == .cooldown && report.reason.contains("paused by the owner"), "\(report)")
            for _ in 0..<25 { await next.after(.minutes(1)) }
            #expect(await next.machine.report.phase == .closed)
            await next.machine.pause(nil)
            #expect(await next.machine.report.phase == .eligible)
            #expect(HarvestFolder(folder).kept() == HarvestFolder.Kept())
        }
    }

    @Test("Files of events are put aside when they are full, and what was cut off is left out")
    func events() throws {
        try withFolder { folder in
            let place = HarvestFolder(folder)
            let event = HarvestTransition(
                at: .zero, time: .zero, from: .closed, to: .eligible, reason: String(repeating: "x", count: 900),
                cause: nil)
            for _ in 0..<12 { try place.append(Array(repeating: event, count: 100)) }
            let file = "\(folder)/harvest-events.jsonl"
            #expect((Disk.size(file) ?? .max) < HarvestFolder.maxEventBytes + 110_000)
            #expect((Disk.size(file + ".1") ?? 0) > HarvestFolder.maxEventBytes)
            #expect(place.events(limit: 1000).count == 1000)
            let bytes = try #require(Disk.read(file, limit: 1 << 20))
            try Data(bytes.dropLast(5)).write(to: URL(filePath: file))
            #expect(place.events(limit: 3).count == 2)
        }
    }

    @Test("Time in which the machine slept is neither offered nor refused")
    func sleep() async throws {
        try await withPlace { folder in
            var fixture = Fixture(.lab, in: folder)
            await fixture.after(.seconds(1))
            await fixture.after(.hours(1))
            await fixture.machine.close()
            #expect(HarvestFolder(folder).book().days.isEmpty)
            await fixture.after(.seconds(10))
            await fixture.machine.close()
            #expect(HarvestFolder(folder).book().days.values.map(\.refusedSeconds) == [["input": 10]])
        }
    }

    @Test("What is throttled is offered at its cap; the oldest days go")
    func book() {
        var book = ContributionBook()
        for day in 0..<500 {
            book.add(
                .seconds(10), until: LocalTime(utc: Timestamp(seconds: Int64(day) * 86_400), offsetSeconds: 0),
                phase: .throttled, cause: nil, cap: Millicores(400), cores: 4, running: 0, used: .zero)
        }
        #expect(book.days.count == ContributionBook.maxDays && book.days["1970-01-01"] == nil)
        #expect(book.days["1971-01-01"]?.offeredCoreSeconds == 4 && book.days["1971-01-01"]?.usedSeconds == 0)
    }
}

@Suite("The way to a running worker", .timeLimit(.minutes(1)))
struct ControlSocketTests {
    /// Serves while the body runs.
    private func serving(_ folder: String, _ body: @Sendable @escaping () async throws -> Void) async throws {
        let fixture = Fixture(.lab, in: folder)
        let machine = fixture.machine
        await machine.take(fixture.bench.reading)
        let socket = ControlSocket(folder: folder, logger: Logger(label: "test")) { request in
            switch request {
            case .report: break
            case .pause(let pause): await machine.pause(pause)
            case .policy(let name): return .refused(code: "bad_policy", message: "no \(name)")
            }
            return .report(await machine.report)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await socket.run() }
            while !Disk.names(folder).contains("control.sock") { try await Task.sleep(for: .milliseconds(5)) }
            try await body()
            group.cancelAll()
        }
        #expect(!Disk.names(folder).contains("control.sock"))
    }

    @Test("The owner asks, pauses and is refused; nobody else may open it, in a deep folder too")
    func asks() async throws {
        try await withPlace { top in
            let folder = top + "/" + String(repeating: "deep", count: 40)
            try Disk.makeFolders(folder)
            await #expect(throws: WorkerFailure("not_running", "no worker runs in \(folder)")) {
                try await ControlSocket.ask(.report, in: folder)
            }
            try await serving(folder) {
                var status = stat()
                #expect(stat(folder + "/control.sock", &status) == 0 && status.st_mode & 0o777 == 0o600)
                #expect(try await ControlSocket.ask(.report, in: folder).phase == .eligible)
                let paused = try await ControlSocket.ask(.pause(.untilResumed), in: folder)
                #expect(paused.phase == .closed && paused.pause == .untilResumed)
                #expect(paused.reason == "paused by the owner; goes on by `fog worker resume`")
                await #expect(throws: WorkerFailure("bad_policy", "no x")) {
                    try await ControlSocket.ask(.policy("x"), in: folder)
                }
                #expect(try await ControlSocket.ask(.pause(nil), in: folder).pause == nil)
            }
        }
    }

    @Test("What a former process left behind is taken over")
    func leftBehind() async throws {
        try await withPlace { folder in
            _ = FileManager.default.createFile(atPath: folder + "/control.sock", contents: nil)
            try await serving(folder) {
                while (try? await ControlSocket.ask(.report, in: folder)) == nil {
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
        }
    }
}
