import FogCore
import FogJobs
import Testing

@testable import FogWorker

@Suite("The rules by which a machine is lent")
struct HarvestPolicyTests {
    @Test("The words mean what the pages say")
    func words() {
        let personal = HarvestPolicy.personal
        #expect(personal.battery == .init(minimum: 20, optimal: 50) && !personal.allowsMetered)
        #expect(personal.idle == .minutes(5) && personal.screenOff && personal.schedule.text == "22:00-07:00")
        #expect(personal.cpuPercent == 50 && personal.memoryPercent == 30 && personal.bandwidth == 10_000_000)
        #expect(personal.cooldown == .minutes(30) && personal.evictAfter == .minutes(10))
        let lab = HarvestPolicy.lab
        #expect(lab.idle == .minutes(5) && !lab.screenOff && lab.schedule.isAlways && lab.bandwidth == nil)
        #expect(lab.cpuPercent == 100 && lab.memoryPercent == 75 && lab.allowsMetered)
        let dedicated = HarvestPolicy.dedicated
        #expect(dedicated.idle == nil && dedicated.schedule.isAlways && dedicated.settle == .zero)
        #expect(dedicated.foreignLoad == nil && dedicated.pressure == .init() && dedicated.memoryFreePercent == nil)
        #expect([personal, lab, dedicated].allSatisfy { !$0.allowsNetwork })
        #expect(HarvestPolicy.usual(hasBattery: true) == .personal && HarvestPolicy.usual(hasBattery: false) == .lab)
    }

    @Test("What a policy is written as reads back as the same", arguments: HarvestPolicy.Word.allCases)
    func roundTrip(_ word: HarvestPolicy.Word) throws {
        var changed = HarvestPolicy(word)
        changed.name = "mine"
        for text in [changed.file, changed.texts.map { "\($0.key.rawValue): \($0.text)\n" }.joined()] {
            #expect(policy(text).policy == changed, "\(text) \(policy(text).problems)")
        }
        changed.battery = nil
        changed.onlyPluggedIn = true
        changed.idle = .seconds(90)
        changed.bandwidth = 512_000
        changed.foreignLoad = nil
        changed.pressure = .init(cpu: .init(above: 40, resume: 10), memory: nil, io: .init(above: 9, resume: 0))
        changed.heat = .init(full: 30, throttled: 15, frozen: 5, unknownCap: 25)
        changed.submitters = .init(allow: ["anna", "a b: \"c\""], deny: ["bob"])
        changed.profiles = ["default", "python"]
        changed.allowsNetwork = true
        changed.slots = 3
        var days = Array(repeating: [WeekSchedule.Window(start: 22 * 60, end: 7 * 60)], count: 7)
        days[5] = [WeekSchedule.Window(start: 0, end: 1440)]
        days[6] = []
        days[0] = [WeekSchedule.Window(start: 0, end: 360), WeekSchedule.Window(start: 1200, end: 1440)]
        changed.schedule = WeekSchedule(days: days)
        #expect(policy(changed.file).policy == changed, "\(changed.file) \(policy(changed.file).problems)")
    }

    @Test("Days are named singly and as ranges, also over the end of the week")
    func schedules() throws {
        let week = try #require(policy("schedule: {fri-mon: any, wed: [08:00-12:00, 13:00-00:00]}").policy).schedule
        #expect(week.days.map(\.count) == [1, 0, 2, 0, 1, 1, 1])
        #expect(week.days[2][1] == .init(start: 780, end: 1440))
    }

    @Test(
        "What cannot be is refused with the field, what was found and what was wanted",
        arguments: [
            ("idel: 5m", "unknown key `idel`"), ("idle: 5", "`idle` must be a time of 10s to 1d, found `5`"),
            ("cpu: 150", "`cpu` must be 1 to 100 percent, found `150`"),
            ("cpu: [1]", "`cpu` must be 1 to 100 percent, found a list"),
            ("battery: {minimum: x}", "`battery.minimum` must be 0 to 100 percent, found `x`"),
            (
                "battery: {minimum: 60}",
                "`battery` must be at least as much as optimal as minimum, 60 and 50 were given, found a map"
            ),
            ("base: mine", "`base` must be personal, lab or dedicated, found `mine`"),
            ("network: yes", "`network` must be allow or deny, found `yes`"),
            ("metered: yes", "`metered` must be true or false, found `yes`"),
            ("bandwidth: 10Mbps", "`bandwidth` must be a rate such as 10Mbit/s or 500kbit/s, found `10Mbps`"),
            (
                "foreign_load: {above: 30, resume: 50}",
                "`foreign_load` must be `above` and a lower `resume`, in percent, found a map"
            ),
            (
                "heat: {throttled: 25}",
                "`heat` must be degrees below the limit that fall from full over throttled to frozen, 20, 25 and 0 were given, found a map"
            ),
            (
                "window: 7-22",
                "`window` must be hours such as 22:00-07:00, a list of at most 8 of them, any, or never, found `7-22`"
            ),
            (
                "window: 07:00-07:00",
                "`window` must be hours such as 22:00-07:00, a list of at most 8 of them, any, or never, found `07:00-07:00`"
            ),
            ("schedule: {someday: any}", "unknown day `someday`"),
            (
                "schedule: {mon-fri: any, wed: never}",
                "`schedule.wed` must be of days that no other key names (wed is twice), found `never`"
            ),
            (
                "window: any\nschedule: {mon: any}",
                "`schedule` must be there alone: `window` is the same for every day, found a map"
            ),
            ("submitters: {allow: [[]]}", "`submitters.allow[0]` must be a name of 1 to 128 bytes, found a list"),
            ("[1]", "a policy must be a map of"),
        ])
    func mistakes(_ text: String, _ wanted: String) {
        let (read, problems) = policy(text)
        #expect(read == nil && problems.count == 1 && problems.first?.hasPrefix(wanted) == true, "\(problems)")
    }
}

