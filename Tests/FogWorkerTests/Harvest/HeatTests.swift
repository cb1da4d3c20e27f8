import FogCore
import Testing

@testable import FogWorker

@Suite("Temperatures and their limits")
struct HeatTests {
    private func zone(_ machine: MachineFixture, _ number: Int, _ files: [String: String]) throws {
        try machine.put("sys/class/thermal/thermal_zone\(number)", files)
    }

    private func found(_ machine: MachineFixture) -> [String: Double] {
        Dictionary(uniqueKeysWithValues: HeatSources.find(machine.roots.sysfs).map { ($0.sensor, $0.limit) })
    }

    @Test("A zone's limit is its passive trip, else that of its kind")
    func zones() throws {
        try MachineFixture.with { machine in
            try zone(
                machine, 0,
                [
                    "type": "acpitz", "temp": "41000", "trip_point_0_type": "critical", "trip_point_0_temp": "120000",
                    "trip_point_1_type": "passive", "trip_point_1_temp": "58000",
                ])
            try zone(machine, 1, ["type": "acpitz", "temp": "41000"])
            try zone(
                machine, 2,
                [
                    "type": "x86_pkg_temp", "temp": "50000", "trip_point_0_type": "critical",
                    "trip_point_0_temp": "105000",
                ])
            try zone(machine, 3, ["type": "cpu-thermal", "temp": "50000"])
            try zone(machine, 4, ["type": "skin-therm", "temp": "30000"])
            // A chip set is always hot, and nothing says what is hot for it.
            try zone(machine, 5, ["type": "pch_cannonlake", "temp": "71000"])
            try zone(
                machine, 6,
                ["type": "x86_pkg_temp", "temp": "50000", "trip_point_0_type": "passive", "trip_point_0_temp": "-1000"])
            #expect(
                found(machine) == [
                    "thermal_zone0 acpitz": 58, "thermal_zone1 acpitz": 65, "thermal_zone2 x86_pkg_temp": 95,
                    "thermal_zone3 cpu-thermal": 90, "thermal_zone4 skin-therm": 65, "thermal_zone6 x86_pkg_temp": 90,
                ])
        }
    }

    @Test("Processors are read by hwmon: the package's own limit, below its critical one, or 90")
    func chips() throws {
        try MachineFixture.with { machine in
            try machine.put(
                "sys/class/hwmon/hwmon3",
                [
                    "name": "coretemp", "temp1_label": "Package id 0", "temp1_input": "52000", "temp1_max": "84000",
                    "temp1_crit": "100000", "temp2_label": "Core 0", "temp2_input": "51000", "temp2_max": "84000",
                ])
            try machine.put(
                "sys/class/hwmon/hwmon4",
                [
                    "name": "k10temp", "temp1_label": "Tctl", "temp1_input": "62000", "temp2_label": "Tdie",
                    "temp2_input": "52000", "temp2_crit": "95000",
                ])
            try machine.put("sys/class/hwmon/hwmon5", ["name": "zenpower", "temp1_input": "50000"])
            // To ask a disk wakes it up; boards have pins without a sensor.
            try machine.put("sys/class/hwmon/hwmon6", ["name": "nvme", "temp1_input": "50000", "temp1_max": "80000"])
            try machine.put("sys/class/hwmon/hwmon7", ["name": "nct6775", "temp1_input": "127000"])
            // What hwmon has told is not told again by its zone.
            try zone(machine, 0, ["type": "x86_pkg_temp", "temp": "52000"])
            #expect(found(machine) == ["coretemp Package id 0": 84, "k10temp Tdie": 85, "zenpower temp1": 90])
        }
    }

    @Test("Batteries are hot at 65; those of a mouse are not asked")
    func batteries() throws {
        try MachineFixture.with { machine in
            try machine.put("sys/class/power_supply/BAT0", ["type": "Battery", "temp": "312"])
            try machine.put("sys/class/power_supply/hid-1", ["type": "Battery", "scope": "Device", "temp": "312"])
            #expect(found(machine) == ["BAT0 battery": 65])
            let samples = HeatSourceBox(machine.roots.sysfs).read()
            #expect(samples.map(\.celsius) == [31.2])
        }
    }

    private static func source(_ name: String) -> HeatSource {
        HeatSource(sensor: name, path: "", scale: 1000, limit: 65)
    }

    @Test("What is no temperature is ignored, and said")
    func absurd() {
        var judge = HeatJudge()
        let (heat, ignored) = judge.judge(
            [
                .init(source: Self.source("a"), celsius: 250), .init(source: Self.source("b"), celsius: -40.5),
                .init(source: Self.source("c"), celsius: nil), .init(source: Self.source("d"), celsius: 41),
            ], busy: nil, at: .zero)
        #expect(heat == [HeatReading(sensor: "d", celsius: 41, limit: 65)])
        #expect(
            ignored == ["a: 250 C is not a temperature", "b: -40.5 C is not a temperature", "c: cannot be read"])
    }

    /// Ten minutes and a bit, a sample a second, of a sensor that stands still and of what goes on beside it.
    private func hours(_ judge: inout HeatJudge, other: (Int64) -> Double?, busy: (Int64) -> Double) -> [String] {
        var ignored: [String] = []
        for second in 0...660 {
            var samples = [HeatJudge.Sample(source: Self.source("still"), celsius: 70)]
            if let celsius = other(Int64(second)) {
                samples.append(.init(source: Self.source("other"), celsius: celsius))
            }
            ignored = judge.judge(samples, busy: busy(Int64(second)), at: .seconds(Int64(second))).ignored
        }
        return ignored
    }

    @Test("A sensor that stands still while the machine changes is stuck, until it moves")
    func stuck() {
        var judge = HeatJudge()
        // Everything stands still: it may be so.
        #expect(hours(&judge, other: { _ in 40 }, busy: { _ in 0.1 }).isEmpty)
        judge = HeatJudge()
        let words = ["still: 70 C for 11m while the machine changed"]
        #expect(hours(&judge, other: { $0 < 300 ? 40 : 46 }, busy: { _ in 0.1 }) == words)
        // It moves: it is trusted at once.
        let next = judge.judge([.init(source: Self.source("still"), celsius: 69)], busy: 0.1, at: .seconds(661))
        #expect(next.heat.map(\.celsius) == [69])
        // Alone, it is judged by the load; a moment of it is nothing.
        judge = HeatJudge()
        #expect(hours(&judge, other: { _ in nil }, busy: { $0 < 300 ? 0 : 1 }) == words)
        judge = HeatJudge()
        #expect(hours(&judge, other: { _ in nil }, busy: { (300...305).contains($0) ? 1 : 0 }).isEmpty)
    }
}
