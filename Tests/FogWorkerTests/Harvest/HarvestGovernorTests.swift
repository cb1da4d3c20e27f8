import FogCore
import FogJobs
import Testing

@testable import FogWorker

@Suite("The governor, reading by reading")
struct HarvestGovernorTests {
    @Test("A lent machine comes to work in order, and says why")
    func opens() {
        var bench = SensorBench(.personal)
        #expect(bench.after(.seconds(1)) == .eligible)
        #expect(bench.allowance?.state == .closed && bench.words == "eligible: nothing in the way; opens in 5s")
        #expect(bench.during(.seconds(6)) == .running)
        #expect(bench.transitions.map(\.to) == [.eligible, .running])
        #expect(bench.words == "running: policy personal, nobody at the machine, until 07:00")
        #expect(bench.allowance?.cpuCap == .cores(2) && bench.allowance?.bandwidthCap == 10_000_000)
        #expect(bench.allowance?.memoryCap == ByteCount(ByteCount.gibibytes(8).bytes / 100 * 30))
        #expect(bench.allowance?.resumesAt == nil)
    }

    @Test("A key freezes at once; idle thaws; ten minutes evict; the cooldown is kept")
    func input() {
        var bench = SensorBench(.personal)
        bench.open()
        #expect(bench.type() == .frozen)
        #expect(bench.words == "frozen: keyboard used 0s ago; resumes after 5m idle")
        bench.during(.seconds(12))
        #expect(bench.words == "frozen: keyboard used 12s ago; resumes after 5m idle")
        #expect(bench.allowance?.resumesAt == bench.reading.wall.utc + .seconds(288))
        #expect(bench.during(.seconds(287)) == .frozen && bench.after(.seconds(1)) == .running)
        // Somebody works on: the tasks leave ten minutes after the freeze, and nothing comes back for half an hour.
        #expect(bench.type() == .frozen)
        #expect(bench.during(.seconds(599), { $0.input?.last = $0.at }) == .frozen)
        #expect(bench.after(.seconds(1), { $0.input?.last = $0.at }) == .evicted)
        #expect(bench.step?.decision.eviction == .evictedUser && bench.allowance?.state == .evicting)
        bench.tasks = 0
        #expect(bench.after(.seconds(1)) == .cooldown)
        let end = bench.reading.at + .minutes(30)
        #expect(bench.allowance?.resumesAt == bench.reading.wall.utc + .minutes(30))
        while bench.reading.at < end - .seconds(1) { #expect(bench.after(.seconds(1)) == .cooldown) }
        #expect(bench.after(.seconds(1)) == .eligible)
    }

    @Test("With no task here there is nothing to freeze or evict")
    func empty() {
        var bench = SensorBench(.lab)
        bench.open()
        bench.tasks = 0
        #expect(bench.type() == .closed && bench.allowance?.state == .closed)
        #expect(bench.during(.minutes(11), { $0.input?.last = $0.at }) == .closed)
        // Frozen ones that ended by themselves leave it closed, without a cooldown.
        bench = SensorBench(.personal)
        bench.open()
        #expect(bench.type() == .frozen)
        bench.tasks = 0
        #expect(bench.after(.seconds(1)) == .closed && bench.governor.cooldown == nil)
    }

    @Test("A lab heeds its people and not its screens; a dedicated machine neither")
    func policies() {
        var lab = SensorBench(.lab, at: "2026-11-23T12:00:00Z")
        lab.reading.screen?.isOn = true
        lab.open()
        #expect(lab.phase == .running && lab.allowance?.cpuCap == .cores(4) && lab.allowance?.bandwidthCap == nil)
        #expect(lab.words == "running: policy lab, nobody at the machine, any hour")
        #expect(lab.after(.seconds(1)) { $0.input = .init(last: $0.at, source: .terminal, device: "pts/3") } == .frozen)
        #expect(lab.words.hasPrefix("frozen: pts/3 used 0s ago"))
        var dedicated = SensorBench(.dedicated, at: "2026-11-23T12:00:00Z")
        dedicated.reading.screen?.isOn = true
        dedicated.reading.input = nil
        #expect(dedicated.after(.seconds(1)) == .running)
        #expect(dedicated.type() == .running)
    }

    @Test("What no sensor tells is said: nobody can be there, or nobody knows; the screen counts as off; heat caps")
    func unknown() {
        var bench = SensorBench(.personal)
        bench.reading.screen = nil
        bench.reading.heat = []
        bench.reading.input = .init(last: bench.reading.at, source: .assumed, device: "no seat")
        bench.open()
        #expect(
            bench.words
                == "running: policy personal, nobody can be at the machine (assumed), until 07:00, screen unknown, "
                + "counts as off, heat unknown, at most 50 % of the cores")
        #expect(bench.after(.seconds(1)) { $0.input = nil } == .frozen)
        #expect(bench.words.hasPrefix("frozen: no sensor tells whether somebody is at the machine; see `fog doctor`"))
        #expect(bench.allowance?.resumesAt == nil)
        var lab = SensorBench(.lab)
        lab.reading.heat = []
        lab.open()
        #expect(lab.allowance?.cpuCap == .cores(4) && lab.words.hasSuffix("heat unknown"))
    }