@Suite("Windows by the clock on the wall")
struct WeekScheduleTests {
    private let night = WeekSchedule(daily: .init(start: 22 * 60, end: 7 * 60))

    @Test(
        "A window across midnight is open on both sides of it, to the minute",
        arguments: [
            ("2026-11-23T20:59:59Z", false), ("2026-11-23T21:00:00Z", true), ("2026-11-23T23:30:00Z", true),
            ("2026-11-24T05:59:59Z", true), ("2026-11-24T06:00:00Z", false),
        ])
    func midnight(_ moment: String, _ open: Bool) {
        #expect(night.contains(berlin.local(time(moment))) == open)
    }

    @Test("A night belongs to the day on which it began")
    func weekdays() {
        var days: [[WeekSchedule.Window]] = Array(repeating: [], count: 7)
        days[4] = [.init(start: 22 * 60, end: 7 * 60)]
        let friday = WeekSchedule(days: days)
        #expect(friday.contains(berlin.local(time("2026-11-27T22:00:00Z"))))
        #expect(friday.contains(berlin.local(time("2026-11-28T03:00:00Z"))))
        #expect(!friday.contains(berlin.local(time("2026-11-28T22:00:00Z"))))
        #expect(!friday.contains(berlin.local(time("2026-11-27T03:00:00Z"))))
        let sunday = berlin.local(time("2026-11-29T12:00:00Z"))
        #expect(friday.next(open: true, after: sunday, in: berlin) == time("2026-12-04T21:00:00Z"))
    }

    @Test(
        "The next opening and closing, also where the clock is put forward and back",
        arguments: [
            // An ordinary day.
            (22 * 60, 7 * 60, "2026-11-23T12:00:00Z", true, "2026-11-23T21:00:00Z"),
            (22 * 60, 7 * 60, "2026-11-23T23:00:00Z", false, "2026-11-24T06:00:00Z"),
            // The night of the spring has an hour less, that of the autumn one more.
            (22 * 60, 7 * 60, "2026-03-28T22:00:00Z", false, "2026-03-29T05:00:00Z"),
            (22 * 60, 7 * 60, "2026-10-24T22:00:00Z", false, "2026-10-25T06:00:00Z"),
            // 02:30 does not happen on 29 March: what opens then opens at 03:00.
            (150, 300, "2026-03-29T00:00:00Z", true, "2026-03-29T01:00:00Z"),
            // It happens twice on 25 October: open from the first, closed when the clock goes back, open again.
            (150, 300, "2026-10-24T22:00:00Z", true, "2026-10-25T00:30:00Z"),
            (150, 300, "2026-10-25T00:45:00Z", false, "2026-10-25T01:00:00Z"),
            (150, 300, "2026-10-25T01:05:00Z", true, "2026-10-25T01:30:00Z"),
            // What closes at 02:30 opens again at the second 02:00.
            (22 * 60, 150, "2026-10-25T00:40:00Z", true, "2026-10-25T01:00:00Z"),
        ])
    func edges(_ start: Int, _ end: Int, _ from: String, _ open: Bool, _ wanted: String) throws {
        let schedule = WeekSchedule(daily: .init(start: start, end: end))
        let found = try #require(schedule.next(open: open, after: berlin.local(time(from)), in: berlin))
        #expect(found == time(wanted), "\(found)")
        // True at that second, and not one before.
        #expect(schedule.contains(berlin.local(found)) == open)
        #expect(schedule.contains(berlin.local(found - .seconds(1))) != open)
    }

    @Test("Minute by minute through both days of change, what is foretold comes true")
    func foretold() {
        for (day, schedule) in [
            ("2026-03-28T20:00:00Z", WeekSchedule(daily: .init(start: 150, end: 165))),
            ("2026-10-24T20:00:00Z", WeekSchedule(daily: .init(start: 150, end: 165))), ("2026-10-24T20:00:00Z", night),
        ] {
            var (moment, open) = (time(day), schedule.contains(berlin.local(time(day))))
            var next = schedule.next(open: !open, after: berlin.local(moment), in: berlin)
            for _ in 0..<(36 * 60) {
                moment = moment + .minutes(1)
                let now = schedule.contains(berlin.local(moment))
                guard now != open else { continue }
                #expect(next == moment)
                open = now
                next = schedule.next(open: !open, after: berlin.local(moment), in: berlin)
            }
        }
    }

    @Test("What is always open never closes, and the other way round")
    func constant() {
        let now = berlin.local(time("2026-11-23T12:00:00Z"))
        let never = WeekSchedule(days: Array(repeating: [], count: 7))
        #expect(WeekSchedule.always.next(open: false, after: now, in: berlin) == nil)
        #expect(never.next(open: true, after: now, in: berlin) == nil && !never.contains(now))
        #expect(WeekSchedule.always.contains(now) && never.text == "no hour" && WeekSchedule.always.text == "any hour")
    }
}
