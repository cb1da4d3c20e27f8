import FogCore
import Foundation
import Testing

@testable import FogWorker

@Suite("Mains, batteries and screens")
struct PowerTests {
    private func supply(_ machine: MachineFixture, _ name: String, _ files: [String: String]) throws {
        try machine.put("sys/class/power_supply/\(name)", files)
    }

    @Test("A machine without a battery is on mains, whatever its ports say")
    func desktop() throws {
        try MachineFixture.with { machine in
            #expect(PowerSensor.read(machine.roots.sysfs).power == PowerReading(onMains: true))
            try supply(machine, "ucsi-source-psy-1", ["type": "USB", "online": "0"])
            try supply(
                machine, "hidpp_battery_0",
                ["type": "Battery", "scope": "Device", "capacity": "7", "status": "Discharging"])
            #expect(PowerSensor.read(machine.roots.sysfs).power == PowerReading(onMains: true))
        }
    }

    @Test("Several batteries count by what they hold")
    func several() throws {
        try MachineFixture.with { machine in
            try supply(machine, "AC", ["type": "Mains", "online": "0"])
            try supply(
                machine, "BAT0",
                ["type": "Battery", "status": "Discharging", "energy_now": "10000000", "energy_full": "50000000"])
            try supply(
                machine, "BAT1",
                ["type": "Battery", "status": "Unknown", "energy_now": "150000000", "energy_full": "150000000"])
            try supply(machine, "BAT2", ["type": "Battery", "present": "0", "capacity": "0"])
            let (power, ignored) = PowerSensor.read(machine.roots.sysfs)
            #expect(
                power == PowerReading(onMains: false, battery: BatteryReading(percent: 80, isCharging: false)))
            #expect(ignored.isEmpty)
        }
    }

    @Test("Charge, or percent alone, tell it as well; what tells neither is ignored and said")
    func units() throws {
        try MachineFixture.with { machine in
            try supply(
                machine, "BAT0",
                [
                    "type": "Battery", "status": "Charging", "charge_now": "1500", "charge_full": "5000",
                    "capacity": "99",
                ])
            try supply(machine, "BAT1", ["type": "Battery", "status": "Charging", "capacity": "50"])
            try supply(machine, "BAT2", ["type": "Battery", "status": "Charging", "capacity": "250"])
            let (power, ignored) = PowerSensor.read(machine.roots.sysfs)
            // Units that cannot be added: both count alike.
            #expect(power.battery == BatteryReading(percent: 40, isCharging: true))
            // Nothing but mains charges a battery.
            #expect(power.onMains)
            #expect(ignored == ["BAT2: does not tell its charge"])
        }
    }

    @Test(
        "Whether it is on mains",
        arguments: [
            (["Discharging"], [true], true), (["Discharging"], [false], false), (["Discharging"], [], false),
            (["Full"], [], true), (["Charging"], [false], true), (["Not charging"], [false, true], true),
            (["Charging", "Discharging"], [false], false),
        ] as [([String], [Bool], Bool)])
    func mains(statuses: [String], adapters: [Bool], isOn: Bool) {
        let cells = statuses.map { PowerSensor.Cell(fraction: 0.5, status: $0) }
        #expect(PowerSensor.judge(cells, adapters: adapters).onMains == isOn)
    }

    private func look(_ sensor: inout ScreenSensor, _ machine: MachineFixture, _ now: TimeSpan) -> ScreenReading? {
        sensor.read(machine.roots.sysfs, at: now)
    }

    @Test("A connector that is driven and awake is a screen that is on")
    func connectors() throws {
        try MachineFixture.with { machine in
            var sensor = ScreenSensor()
            #expect(look(&sensor, machine, .zero) == nil)
            let hdmi = "sys/class/drm/card0-HDMI-A-1"
            try machine.put(hdmi, ["status": "disconnected", "enabled": "disabled", "dpms": "Off"])
            #expect(look(&sensor, machine, .zero) == nil)
            try machine.put(hdmi, ["status": "connected", "enabled": "enabled", "dpms": "On"])
            #expect(
                look(&sensor, machine, .seconds(1))
                    == ScreenReading(isOn: true, since: .seconds(1), source: "card0-HDMI-A-1"))
            try machine.put(hdmi, ["dpms": "Off"])
            #expect(look(&sensor, machine, .seconds(2))?.isOn == false)
            #expect(look(&sensor, machine, .seconds(3))?.since == .seconds(2))
        }
    }

    @Test("A panel without its light is off; another screen is not")
    func light() throws {
        try MachineFixture.with { machine in
            var sensor = ScreenSensor()
            try machine.put(
                "sys/class/drm/card0-eDP-1", ["status": "connected", "enabled": "enabled", "dpms": "On"])
            try machine.put("sys/class/backlight/intel_backlight", ["bl_power": "4", "brightness": "500"])
            #expect(look(&sensor, machine, .zero)?.isOn == false)
            try machine.put("sys/class/drm/card0-DP-1", ["status": "connected", "enabled": "enabled", "dpms": "On"])
            #expect(look(&sensor, machine, .zero)?.source == "card0-DP-1")
            try machine.remove("sys/class/drm")
            #expect(look(&sensor, machine, .zero)?.isOn == false)
            try machine.put("sys/class/backlight/intel_backlight", ["bl_power": "0"])
            #expect(look(&sensor, machine, .zero)?.source == "intel_backlight")
        }
    }

    @Test("A machine with a battery or a mobile network is mobile")
    func mobile() throws {
        try MachineFixture.with { machine in
            try supply(machine, "hid-1", ["type": "Battery", "scope": "Device", "capacity": "50"])
            try machine.put("sys/class/net/eth0", ["uevent": "INTERFACE=eth0"])
            #expect(!MachineFacts.isMobile(machine.roots.sysfs))
            try machine.put("sys/class/net/lte0", ["uevent": "DEVTYPE=wwan\nINTERFACE=lte0"])
            #expect(MachineFacts.isMobile(machine.roots.sysfs))
            try machine.remove("sys/class/net/lte0")
            try supply(machine, "BAT0", ["type": "Battery", "capacity": "50"])
            #expect(MachineFacts.isMobile(machine.roots.sysfs))
        }
    }

    @Test("Reports of workers that do not say it are of machines that stay where they are")
    func olderReports() throws {
        let report = NodeReport(
            name: "a", architecture: "x86_64", cpu: .cores(1), memory: .gibibytes(1), disk: .zero, isMobile: true)
        let text = String(decoding: try JSONEncoder().encode(report), as: UTF8.self)
        func isMobile(_ text: String) throws -> Bool {
            try JSONDecoder().decode(NodeReport.self, from: Data(text.utf8)).isMobile
        }
        #expect(try isMobile(text))
        // Renamed, it is one that no reader knows.
        #expect(try !isMobile(text.replacing("\"is_mobile\"", with: "\"is_moved\"")))
    }
}
