import FogCore
import Foundation
import Testing

@testable import FogWorker

@Suite("Traces of a machine's sensors")
struct HarvestTraceTests {
    private static let machine = HarvestTrace.Machine(
        name: "lab-7", processors: 4, memory: .gibibytes(8), isMobile: true)

    private static func reading(_ seconds: Int64) -> HarvestReading {
        HarvestReading(
            at: .seconds(seconds),
            wall: LocalTime(utc: Timestamp(seconds: 1_800_000_000 + seconds), offsetSeconds: 7200),
            input: InputReading(last: .seconds(5), source: .evdev, device: "keyboard"),
            screen: ScreenReading(isOn: true, since: .seconds(1), source: "card0-eDP-1"),
            power: PowerReading(onMains: false, battery: BatteryReading(percent: 61.5, isCharging: false)),
            heat: [HeatReading(sensor: "thermal_zone0 acpitz", celsius: 41, limit: 65)], foreignLoad: Millicores(120),
            pressure: PressureReading(cpu: 1, memory: 0, io: 0), memoryAvailable: .gibibytes(3),
            network: NetworkReading(kind: .wireless, isMetered: false, interface: "wlan0"),
            ignored: ["thermal_zone2: 250 C is not a temperature"])
    }

    @Test("What was recorded is read back")
    func roundTrip() throws {
        try withFolder { folder in
            let path = "\(folder)/trace.json"
            var recorder = try HarvestRecorder(path: path, machine: Self.machine)
            var other = Self.reading(20)
            other.input = nil
            other.foreignLoad = nil
            #expect(try recorder.take(Self.reading(10)))
            #expect(try recorder.take(other))
            let trace = try HarvestTrace.load(path)
            #expect(trace == HarvestTrace(machine: Self.machine, readings: [Self.reading(10), other]))
            // Nothing is written over.
            #expect(throws: WorkerFailure.self) { _ = try HarvestRecorder(path: path, machine: Self.machine) }
        }
    }

    @Test("The names of its members are those of the documentation")
    func names() throws {
        let line = try JSON(parsing: HarvestTrace.line(Self.reading(10)))
        #expect(line["at"]?.integer == 10_000)
        #expect(line["wall"]?["offset_seconds"]?.integer == 7200)
        #expect(line["power"]?["on_mains"]?.bool == false)
        #expect(line["power"]?["battery"]?["is_charging"]?.bool == false)
        #expect(line["screen"]?["is_on"]?.bool == true)
        #expect(line["network"]?["is_metered"]?.bool == false)
        #expect(line["foreign_load"]?.integer == 120)
        #expect(line["memory_available"]?.integer == 3 << 30)
    }

    @Test("What is no trace is refused with its line; what a crash cut off is not counted")
    func mistakes() throws {
        let header = try HarvestTrace.line(HarvestTrace.Header(version: 1, machine: Self.machine))
        let first = try HarvestTrace.line(Self.reading(10))
        let second = try HarvestTrace.line(Self.reading(9))
        #expect(try HarvestTrace(parsing: header + first + second.dropLast()).readings.count == 1)
        #expect(try HarvestTrace(parsing: header).readings.isEmpty)
        let wrong: [([UInt8], String)] = [
            ([], "line 1 "), (Array(header.dropLast()), "line 1 "), (first, "line 1 "), (header + header, "line 2 "),
            (header + first + second, "line 3 "), (header + Array("{}\n".utf8), "line 2 "),
            (header + [UInt8](repeating: 0x20, count: HarvestTrace.maxLineBytes + 1) + [0x0a], "line 2 "),
            (try HarvestTrace.line(HarvestTrace.Header(version: 2, machine: Self.machine)), "line 1 is of version 2"),
        ]
        for (bytes, words) in wrong {
            let failure = #expect(throws: WorkerFailure.self) { try HarvestTrace(parsing: bytes) }
            #expect(failure?.code == "bad_trace")
            #expect(failure?.message.hasPrefix(words) == true, "\(failure?.message ?? "")")
        }
    }

    @Test("Noise is left out, changes are kept, and one reading a minute")
    func thinning() {
        var thinning = TraceThinning()
        var reading = Self.reading(0)
        func next(_ seconds: Int64, _ change: (inout HarvestReading) -> Void = { _ in }) -> Bool {
            change(&reading)
            reading.at = .seconds(seconds)
            return thinning.takes(reading)
        }
        #expect(next(0))
        #expect(!next(1))
        #expect(!next(2) { $0.heat[0].celsius = 41.9 })
        #expect(next(3) { $0.heat[0].celsius = 42 })
        #expect(!next(4) { $0.input?.last = .milliseconds(5900) })
        #expect(next(5) { $0.input?.last = .milliseconds(6000) })
        #expect(next(6) { $0.power.onMains = true })
        #expect(next(7) { $0.ignored = [] })
        #expect(next(8) { $0.foreignLoad = nil })
        #expect(next(9) { $0.memoryAvailable = .gibibytes(2) })
        #expect(next(10) { $0.wall = LocalTime(utc: $0.wall.utc, offsetSeconds: 3600) })
        #expect(!next(69))
        #expect(next(70))
    }
}
