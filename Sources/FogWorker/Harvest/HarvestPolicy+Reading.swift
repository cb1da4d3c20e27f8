import FogCore
import FogJobs

extension HarvestPolicy {
    /// Reads a policy file's tree. Every key but those it names stays as in its `base`, which is `lab` when nothing is said.
    /// - Parameter name: what the policy is called in words for people.
    /// - Returns: the policy, nil when something is wrong; and all that is wrong, each with the field's path.
    package static func read(_ node: ManifestNode, name: String) -> (
        policy: HarvestPolicy?, problems: [ManifestProblem]
    ) {
        var reader = PolicyReader()
        let known = Set(HarvestPolicyKey.allCases.map(\.rawValue))
        let entries = reader.map(node, "", known: known)
        var policy = HarvestPolicy(.lab)
        if let base = entries.first(where: { $0.key == HarvestPolicyKey.base.rawValue }),
            let word = reader.word(base.value, "base", Word.allCases.map(\.rawValue)).flatMap({ Word(rawValue: $0) })
        {
            policy = HarvestPolicy(word)
        }
        policy.name = name
        for entry in entries {
            guard let key = HarvestPolicyKey(rawValue: entry.key) else { continue }
            policy.set(key, entry.value, &reader)
        }
        policy.check(entries, &reader)
        return (reader.problems.isEmpty ? policy : nil, reader.problems)
    }

    private mutating func set(_ key: HarvestPolicyKey, _ node: ManifestNode, _ reader: inout PolicyReader) {
        let path = key.rawValue
        switch key {
        case .base: break
        case .battery: setBattery(node, &reader)
        case .pluggedIn: reader.truth(node, path).map { onlyPluggedIn = $0 }
        case .metered: reader.truth(node, path).map { allowsMetered = $0 }
        case .idle:
            guard !reader.isAny(node) else { return idle = nil }
            reader.span(node, path, .seconds(10)...(.days(1))).map { idle = $0 }
        case .screenOff: reader.truth(node, path).map { screenOff = $0 }
        case .window:
            reader.windows(node, path).map { schedule = WeekSchedule(days: Array(repeating: $0, count: 7)) }
        case .schedule: reader.schedule(node, path).map { schedule = $0 }
        case .cpu: reader.number(node, path, 1...100, "percent").map { cpuPercent = $0 }
        case .memory: reader.number(node, path, 1...100, "percent").map { memoryPercent = $0 }
        case .throttle: reader.number(node, path, 1...100, "percent").map { throttlePercent = $0 }
        case .bandwidth:
            guard !reader.isAny(node) else { return bandwidth = nil }
            reader.bandwidth(node, path).map { bandwidth = $0 }
        case .foreignLoad:
            guard !reader.isAny(node) else { return foreignLoad = nil }
            reader.threshold(node, path).map { foreignLoad = $0 }
        case .pressure: setPressure(node, &reader)
        case .memoryFree:
            guard let percent = reader.number(node, path, 0...90, "percent") else { return }
            memoryFreePercent = percent == 0 ? nil : percent
        case .heat: setHeat(node, &reader)
        case .cooldown: reader.span(node, path, .zero...(.days(1))).map { cooldown = $0 }
        case .evictAfter: reader.span(node, path, .seconds(1)...(.hours(12))).map { evictAfter = $0 }
        case .evictGrace: reader.span(node, path, .zero...(.minutes(10))).map { evictGrace = $0 }
        case .priority: reader.word(node, path, ["idle", "ordinary"]).map { isIdlePriority = $0 == "idle" }
        case .settle: reader.span(node, path, .zero...(.hours(1))).map { settle = $0 }
        case .submitters: setSubmitters(node, &reader)
        case .profiles:
            guard !reader.isAny(node) else { return profiles = nil }
            reader.names(node, path).map { profiles = $0 }
        case .network: reader.word(node, path, ["allow", "deny"]).map { allowsNetwork = $0 == "allow" }
        case .slots: reader.number(node, path, 1...WorkerConfiguration.maxSlots, "tasks").map { slots = $0 }
        }
    }

    // MARK: Maps

    private mutating func setBattery(_ node: ManifestNode, _ reader: inout PolicyReader) {
        guard !reader.isAny(node) else { return battery = nil }
        var new = battery ?? Battery(minimum: 20, optimal: 50)
        for entry in reader.map(node, "battery", known: ["minimum", "optimal"]) {
            guard let percent = reader.number(entry.value, "battery.\(entry.key)", 0...100, "percent") else { continue }
            if entry.key == "minimum" { new.minimum = percent } else { new.optimal = percent }
        }
        if new.minimum > new.optimal {
            reader.refuse(
                node, "battery", "at least as much as optimal as minimum, \(new.minimum) and \(new.optimal) were given")
        }
        battery = new
    }

    private mutating func setPressure(_ node: ManifestNode, _ reader: inout PolicyReader) {
        guard !reader.isAny(node) else { return pressure = Pressure() }
        for entry in reader.map(node, "pressure", known: ["cpu", "memory", "io"]) {
            var limit: Threshold?
            if !reader.isAny(entry.value) {
                guard let read = reader.threshold(entry.value, "pressure.\(entry.key)") else { continue }
                limit = read
            }
            switch entry.key {
            case "cpu": pressure.cpu = limit
            case "memory": pressure.memory = limit
            default: pressure.io = limit
            }
        }
    }

    private mutating func setHeat(_ node: ManifestNode, _ reader: inout PolicyReader) {
        for entry in reader.map(node, "heat", known: ["full", "throttled", "frozen", "unknown"]) {
            let isCap = entry.key == "unknown"
            let range = isCap ? 1...100 : 0...60
            guard let value = reader.number(entry.value, "heat.\(entry.key)", range, isCap ? "percent" : "degrees")
            else { continue }
            switch entry.key {
            case "full": heat.full = value
            case "throttled": heat.throttled = value
            case "frozen": heat.frozen = value
            default: heat.unknownCap = value
            }
        }
        if !(heat.frozen < heat.throttled && heat.throttled < heat.full) {
            reader.refuse(
                node, "heat",
                "degrees below the limit that fall from full over throttled to frozen, "
                    + "\(heat.full), \(heat.throttled) and \(heat.frozen) were given")
        }
    }

    private mutating func setSubmitters(_ node: ManifestNode, _ reader: inout PolicyReader) {
        var new = submitters
        for entry in reader.map(node, "submitters", known: ["allow", "deny"]) {
            if entry.key == "allow", reader.isAny(entry.value) {
                new.allow = nil
            } else if let names = reader.names(entry.value, "submitters.\(entry.key)") {
                if entry.key == "allow" { new.allow = names } else { new.deny = names }
            }
        }
        submitters = new
    }

    private func check(_ entries: [ManifestNode.Entry], _ reader: inout PolicyReader) {
        if let both = entries.first(where: { $0.key == "schedule" }), entries.contains(where: { $0.key == "window" }) {
            reader.refuse(both.value, "schedule", "there alone: `window` is the same for every day")
        }
    }
}
