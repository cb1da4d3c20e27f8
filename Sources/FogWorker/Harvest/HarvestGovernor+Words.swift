import FogCore
import FogJobs

/// The next time at which a window opens or closes, which is worth remembering between two readings.
struct WindowEdge {
    var isOpen: Bool
    var offset: Int
    var from: Timestamp
    /// Nil = never.
    var until: Timestamp?

    func holds(_ now: LocalTime, isOpen: Bool) -> Bool {
        self.isOpen == isOpen && offset == now.offsetSeconds && from <= now.utc && now.utc < until ?? now.utc + .days(1)
            && now.utc - from < .days(1)
    }
}

/// What stands in the way, why, and until when.
extension HarvestGovernor {
    // MARK: Obstacles

    mutating func findObstacles(_ reading: HarvestReading) -> [HarvestObstacle] {
        var found: [HarvestObstacle] = []
        if let paused = paused(reading) { found.append(paused) }
        if let window = window(reading) { found.append(window) }
        if let person = person(reading) { found.append(person) }
        if policy.screenOff, let screen = reading.screen, screen.isOn {
            found.append(
                HarvestObstacle(cause: .screen, words: "\(screen.source) is on", end: "resumes when it is off"))
        }
        if steadiness.level == .stopped { found += stopped(reading) }
        return found
    }

    private func paused(_ reading: HarvestReading) -> HarvestObstacle? {
        switch controls.pause {
        case nil: return nil
        case .untilResumed:
            return HarvestObstacle(cause: .paused, words: "paused by the owner", end: "goes on by `fog worker resume`")
        case .until(let end):
            let left = end - reading.wall.utc
            guard left > .zero else { return nil }
            return HarvestObstacle(
                cause: .paused, words: "paused by the owner", end: "resumes \(clock(end, reading))", clearsIn: left)
        }
    }

    private mutating func window(_ reading: HarvestReading) -> HarvestObstacle? {
        guard !policy.schedule.contains(reading.wall) else { return nil }
        let next = edge(reading, isOpen: false)
        return HarvestObstacle(
            cause: .window, words: "outside the window \(policy.schedule.text)",
            end: next.map { "opens \(clock($0, reading))" } ?? "never opens",
            clearsIn: next.map { $0 - reading.wall.utc })
    }

    private func person(_ reading: HarvestReading) -> HarvestObstacle? {
        guard let idle = policy.idle else { return nil }
        guard let input = reading.input else {
            return HarvestObstacle(
                cause: .blind, words: "no sensor tells whether somebody is at the machine",
                end: "see `fog doctor`; --policy dedicated does not ask")
        }
        guard input.source != .assumed else { return nil }
        let touched = reading.at - input.last
        let woke = wokeAt.map { reading.at - $0 } ?? touched
        let passed = max(.zero, min(touched, woke))
        guard passed < idle else { return nil }
        return HarvestObstacle(
            cause: .input,
            words: woke < touched ? "the machine woke \(woke.brief) ago" : "\(input.device) used \(passed.brief) ago",
            end: "resumes after \(idle.brief) idle", clearsIn: idle - passed)
    }

    /// The measured limits that stop all work.
    private func stopped(_ reading: HarvestReading) -> [HarvestObstacle] {
        let found = measured(.stopped, reading)
        guard found.isEmpty else { return found }
        return [unsteady(reading)]
    }

    private func unsteady(_ reading: HarvestReading) -> HarvestObstacle {
        let wait = steadiness.wait(for: limits.level, at: reading.at)
        return HarvestObstacle(
            cause: .unsteady, words: "its limits changed \(steadiness.changes.count) times within the hour",
            end: "rests for \(wait.brief)", clearsIn: wait)
    }