    @Test("Heat caps, throttles, freezes and evicts, and lets go later than it took hold")
    func heat() {
        var bench = SensorBench(.dedicated)
        func at(_ celsius: Double) -> (inout HarvestReading) -> Void { { $0.heat[0].celsius = celsius } }
        bench.open()
        #expect(bench.during(.minutes(2), at(69)) == .running && bench.allowance?.cpuCap == .cores(4))
        #expect(bench.during(.minutes(2), at(75)) == .running)
        #expect(bench.allowance?.cpuCap == .init(2000) && bench.words.contains("50 % of the cores because of heat"))
        // Throttled from 80 on; not again before 75, held for a minute.
        #expect(bench.during(.minutes(1), at(81)) == .throttled && bench.allowance?.cpuCap == .init(400))
        #expect(bench.words == "throttled: cpu at 81 C, limit 90 C; resumes below 75 C")
        #expect(bench.during(.minutes(5), at(77)) == .throttled)
        #expect(bench.during(.seconds(59), at(70)) == .throttled && bench.during(.seconds(30), at(70)) == .running)
        // Frozen at 90 by the raw value, thawed at 80 only.
        #expect(bench.after(.seconds(1), at(90)) == .frozen)
        #expect(bench.words == "frozen: cpu at 90 C, limit 90 C; resumes below 80 C")
        #expect(bench.during(.minutes(2), at(82)) == .frozen && bench.during(.minutes(2), at(78)) == .throttled)
        // Half a minute without getting cooler evicts.
        #expect(bench.after(.seconds(1), at(91)) == .frozen && bench.during(.seconds(29), at(86)) == .frozen)
        #expect(bench.after(.seconds(1), at(86)) == .evicted && bench.step?.decision.eviction == .evictedThermal)
    }

    @Test("A bare battery sensor's limit of 65 gives 45, 55 and 65")
    func smallLimit() {
        var bench = SensorBench(.personal)
        bench.reading.heat = [.init(sensor: "bat", celsius: 44, limit: 65)]
        bench.open()
        #expect(bench.phase == .running && bench.allowance?.cpuCap == .cores(2))
        bench.during(.minutes(1)) { $0.heat[0].celsius = 50 }
        #expect(bench.phase == .running && bench.allowance?.cpuCap == .init(1200))
        #expect(bench.during(.minutes(1)) { $0.heat[0].celsius = 55.5 } == .throttled)
        #expect(bench.after(.seconds(1)) { $0.heat[0].celsius = 65 } == .frozen)
    }

    @Test("The battery throttles below optimal, stops below minimum, and wants more to go on than it took to stop")
    func battery() {
        var bench = SensorBench(.personal)
        func at(_ percent: Double, mains: Bool = false) -> (inout HarvestReading) -> Void {
            { $0.power = PowerReading(onMains: mains, battery: .init(percent: percent, isCharging: mains)) }
        }
        bench.open()
        #expect(bench.after(.seconds(1), at(50)) == .running && bench.after(.seconds(1), at(49)) == .throttled)
        #expect(bench.words == "throttled: battery at 49 %; nothing starts below 52 % without mains")
        #expect(bench.during(.minutes(3), at(51)) == .throttled)
        #expect(bench.after(.seconds(1), at(19)) == .frozen && bench.step?.decision.eviction == .evictedBattery)
        #expect(bench.during(.minutes(3), at(30)) == .frozen)
        #expect(bench.during(.minutes(2), at(22, mains: true)) == .frozen)
        #expect(bench.words.contains("battery at 22 %; resumes at 25 % on mains"))
        #expect(bench.after(.seconds(1), at(25, mains: true)) == .frozen)
        #expect(bench.words.contains("battery at 25 %; resumes when that has held for 1m"), "\(bench.words)")
        #expect(bench.during(.minutes(2), at(25, mains: true)) == .running)
        #expect(bench.after(.seconds(1), at(19, mains: true)) == .frozen)
        // A machine without a battery is on mains.
        bench = SensorBench(.lab)
        bench.reading.power = PowerReading()
        bench.open()
        #expect(bench.phase == .running)
    }

