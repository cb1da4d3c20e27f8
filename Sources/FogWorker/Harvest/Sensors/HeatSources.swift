/// A temperature of the kernel's, and how hot is too hot there.
struct HeatSource: Hashable, Sendable {
    /// "coretemp Package id 0", "thermal_zone0 acpitz".
    var sensor: String
    var path: String
    /// Units of the file in a degree: 1000, or 10 for batteries.
    var scale: Double
    /// Degrees Celsius.
    var limit: Double
}

/// Finds the temperatures that say how warm the machine is, each with a limit of its own.
///
/// Processors by hwmon, thermal zones, batteries. Disks and graphics cards are left alone: to ask them wakes them up.
enum HeatSources {
    static let max = 64
    /// Without a limit of its own: for batteries, skin, and zones of bare ACPI.
    static let bareLimit = 65.0
    /// For processors: so much below the critical one, or this where none is told.
    static let belowCritical = 10.0
    static let processorLimit = 90.0
    /// Limits outside are a firmware's placeholder.
    private static let plausible = 30.0...125.0
    /// Chips whose temperatures are those of the processor.
    private static let processorChips: Set<String> = [
        "coretemp", "k8temp", "k10temp", "zenpower", "via_cputemp", "cpu_thermal", "soc_thermal",
    ]

    static func find(_ sysfs: String) -> [HeatSource] {
        let chips = processors(sysfs)
        return Array((chips + zones(sysfs, hasProcessors: !chips.isEmpty) + batteries(sysfs)).prefix(max))
    }

    private static func celsius(_ path: String) -> Double? {
        guard let value = SensorFile.number(path) else { return nil }
        let celsius = Double(value) / 1000
        return plausible.contains(celsius) ? celsius : nil
    }

    // MARK: - Processors

    private static func processors(_ sysfs: String) -> [HeatSource] {
        let root = sysfs + "/class/hwmon"
        return SensorFile.names(root, prefix: "hwmon").flatMap { name -> [HeatSource] in
            let folder = root + "/" + name
            guard let chip = SensorFile.text(folder + "/name"), processorChips.contains(chip) else { return [] }
            return chosen(
                inputs(folder).map { input, label in
                    let stem = folder + "/" + input
                    let limit =
                        celsius(stem + "_max") ?? celsius(stem + "_crit").map { $0 - belowCritical } ?? processorLimit
                    return HeatSource(sensor: chip + " " + label, path: stem + "_input", scale: 1000, limit: limit)
                })
        }
    }

    /// `temp1` and its label.
    private static func inputs(_ folder: String) -> [(String, String)] {
        SensorFile.names(folder, prefix: "temp").filter { $0.hasSuffix("_input") }.map { file in
            let input = String(file.dropLast("_input".count))
            return (input, SensorFile.text("\(folder)/\(input)_label") ?? input)
        }
    }

    /// The package, or the die, where a chip tells it: it is the warmest. Tctl is what the fan is steered by, and on some
    /// processors 10 or 27 degrees more than the die has (Documentation/hwmon/k10temp.rst).
    private static func chosen(_ all: [HeatSource]) -> [HeatSource] {
        for word in [" Package", " Tdie", " Tctl"] {
            let some = all.filter { $0.sensor.contains(word) }
            if !some.isEmpty { return some }
        }
        return all
    }

    // MARK: - Zones

    private enum ZoneKind { case processor, bare, other }

    private static func kind(_ type: String) -> ZoneKind {
        let type = type.lowercased()
        if ["x86_pkg", "cpu", "soc", "tcpu", "b0d4"].contains(where: { type.hasPrefix($0) }) { return .processor }
        // Words of skin sensors: tskn, skin-therm, TSKN.
        if type.hasPrefix("acpitz") || ["skin", "skn", "batt", "charger"].contains(where: { type.contains($0) }) {
            return .bare
        }
        return .other
    }

    private static func zones(_ sysfs: String, hasProcessors: Bool) -> [HeatSource] {
        let root = sysfs + "/class/thermal"
        return SensorFile.names(root, prefix: "thermal_zone").compactMap { name -> HeatSource? in
            let folder = root + "/" + name
            guard let type = SensorFile.text(folder + "/type") else { return nil }
            let kind = kind(type)
            // The same sensor that hwmon told.
            if kind == .processor, hasProcessors { return nil }
            let trips = trips(folder)
            let passive = trips.filter { $0.kind == "passive" }.map(\.celsius).min()
            let critical = trips.filter { $0.kind == "critical" }.map(\.celsius).min()
            let limit: Double
            switch kind {
            case .processor: limit = passive ?? critical.map { $0 - belowCritical } ?? processorLimit
            case .bare: limit = passive ?? bareLimit
            // Wireless cards and chip sets have zones too: without a trip nothing says what is hot for them.
            case .other:
                guard let passive else { return nil }
                limit = passive
            }
            return HeatSource(sensor: name + " " + type, path: folder + "/temp", scale: 1000, limit: limit)
        }
    }

    private static func trips(_ folder: String) -> [(kind: String, celsius: Double)] {
        SensorFile.names(folder, prefix: "trip_point_").filter { $0.hasSuffix("_type") }.compactMap { file in
            let stem = folder + "/" + file.dropLast("_type".count)
            guard let kind = SensorFile.text(stem + "_type"), let celsius = celsius(stem + "_temp") else { return nil }
            return (kind, celsius)
        }
    }

    // MARK: - Batteries

    private static func batteries(_ sysfs: String) -> [HeatSource] {
        PowerSupply.names(sysfs).compactMap { name in
            let folder = PowerSupply.folder(sysfs, name)
            guard PowerSupply.isBattery(folder), SensorFile.exists(folder + "/temp") else { return nil }
            // Tenths of a degree (Documentation/ABI/testing/sysfs-class-power).
            return HeatSource(sensor: name + " battery", path: folder + "/temp", scale: 10, limit: bareLimit)
        }
    }
}