    /// The measured limits that are at a level now.
    private func measured(_ level: HarvestLevel, _ reading: HarvestReading) -> [HarvestObstacle] {
        var found: [HarvestObstacle] = []
        if limits.plug.level == level {
            found.append(
                HarvestObstacle(
                    cause: .unplugged, words: reading.power.onMains ? "just plugged in" : "on battery",
                    end: "resumes a minute after it is plugged in"))
        }
        if limits.network.level == level {
            let name = reading.network.interface.isEmpty ? "the network" : reading.network.interface
            found.append(
                HarvestObstacle(
                    cause: .metered,
                    words: HarvestMeters.isMetered(reading.network) ? "\(name) is metered" : "the network was metered",
                    end: "resumes after a minute on another network"))
        }
        if limits.battery.level == level, let rule = policy.battery, let battery = reading.power.battery {
            let back = level == .stopped ? min(100, rule.minimum + 5) : min(100, rule.optimal + 2)
            found.append(
                HarvestObstacle(
                    cause: .battery, words: "battery at \(Int(battery.percent.rounded(.down))) %",
                    end: limits.battery.isHolding
                        ? Self.holding
                        : level == .stopped
                            ? "resumes at \(back) % on mains, or at \(min(100, rule.optimal + 2)) %"
                            : "nothing starts below \(back) % without mains"))
        }
        if limits.heat.level == level {
            let hottest = reading.heat.max { $0.celsius - $0.limit < $1.celsius - $1.limit }
            let back = level == .stopped ? policy.heat.frozen + 10 : policy.heat.throttled + 5
            found.append(
                HarvestObstacle(
                    cause: .heat,
                    words: hottest.map {
                        "\($0.sensor) at \(Self.degrees($0.celsius)), limit \(Self.degrees($0.limit))"
                    }
                        ?? "hot, and no sensor tells how hot",
                    end: limits.heat.isHolding
                        ? Self.holding
                        : hottest.map { "resumes below \(Self.degrees($0.limit - Double(back)))" }
                            ?? "resumes in a minute"))
        }
        if limits.memory.level == level, let percent = policy.memoryFreePercent {
            found.append(
                HarvestObstacle(
                    cause: .memory, words: "\((reading.memoryAvailable ?? .zero).brief) of memory left",
                    end: limits.memory.isHolding
                        ? Self.holding : "resumes when \(min(95, percent * 3 / 2)) % are free"))
        }
        if limits.pressure.level == level, let pressure = reading.pressure {
            let parts = [("memory", pressure.memory), ("disk", pressure.io), ("processor", pressure.cpu)]
            let words = parts.map { "\($0) \(Int($1.rounded())) %" }.joined(separator: ", ")
            found.append(
                HarvestObstacle(cause: .pressure, words: "tasks wait (\(words))", end: "resumes when they do not"))
        }
        if limits.load.level == level, let rule = policy.foreignLoad {
            found.append(
                HarvestObstacle(
                    cause: .load,
                    words: "others use \(Int((limits.foreignPercent ?? 0).rounded())) % of the processors",
                    end: limits.load.isHolding ? Self.holding : "resumes at \(rule.resume) %"))
        }
        return found
    }

    private static let holding = "resumes when that has held for \(hold.brief)"

    private static func degrees(_ celsius: Double) -> String { "\(Int(celsius.rounded())) C" }

    // MARK: Times

    /// The next time at which the window changes, looked up once.
    private mutating func edge(_ reading: HarvestReading, isOpen: Bool) -> Timestamp? {
        if let opening, opening.holds(reading.wall, isOpen: isOpen) { return opening.until }
        let until = policy.schedule.next(open: !isOpen, after: reading.wall, in: zone)
        opening = WindowEdge(
            isOpen: isOpen, offset: reading.wall.offsetSeconds, from: reading.wall.utc, until: until)
        return until
    }

    /// `07:00`, or `sat 07:00` when that is further than a day.
    private func clock(_ time: Timestamp, _ reading: HarvestReading) -> String {
        let local = zone.local(time)
        let isFar = time - reading.wall.utc >= .days(1)
        return (isFar ? WeekSchedule.dayNames[local.weekday] + " " : "") + local.clockText
    }

    // MARK: The decision

