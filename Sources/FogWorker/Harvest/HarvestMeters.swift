import FogCore

/// The measured limits of a machine, each with a threshold to trip and another to let go.
struct HarvestMeters {
    /// Time constants of the exponential averages; what is critical goes by the raw value.
    private static let heatAverage = TimeSpan.seconds(3)
    private static let loadAverage = TimeSpan.seconds(10)
    /// Degrees and percent between tripping and letting go.
    private static let heatBack = 5.0
    private static let frozenBack = 10.0
    private static let capBack = 3.0
    private static let minimumBack = 5.0
    private static let optimalBack = 2.0

    private(set) var plug = HarvestLimit()
    private(set) var network = HarvestLimit()
    private(set) var battery = HarvestLimit()
    private(set) var heat = HarvestLimit()
    private(set) var memory = HarvestLimit()
    private(set) var pressure = HarvestLimit()
    private(set) var load = HarvestLimit()
    /// Percent of all cores that the heat allows, in steps of ten.
    private(set) var heatCap = 100
    /// The hottest sensor's distance to its limit in degrees, negative below it; averaged, and as it is.
    private var margin: Double?
    private(set) var rawMargin: Double?
    private var foreign: Double?
    private var coolSince: TimeSpan?

    /// The worst of all.
    var level: HarvestLevel {
        max(plug.level, network.level, max(battery.level, heat.level, memory.level, pressure.level, load.level))
    }

    static func isMetered(_ network: NetworkReading) -> Bool { network.isMetered || network.kind == .mobile }

    /// Still within five degrees of where all stops: standing still did not help.
    var isVeryHot: Bool { (rawMargin ?? -.infinity) + frozenAt >= -Self.heatBack }
    private var frozenAt = 0.0

    /// Percent of all cores that others use, averaged.
    var foreignPercent: Double? { foreign }

    mutating func update(
        _ reading: HarvestReading, policy: HarvestPolicy, machine: HarvestMachine, since last: TimeSpan?
    ) {
        let passed = max(.zero, last.map { reading.at - $0 } ?? .zero)
        frozenAt = Double(policy.heat.frozen)
        updatePlugAndNetwork(reading, policy)
        updateBattery(reading, policy)
        updateHeat(reading, policy, passed)
        updateMemory(reading, policy, machine)
        updatePressure(reading, policy)
        updateLoad(reading, policy, machine, passed)
    }

    mutating func forget() {
        plug.forget()
        network.forget()
        battery.forget()
        heat.forget()
        memory.forget()
        pressure.forget()
        load.forget()
        coolSince = nil
        margin = nil
        foreign = nil
    }

    mutating func shift(by span: TimeSpan) {
        plug.shift(by: span)
        network.shift(by: span)
        battery.shift(by: span)
        heat.shift(by: span)
        memory.shift(by: span)
        pressure.shift(by: span)
        load.shift(by: span)
        coolSince = coolSince.map { $0 + span }
    }

    // MARK: - Each

    /// A plug and a network come and go as well: both must stay for a while.
    private mutating func updatePlugAndNetwork(_ reading: HarvestReading, _ policy: HarvestPolicy) {
        let isOut = policy.onlyPluggedIn && !reading.power.onMains
        let isMetered = !policy.allowsMetered && Self.isMetered(reading.network)
        // What the owner no longer asks for holds nothing back.
        plug.update(
            demanded: isOut ? .stopped : .full, permitted: isOut ? .stopped : .full, at: reading.at,
            hold: policy.onlyPluggedIn ? HarvestGovernor.hold : .zero)
        network.update(
            demanded: isMetered ? .stopped : .full, permitted: isMetered ? .stopped : .full, at: reading.at,
            hold: policy.allowsMetered ? .zero : HarvestGovernor.hold)
    }

    private mutating func updateBattery(_ reading: HarvestReading, _ policy: HarvestPolicy) {
        guard let rule = policy.battery, let charge = reading.power.battery?.percent else {
            return battery.update(demanded: .full, permitted: .full, at: reading.at, hold: .zero)
        }
        let (minimum, optimal) = (Double(rule.minimum), Double(rule.optimal))
        let onMains = reading.power.onMains
        var demanded = HarvestLevel.full
        if charge < minimum { demanded = .stopped } else if !onMains, charge < optimal { demanded = .throttled }
        // What was stopped goes on with mains, or when it is well charged: not as soon as it may be throttled.
        let isBack =
            onMains && charge >= min(100, minimum + Self.minimumBack) || charge >= min(100, optimal + Self.optimalBack)
            || battery.level == .throttled && onMains && charge >= minimum
        battery.update(
            demanded: demanded, permitted: isBack ? demanded : battery.level, at: reading.at, hold: HarvestGovernor.hold
        )
    }