    @Test("Nothing starts on a machine that would only be throttled")
    func noStart() {
        var bench = SensorBench(.personal)
        bench.reading.power = .init(onMains: false, battery: .init(percent: 40, isCharging: false))
        #expect(bench.during(.minutes(3)) == .closed && bench.words.hasPrefix("closed: battery at 40 %"))
    }

    @Test(
        "Metered networks, unplugged machines, others' work, waiting tasks and full memory",
        arguments: [
            ("metered: false", "wlan0 is metered", HarvestPhase.frozen),
            ("plugged_in: true", "on battery", .frozen), ("screen_off: true", "eDP-1 is on", .frozen),
            ("foreign_load: {above: 60, resume: 20}", "others use", .throttled),
            ("pressure: {memory: {above: 10, resume: 1}}", "tasks wait (memory 40 %", .frozen),
            (
                "pressure: {cpu: {above: 10, resume: 1}}", "tasks wait (memory 40 %, disk 0 %, processor 90 %)",
                .throttled
            ),
            ("memory_free: 20", "1GiB of memory left", .frozen),
        ])
    func others(_ line: String, _ words: String, _ wanted: HarvestPhase) throws {
        var bench = SensorBench(try #require(policy("base: dedicated\n" + line).policy))
        bench.open()
        #expect(bench.phase == .running)
        bench.during(.minutes(1)) { reading in
            reading.network = .init(kind: .wireless, isMetered: true, interface: "wlan0")
            reading.power.onMains = false
            reading.screen?.isOn = true
            reading.foreignLoad = .cores(4)
            reading.pressure = .init(cpu: 90, memory: 40, io: 0)
            reading.memoryAvailable = .gibibytes(1)
        }
        let seen = bench.transitions.last { $0.to == wanted }
        #expect(seen?.reason.contains(words) == true, "\(bench.transitions.map(\.reason))")
        // The policy that does not ask goes on.
        var plain = SensorBench(.dedicated)
        plain.open()
        plain.reading = bench.reading
        plain.reading.at = SensorBench.start + .minutes(2)
        #expect(plain.after(.seconds(1)) == .running)
    }

    @Test("A window closes with a grace of five minutes and opens again by itself, without a cooldown")
    func window() {
        var bench = SensorBench(.personal, at: "2026-11-24T05:55:00Z")
        bench.open()
        #expect(bench.phase == .running)
        while bench.reading.wall.utc < time("2026-11-24T05:59:59Z") { bench.after(.seconds(1)) }
        #expect(bench.phase == .running && bench.after(.seconds(1)) == .frozen)
        #expect(bench.words == "frozen: outside the window 22:00-07:00; opens 22:00")
        #expect(bench.allowance?.resumesAt == time("2026-11-24T21:00:00Z"))
        #expect(bench.during(.seconds(299)) == .frozen && bench.after(.seconds(1)) == .evicted)
        #expect(bench.step?.decision.eviction == .evictedWindow)
        bench.tasks = 0
        #expect(bench.after(.seconds(1)) == .closed)
        bench.during(.hours(16), every: .seconds(60))
        #expect(
            bench.phase == .running && bench.transitions.last?.time == time("2026-11-24T21:00:01Z") + .seconds(60))
    }

    @Test("A short pause keeps the tasks, a long one sends them home; both resume as they say")
    func pause() {
        var bench = SensorBench(.lab)
        bench.open()
        bench.governor.controls.pause = .until(bench.reading.wall.utc + .minutes(8))
        #expect(bench.after(.seconds(1)) == .frozen)
        #expect(bench.words == "frozen: paused by the owner; resumes 23:39")
        #expect(bench.during(.seconds(478)) == .frozen && bench.after(.seconds(1)) == .running)
        bench.governor.controls.pause = .untilResumed
        #expect(bench.after(.seconds(1)) == .frozen && bench.during(.seconds(29)) == .frozen)
        #expect(bench.after(.seconds(1)) == .evicted)
        bench.tasks = 0
        #expect(bench.after(.seconds(1)) == .closed && bench.words.contains("fog worker resume"))
        bench.governor.controls.pause = nil
        #expect(bench.after(.seconds(1)) == .eligible)
    }