    /// Why the phase is what it is, for people; never empty.
    mutating func reason(_ reading: HarvestReading) -> String {
        func sentence(_ obstacles: [HarvestObstacle]) -> String? {
            guard let first = obstacles.first else { return nil }
            let more = obstacles.dropFirst().map(\.words).joined(separator: ", ")
            return "\(first.words); \(first.end)" + (more.isEmpty ? "" : "; also \(more)")
        }
        switch phase {
        case .running: return running(reading)
        case .throttled:
            return sentence(measured(.throttled, reading) + measured(.stopped, reading)) ?? sentence([unsteady(reading)]
            )
                ?? ""
        case .eligible: return "nothing in the way; opens in \((since + policy.settle - reading.at).brief)"
        case .closed:
            if let words = sentence(obstacles) { return words }
            if steadiness.level == .throttled {
                return sentence(measured(.throttled, reading)) ?? sentence([unsteady(reading)]) ?? ""
            }
            return "nothing in the way; opens at once"
        case .frozen: return sentence(obstacles) ?? "nothing in the way; thaws at once"
        case .evicted:
            let leading = obstacles.filter { $0.cause == evicting } + obstacles.filter { $0.cause != evicting }
            return "tasks leave: " + (sentence(leading) ?? evicting.rawValue)
        case .cooldown:
            let left = cooldown.map { $0.until - reading.at } ?? .zero
            let words =
                "rests after an eviction (\(cooldown?.cause.rawValue ?? "")); until \(clock(reading.wall.utc + left, reading))"
            return words + (obstacles.isEmpty ? "" : "; also " + obstacles.map(\.words).joined(separator: ", "))
        }
    }

    private mutating func running(_ reading: HarvestReading) -> String {
        var parts = ["policy \(policy.name)"]
        if policy.idle == nil {
            parts.append("no matter who is at the machine")
        } else {
            parts.append(
                reading.input?.source == .assumed ? "nobody can be at the machine (assumed)" : "nobody at the machine")
        }
        if policy.schedule.isAlways {
            parts.append("any hour")
        } else if let end = edge(reading, isOpen: true) {
            parts.append("until \(clock(end, reading))")
        }
        if policy.screenOff, reading.screen == nil { parts.append("screen unknown, counts as off") }
        if reading.heat.isEmpty {
            parts.append(
                "heat unknown"
                    + (policy.heat.unknownCap < 100 ? ", at most \(policy.heat.unknownCap) % of the cores" : ""))
        } else if limits.heatCap < policy.cpuPercent {
            parts.append("\(limits.heatCap) % of the cores because of heat")
        }
        return parts.joined(separator: ", ")
    }

    mutating func decision(_ reading: HarvestReading) -> HarvestDecision {
        var percent = min(policy.cpuPercent, limits.heatCap)
        if phase == .throttled { percent = min(percent, policy.throttlePercent) }
        let cpu = Millicores(max(1, min(machine.cpuLimit.count, Int64(machine.cores) * 10 * Int64(percent))))
        let memory = ByteCount(min(machine.memoryLimit.bytes, machine.memory.bytes / 100 * Int64(policy.memoryPercent)))
        let allowance = Allowance(
            state: phase.allowance, reason: reason(reading), resumesAt: resumesAt(reading), cpuCap: cpu,
            memoryCap: memory, bandwidthCap: policy.bandwidth, slots: min(machine.slots, policy.slots ?? machine.slots),
            profileCeiling: policy.profiles, submitters: policy.submitters.isOpen ? nil : policy.submitters,
            network: policy.allowsNetwork)
        let cause = phase == .evicted || phase == .cooldown ? evicting : obstacles.first?.cause
        return HarvestDecision(
            allowance, eviction: cause?.outcome ?? .evictedUser, evictGrace: policy.evictGrace,
            isIdlePriority: policy.isIdlePriority)
    }

    /// When work may go on, if that is known.
    private func resumesAt(_ reading: HarvestReading) -> Timestamp? {
        guard phase != .running else { return nil }
        var wait = TimeSpan.zero
        for obstacle in obstacles {
            guard let clears = obstacle.clearsIn else { return nil }
            wait = max(wait, clears)
        }
        if let cooldown { wait = max(wait, cooldown.until - reading.at) }
        if phase == .evicted, evicting.coolsDown { wait = max(wait, policy.cooldown) }
        if phase == .throttled || steadiness.level == .throttled {
            guard limits.level == .full else { return nil }
            wait = max(wait, steadiness.wait(for: .full, at: reading.at))
        }
        if phase == .eligible { wait = max(wait, since + policy.settle - reading.at) }
        return reading.wall.utc + wait
    }
}