    private mutating func updateHeat(_ reading: HarvestReading, _ policy: HarvestPolicy, _ passed: TimeSpan) {
        let rule = policy.heat
        guard let raw = reading.heat.map({ $0.celsius - $0.limit }).max() else {
            (margin, rawMargin, coolSince, heatCap) = (nil, nil, nil, rule.unknownCap)
            // Hot and then without a sensor is still hot for a while.
            return heat.update(demanded: .full, permitted: .full, at: reading.at, hold: HarvestGovernor.hold)
        }
        let average = Self.averaged(margin, raw, passed, Self.heatAverage)
        (margin, rawMargin) = (average, raw)
        let (throttled, frozen) = (-Double(rule.throttled), -Double(rule.frozen))
        let demanded: HarvestLevel = raw >= frozen ? .stopped : average >= throttled ? .throttled : .full
        var permitted = heat.level
        if heat.level == .stopped, average <= frozen - Self.frozenBack { permitted = .throttled }
        if average <= throttled - Self.heatBack { permitted = .full }
        heat.update(
            demanded: demanded, permitted: max(permitted, demanded), at: reading.at, hold: HarvestGovernor.hold)
        updateHeatCap(average, rule, policy, at: reading.at)
    }

    /// Falls in a straight line from all that the policy gives, at `full`, to what throttled tasks get, at `throttled`.
    private mutating func updateHeatCap(
        _ margin: Double, _ rule: HarvestPolicy.Heat, _ policy: HarvestPolicy, at now: TimeSpan
    ) {
        func cap(_ margin: Double) -> Int {
            let share = (margin + Double(rule.full)) / Double(rule.full - rule.throttled)
            if share <= 0 { return 100 }
            let top = Double(policy.cpuPercent), least = Double(min(policy.throttlePercent, policy.cpuPercent))
            let exact = top - (top - least) * min(1, share)
            return max(Int(least), Int((exact / 10).rounded(.down)) * 10)
        }
        let wanted = cap(margin)
        if wanted < heatCap {
            heatCap = wanted
            coolSince = nil
        } else if case let cooler = cap(margin + Self.capBack), cooler > heatCap {
            let since = coolSince ?? now
            coolSince = since
            guard now - since >= HarvestGovernor.hold else { return }
            heatCap = cooler
            coolSince = nil
        } else {
            coolSince = nil
        }
    }

    private mutating func updateMemory(
        _ reading: HarvestReading, _ policy: HarvestPolicy, _ machine: HarvestMachine
    ) {
        guard let percent = policy.memoryFreePercent, let available = reading.memoryAvailable, machine.memory > .zero
        else {
            return memory.update(demanded: .full, permitted: .full, at: reading.at, hold: .zero)
        }
        let share = Double(available.bytes) * 100 / Double(machine.memory.bytes)
        let isBack = share >= min(95, Double(percent) * 1.5)
        memory.update(
            demanded: share < Double(percent) ? .stopped : .full, permitted: isBack ? .full : memory.level,
            at: reading.at, hold: HarvestGovernor.hold)
    }

    /// Tasks that wait for memory or the disk stop the work; a busy processor only throttles it.
    private mutating func updatePressure(_ reading: HarvestReading, _ policy: HarvestPolicy) {
        guard let found = reading.pressure else {
            return pressure.update(demanded: .full, permitted: .full, at: reading.at, hold: .zero)
        }
        let rules: [(HarvestPolicy.Threshold?, Double, HarvestLevel)] = [
            (policy.pressure.memory, found.memory, .stopped), (policy.pressure.io, found.io, .throttled),
            (policy.pressure.cpu, found.cpu, .throttled),
        ]
        var (demanded, permitted) = (HarvestLevel.full, HarvestLevel.full)
        for (rule, value, level) in rules {
            guard let rule else { continue }
            if value > Double(rule.above) { demanded = max(demanded, level) }
            if value > Double(rule.resume) { permitted = max(permitted, min(level, pressure.level)) }
        }
        pressure.update(
            demanded: demanded, permitted: max(demanded, permitted), at: reading.at, hold: HarvestGovernor.hold)
    }

    private mutating func updateLoad(
        _ reading: HarvestReading, _ policy: HarvestPolicy, _ machine: HarvestMachine, _ passed: TimeSpan
    ) {
        guard let used = reading.foreignLoad else {
            foreign = nil
            return load.update(demanded: .full, permitted: .full, at: reading.at, hold: .zero)
        }
        let raw = Double(used.count) / 10 / Double(machine.cores)
        let percent = Self.averaged(foreign, raw, passed, Self.loadAverage)
        foreign = percent
        guard let rule = policy.foreignLoad else {
            return load.update(demanded: .full, permitted: .full, at: reading.at, hold: .zero)
        }
        load.update(
            demanded: percent > Double(rule.above) ? .throttled : .full,
            permitted: percent <= Double(rule.resume) ? .full : load.level, at: reading.at, hold: HarvestGovernor.hold)
    }

    /// An exponential average of samples that come at any pace.
    private static func averaged(_ old: Double?, _ new: Double, _ passed: TimeSpan, _ constant: TimeSpan) -> Double {
        guard let old else { return new }
        let weight = passed.seconds / (passed.seconds + constant.seconds)
        return old + (new - old) * weight
    }
}