    @Test("Who wakes a machine is at it, and what was not watched does not count as well")
    func suspend() {
        var bench = SensorBench(.lab)
        bench.open()
        #expect(bench.after(.hours(3)) == .frozen)
        #expect(bench.words == "frozen: the machine woke 0s ago; resumes after 5m idle")
        #expect(bench.during(.seconds(299)) == .frozen && bench.after(.seconds(1)) == .running)
        // Hot before it slept: the minute in which it must be cool begins when it wakes.
        bench = SensorBench(.dedicated)
        bench.open()
        bench.during(.seconds(30)) { $0.heat[0].celsius = 85 }
        #expect(bench.phase == .throttled && bench.after(.hours(1), { $0.heat[0].celsius = 30 }) == .throttled)
        #expect(bench.during(.seconds(59)) == .throttled && bench.after(.seconds(1)) == .running)
    }

    @Test("A clock that begins anew keeps the spans that run")
    func reboot() {
        var bench = SensorBench(.personal)
        bench.open()
        _ = bench.type()
        bench.during(.minutes(10)) { $0.input?.last = $0.at }
        bench.tasks = 0
        #expect(bench.after(.seconds(1)) == .cooldown)
        bench.during(.minutes(10))
        bench.reading.at = .seconds(5)
        bench.reading.input?.last = .zero
        #expect(bench.after(.seconds(1)) == .cooldown && bench.during(.minutes(19)) == .cooldown)
        #expect(bench.during(.seconds(60)) == .eligible)
    }

    @Test("A cooldown outlives the process, by the boot clock, in another boot by the wall, never longer than its own")
    func restore() throws {
        var bench = SensorBench(.personal)
        bench.open()
        #expect(bench.governor.kept(boot: "a") == nil)
        _ = bench.type()
        bench.during(.minutes(10)) { $0.input?.last = $0.at }
        // Killed while tasks leave: it rests as well.
        #expect(bench.phase == .evicted && bench.governor.kept(boot: "a") != nil)
        bench.tasks = 0
        bench.after(.seconds(1))
        let kept = try #require(bench.governor.kept(boot: "a"))
        for (boot, at, wall, left) in [
            ("a", bench.reading.at + .minutes(10), bench.reading.wall.utc + .hours(5), TimeSpan.minutes(20)),
            ("b", .minutes(1), bench.reading.wall.utc + .minutes(10), .minutes(20)),
            ("b", .minutes(1), bench.reading.wall.utc - .days(9), .minutes(30)),
        ] {
            var next = SensorBench(.personal)
            next.reading.at = at
            next.reading.input = .init(last: .zero, source: .assumed, device: "")
            next.governor.restore(kept, boot: boot, at: at, wall: wall)
            #expect(next.after(.zero) == .cooldown && next.during(left - .seconds(1)) == .cooldown)
            #expect(next.after(.seconds(1)) == .eligible)
        }
        var late = SensorBench(.personal)
        late.governor.restore(kept, boot: "b", at: .zero, wall: bench.reading.wall.utc + .hours(1))
        #expect(late.after(.seconds(1)) == .eligible)
    }

    @Test("Limits that tremble at their edge leave it alone for the rest of the hour, and it says so")
    func unsteady() {
        var bench = SensorBench(.dedicated)
        bench.open()
        let before = bench.transitions.count
        for _ in 0..<20 {
            bench.during(.seconds(10)) { $0.heat[0].celsius = 91 }
            bench.during(.seconds(80)) { $0.heat[0].celsius = 50 }
        }
        let changes = bench.transitions.dropFirst(before)
        // Hot at the first reading, then two ways back and two freezes; what is left goes by time alone.
        #expect(changes.map(\.to) == [.frozen, .running, .frozen, .running, .frozen, .evicted, .closed])
        #expect(bench.words.contains("its limits changed 5 times within the hour"), "\(bench.words)")
        #expect(bench.allowance?.resumesAt != nil)
        #expect(bench.during(.hours(1), every: .seconds(10)) == .running)
    }

    @Test("Another policy holds from the next reading on")
    func adopt() {
        var bench = SensorBench(.personal, at: "2026-11-24T12:00:00Z")
        #expect(bench.after(.seconds(1)) == .closed)
        bench.governor.adopt(.dedicated)
        #expect(bench.after(.seconds(1)) == .running)
        var tight = HarvestPolicy.dedicated
        (tight.slots, tight.profiles, tight.cpuPercent) = (1, ["python"], 25)
        bench.governor.adopt(tight)
        bench.after(.seconds(1))
        #expect(bench.allowance?.slots == 1 && bench.allowance?.profileCeiling == ["python"])
        #expect(bench.allowance?.cpuCap == .cores(1) && bench.allowance?.submitters == nil)
        #expect(bench.allowance?.network == false)
        tight.allowsNetwork = true
        tight.submitters = .init(deny: ["bob"])
        bench.governor.adopt(tight)
        bench.after(.seconds(1))
        #expect(bench.allowance?.submitters == .init(deny: ["bob"]) && bench.allowance?.network == true)
    }
}
