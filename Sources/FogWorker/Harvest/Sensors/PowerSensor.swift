import FogCore

/// The entries of /sys/class/power_supply (Documentation/ABI/testing/sysfs-class-power).
enum PowerSupply {
    static let max = 32

    static func names(_ sysfs: String) -> [String] { SensorFile.names(sysfs + "/class/power_supply", max: max) }

    static func folder(_ sysfs: String, _ name: String) -> String { sysfs + "/class/power_supply/" + name }

    /// Whether it feeds the machine: the battery of a mouse or a headset has the scope `Device`.
    static func feedsMachine(_ folder: String) -> Bool { SensorFile.text(folder + "/scope") != "Device" }

    static func isBattery(_ folder: String) -> Bool {
        SensorFile.text(folder + "/type") == "Battery" && feedsMachine(folder)
            && SensorFile.number(folder + "/present") != 0
    }

    /// Mains, and USB in all its kinds: `USB`, `USB_PD`, `USB_C`.
    static func isAdapter(_ folder: String) -> Bool {
        guard let type = SensorFile.text(folder + "/type"), feedsMachine(folder) else { return false }
        return type == "Mains" || type == "Wireless" || type.hasPrefix("USB")
    }
}

/// Mains and batteries.
enum PowerSensor {
    /// One battery.
    struct Cell: Hashable, Sendable {
        /// 0 to 1.
        var fraction: Double
        /// Energy or charge when full, in the unit of its kind; nil when it tells percent alone.
        var full: Double?
        var unit: Unit?
        var status: String

        enum Unit: Hashable, Sendable { case energy, charge }
    }

    static func read(_ sysfs: String) -> (power: PowerReading, ignored: [String]) {
        var cells: [Cell] = []
        var adapters: [Bool] = []
        var ignored: [String] = []
        for name in PowerSupply.names(sysfs) {
            let folder = PowerSupply.folder(sysfs, name)
            if PowerSupply.isBattery(folder) {
                if let cell = cell(folder) {
                    cells.append(cell)
                } else {
                    ignored.append("\(name): does not tell its charge")
                }
            } else if PowerSupply.isAdapter(folder), let online = SensorFile.number(folder + "/online") {
                adapters.append(online != 0)
            }
        }
        return (judge(cells, adapters: adapters), ignored)
    }

    private static func cell(_ folder: String) -> Cell? {
        let status = SensorFile.text(folder + "/status") ?? "Unknown"
        for (unit, stem) in [(Cell.Unit.energy, "energy"), (.charge, "charge")] {
            guard let now = SensorFile.number("\(folder)/\(stem)_now"),
                let full = SensorFile.number("\(folder)/\(stem)_full"), full > 0, now >= 0
            else { continue }
            // New and badly calibrated batteries say a little more than full.
            return Cell(fraction: min(1, Double(now) / Double(full)), full: Double(full), unit: unit, status: status)
        }
        guard let percent = SensorFile.number(folder + "/capacity"), (0...100).contains(percent) else { return nil }
        return Cell(fraction: Double(percent) / 100, status: status)
    }

    /// - Parameter adapters: whether each is online.
    static func judge(_ cells: [Cell], adapters: [Bool]) -> PowerReading {
        let isCharging = cells.contains { $0.status == "Charging" }
        let isDischarging = cells.contains { $0.status == "Discharging" }
        // Some firmware never says that its adapter is there; but nothing else charges a battery.
        let onMains = adapters.contains(true) || isCharging && !isDischarging || adapters.isEmpty && !isDischarging
        // Without a battery it runs, so it is fed; ports of a desktop may say that nothing is plugged into them.
        guard !cells.isEmpty else { return PowerReading(onMains: true) }
        return PowerReading(
            onMains: onMains,
            battery: BatteryReading(percent: percent(cells), isCharging: isCharging && !isDischarging))
    }

    /// Weighed by what each holds when full where all tell it in one unit; else all alike.
    private static func percent(_ cells: [Cell]) -> Double {
        let hasOneUnit = Set(cells.map(\.unit)).count == 1 && cells.allSatisfy { $0.full != nil }
        let weights = cells.map { hasOneUnit ? $0.full ?? 1 : 1 }
        let sum = zip(cells, weights).reduce(0) { $0 + $1.0.fraction * $1.1 }
        let percent = sum / weights.reduce(0, +) * 100
        return (percent * 10).rounded() / 10
    }
}
