import FogCore

/// By which rules a machine's owner lends it: one word, or a file that starts from a word.
package struct HarvestPolicy: Hashable, Sendable {
    /// The ready-made ones.
    package enum Word: String, Sendable, CaseIterable {
        /// A machine somebody lives on: at night, unused, on mains or well charged, at half its strength.
        case personal
        /// A desk in a lab: any hour at which nobody is at the console or logged in from afar.
        case lab
        /// Nobody's machine: heat and battery only.
        case dedicated
    }

    /// Percent. Below `minimum` nothing runs; below `optimal` and without mains what runs is throttled and nothing starts.
    package struct Battery: Hashable, Sendable {
        package var minimum: Int
        package var optimal: Int
    }

    /// Degrees below a sensor's own limit T: from T - `full` on the cap falls, from T - `throttled` on nothing starts, and
    /// at T - `frozen` all stops.
    package struct Heat: Hashable, Sendable {
        package var full = 20
        package var throttled = 10
        package var frozen = 0
        /// Percent of all cores while no sensor tells how hot it is.
        package var unknownCap = 100
    }

    /// Two thresholds, so that a value at the edge does not make the state tremble.
    package struct Threshold: Hashable, Sendable {
        package var above: Int
        package var resume: Int
    }

    /// Percent of ten seconds in which some task waited (proc(5), `some avg10`).
    package struct Pressure: Hashable, Sendable {
        package var cpu: Threshold?
        package var memory: Threshold?
        package var io: Threshold?
    }

    /// The word, or the name of the file.
    package var name: String
    /// The word it starts from.
    package var base: Word
    /// Nil = the charge does not matter.
    package var battery: Battery?
    package var onlyPluggedIn = false
    package var allowsMetered = true
    /// How long nobody may have touched the machine; nil = presence does not matter.
    package var idle: TimeSpan?
    package var screenOff = false
    package var schedule = WeekSchedule.always
    /// Percent of all cores, and of all memory.
    package var cpuPercent = 100
    package var memoryPercent = 100
    /// Percent of all cores while throttled.
    package var throttlePercent = 10
    /// Bits a second; nil = no cap.
    package var bandwidth: Int64?
    /// Percent of all cores that others use; nil = it does not matter.
    package var foreignLoad: Threshold?
    package var pressure = Pressure()
    /// Percent of memory that stays available; nil = it does not matter.
    package var memoryFreePercent: Int?
    package var heat = Heat()
    /// After an eviction.
    package var cooldown = TimeSpan.zero
    /// From the freeze to the eviction.
    package var evictAfter = TimeSpan.minutes(10)
    /// How long evicted tasks may take to save their work, at a twentieth of a core; then they are killed.
    package var evictGrace = TimeSpan.seconds(10)
    /// Tasks run only on what everybody else leaves of processor and disk.
    package var isIdlePriority = true
    /// How long all must be well before the first task starts.
    package var settle = TimeSpan.seconds(5)
    /// Accounts whose work is taken.
    package var submitters = SubmitterRule()
    /// The sandbox profiles that tasks may have; nil = all that the machine can enforce.
    package var profiles: [String]?
    /// Tasks may reach the hosts that their jobs name. Off in every word: what they do there is done from the owner's
    /// address.
    package var allowsNetwork = false
    /// Tasks at once; nil = as the worker was told.
    package var slots: Int?

    package init(_ word: Word) {
        name = word.rawValue
        base = word
        battery = Battery(minimum: 20, optimal: 50)
        switch word {
        case .personal:
            allowsMetered = false
            idle = .minutes(5)
            screenOff = true
            schedule = WeekSchedule(daily: WeekSchedule.Window(start: 22 * 60, end: 7 * 60))
            (cpuPercent, memoryPercent, bandwidth) = (50, 30, 10_000_000)
            foreignLoad = Threshold(above: 50, resume: 30)
            pressure.memory = Threshold(above: 20, resume: 5)
            memoryFreePercent = 10
            heat.unknownCap = 50
            cooldown = .minutes(30)
        case .lab:
            idle = .minutes(5)
            memoryPercent = 75
            pressure.memory = Threshold(above: 20, resume: 5)
            memoryFreePercent = 5
        case .dedicated:
            settle = .zero
            isIdlePriority = false
        }
    }

    package static let personal = HarvestPolicy(.personal)
    package static let lab = HarvestPolicy(.lab)
    package static let dedicated = HarvestPolicy(.dedicated)

    /// What a machine gets whose owner chose nothing.
    package static func usual(hasBattery: Bool) -> HarvestPolicy { hasBattery ? personal : lab }
}
