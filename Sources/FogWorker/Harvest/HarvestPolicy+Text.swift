import FogCore

extension HarvestPolicy {
    /// A key's value as a policy file writes it.
    package func text(of key: HarvestPolicyKey) -> String {
        func threshold(_ limit: Threshold?) -> String {
            limit.map { "{above: \($0.above), resume: \($0.resume)}" } ?? "any"
        }
        func names(_ names: [String]?) -> String {
            names.map { "[\($0.map(Self.quoted).joined(separator: ", "))]" } ?? "any"
        }
        switch key {
        case .base: return base.rawValue
        case .battery: return battery.map { "{minimum: \($0.minimum), optimal: \($0.optimal)}" } ?? "any"
        case .pluggedIn: return "\(onlyPluggedIn)"
        case .metered: return "\(allowsMetered)"
        case .idle: return idle.map(\.description) ?? "any"
        case .screenOff: return "\(screenOff)"
        case .window: return Set(schedule.days).count == 1 ? Self.windows(schedule.days[0]) : ""
        case .schedule:
            if Set(schedule.days).count == 1 { return "" }
            let days = zip(WeekSchedule.dayNames, schedule.days).map { "\($0): \(Self.windows($1))" }
            return "{\(days.joined(separator: ", "))}"
        case .cpu: return "\(cpuPercent)"
        case .memory: return "\(memoryPercent)"
        case .throttle: return "\(throttlePercent)"
        case .bandwidth: return bandwidth.map(Self.rate) ?? "any"
        case .foreignLoad: return threshold(foreignLoad)
        case .pressure:
            let limits = [("cpu", pressure.cpu), ("memory", pressure.memory), ("io", pressure.io)]
            return "{\(limits.map { "\($0): \(threshold($1))" }.joined(separator: ", "))}"
        case .memoryFree: return "\(memoryFreePercent ?? 0)"
        case .heat:
            return
                "{full: \(heat.full), throttled: \(heat.throttled), frozen: \(heat.frozen), unknown: \(heat.unknownCap)}"
        case .cooldown: return cooldown.description
        case .evictAfter: return evictAfter.description
        case .evictGrace: return evictGrace.description
        case .priority: return isIdlePriority ? "idle" : "ordinary"
        case .settle: return settle.description
        case .submitters: return "{allow: \(names(submitters.allow)), deny: \(names(submitters.deny))}"
        case .profiles: return names(profiles)
        case .network: return allowsNetwork ? "allow" : "deny"
        case .slots: return slots.map(String.init) ?? ""
        }
    }

    /// The keys that say something, in the order of the documentation.
    package var texts: [(key: HarvestPolicyKey, text: String)] {
        HarvestPolicyKey.allCases.map { ($0, text(of: $0)) }.filter { !$0.1.isEmpty }
    }

    /// A file that says what differs from the policy's base.
    package var file: String {
        let usual = HarvestPolicy(base)
        let lines = texts.filter { $0.key == .base || $0.text != usual.text(of: $0.key) }
        return lines.map { "\($0.key.rawValue): \($0.text)\n" }.joined()
    }

    private static func windows(_ windows: [WeekSchedule.Window]) -> String {
        let texts = windows.map { $0.start == 0 && $0.end == WeekSchedule.Window.minutesOfDay ? "any" : $0.text }
        return texts.count == 1 ? texts[0] : texts.isEmpty ? "never" : "[\(texts.joined(separator: ", "))]"
    }

    private static func rate(_ bits: Int64) -> String {
        if bits % 1_000_000_000 == 0 { return "\(bits / 1_000_000_000)Gbit/s" }
        if bits % 1_000_000 == 0 { return "\(bits / 1_000_000)Mbit/s" }
        return "\(bits / 1000)kbit/s"
    }

    /// In quotes, as YAML and JSON both read them.
    private static func quoted(_ name: String) -> String { JSON.string(name).compact }
}
