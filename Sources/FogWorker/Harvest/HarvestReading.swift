import FogCore

/// What a machine's sensors say at one moment. What no sensor tells is nil, never a guess.
///
/// Times are CLOCK_BOOTTIME, so that suspend counts.
package struct HarvestReading: Hashable, Sendable, Codable {
    /// Since boot.
    package var at: TimeSpan
    package var wall: LocalTime
    package var input: InputReading?
    package var screen: ScreenReading?
    package var power: PowerReading
    /// One for each sensor that can be trusted.
    package var heat: [HeatReading]
    /// Processor time of others than Fog's own tasks, over the last sample.
    package var foreignLoad: Millicores?
    /// The kernel's pressure stall information says that tasks of this machine wait for a processor or for memory.
    package var pressure: PressureReading?
    package var memoryAvailable: ByteCount?
    package var network: NetworkReading
    /// Sensors that were ignored, each with its reason: "thermal_zone2: 250 C is not a temperature".
    package var ignored: [String]

    private enum CodingKeys: String, CodingKey {
        case at, wall, input, screen, power, heat, pressure, network, ignored
        case foreignLoad = "foreign_load"
        case memoryAvailable = "memory_available"
    }

    package init(
        at: TimeSpan, wall: LocalTime, input: InputReading? = nil, screen: ScreenReading? = nil,
        power: PowerReading = PowerReading(), heat: [HeatReading] = [], foreignLoad: Millicores? = nil,
        pressure: PressureReading? = nil, memoryAvailable: ByteCount? = nil, network: NetworkReading = NetworkReading(),
        ignored: [String] = []
    ) {
        self.at = at
        self.wall = wall
        self.input = input
        self.screen = screen
        self.power = power
        self.heat = heat
        self.foreignLoad = foreignLoad
        self.pressure = pressure
        self.memoryAvailable = memoryAvailable
        self.network = network
        self.ignored = ignored
    }
}

/// The wall clock as the machine's owner reads it.
package struct LocalTime: Hashable, Sendable, Codable {
    package var utc: Timestamp
    /// Seconds to add to UTC, daylight saving included.
    package var offsetSeconds: Int

    private enum CodingKeys: String, CodingKey {
        case utc
        case offsetSeconds = "offset_seconds"
    }

    package init(utc: Timestamp, offsetSeconds: Int) {
        self.utc = utc
        self.offsetSeconds = offsetSeconds
    }
}

package struct InputReading: Hashable, Sendable, Codable {
    package enum Source: String, Sendable, Codable, CaseIterable {
        /// A key, pointer or touch event of /dev/input.
        case evdev
        /// A graphical session whose keyboard this process cannot read.
        case logind
        /// The access time of a console or of a pseudo-terminal (ssh).
        case terminal
        /// No seat, no session, no terminal: nobody can type here.
        case assumed
    }
    /// The newest input, since boot.
    package var last: TimeSpan
    package var source: Source
    /// For people: "keyboard", "pts/3".
    package var device: String

    package init(last: TimeSpan, source: Source, device: String) {
        self.last = last
        self.source = source
        self.device = device
    }
}

package struct ScreenReading: Hashable, Sendable, Codable {
    package var isOn: Bool
    /// Since when it is so, since boot.
    package var since: TimeSpan
    /// For people: "card0-eDP-1".
    package var source: String

    private enum CodingKeys: String, CodingKey {
        case since, source
        case isOn = "is_on"
    }

    package init(isOn: Bool, since: TimeSpan, source: String) {
        self.isOn = isOn
        self.since = since
        self.source = source
    }
}

package struct PowerReading: Hashable, Sendable, Codable {
    /// A machine without a battery is on mains.
    package var onMains: Bool
    package var battery: BatteryReading?

    private enum CodingKeys: String, CodingKey {
        case battery
        case onMains = "on_mains"
    }

    package init(onMains: Bool = true, battery: BatteryReading? = nil) {
        self.onMains = onMains
        self.battery = battery
    }
}

/// All batteries that feed the machine, weighed by their energy.
package struct BatteryReading: Hashable, Sendable, Codable {
    /// 0 to 100.
    package var percent: Double
    package var isCharging: Bool

    private enum CodingKeys: String, CodingKey {
        case percent
        case isCharging = "is_charging"
    }

    package init(percent: Double, isCharging: Bool) {
        self.percent = percent
        self.isCharging = isCharging
    }
}

package struct HeatReading: Hashable, Sendable, Codable {
    /// "k10temp Tctl", "thermal_zone0 acpitz".
    package var sensor: String
    /// Degrees Celsius.
    package var celsius: Double
    /// The sensor's own limit T in degrees Celsius: full power below T-20, throttled from T-10, frozen at T.
    package var limit: Double

    package init(sensor: String, celsius: Double, limit: Double) {
        self.sensor = sensor
        self.celsius = celsius
        self.limit = limit
    }
}

/// Shares of the last ten seconds in which some task waited, 0 to 100 (proc(5), `some avg10`), and triggers met.
package struct PressureReading: Hashable, Sendable, Codable {
    package var cpu: Double
    package var memory: Double
    package var io: Double

    package init(cpu: Double, memory: Double, io: Double) {
        self.cpu = cpu
        self.memory = memory
        self.io = io
    }
}

package struct NetworkReading: Hashable, Sendable, Codable {
    package enum Kind: String, Sendable, Codable, CaseIterable {
        case none, ethernet, wireless, mobile, unknown
    }
    package var kind: Kind
    package var isMetered: Bool
    /// The interface of the default route; "" when there is none.
    package var interface: String

    private enum CodingKeys: String, CodingKey {
        case kind, interface
        case isMetered = "is_metered"
    }

    package init(kind: Kind = .unknown, isMetered: Bool = false, interface: String = "") {
        self.kind = kind
        self.isMetered = isMetered
        self.interface = interface
    }
}

/// Where readings come from: the machine's sensors, or a recorded trace.
package protocol HarvestSensors: Sendable {
    /// The present reading first, then one at each event (an input, a plug, a pressure trigger) and at each sample.
    /// Read by one governor, once. Never blocks on a probe.
    func readings() -> AsyncStream<HarvestReading>
    /// Tells whether tasks run: then samples come every second, else every ten.
    func tasksRun(_ areRunning: Bool)
}

extension HarvestSensors {
    package func tasksRun(_ areRunning: Bool) {}
}
