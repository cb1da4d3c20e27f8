import FogCore
import Glibc

/// Writes a ``HarvestTrace`` as it happens.
package struct HarvestRecorder: ~Copyable {
    private let path: String
    private let file: Int32
    private var thinning = TraceThinning()
    package private(set) var bytes: Int64
    package private(set) var readings = 0

    /// - Throws: `disk_failed` when the file is there already or cannot be made.
    package init(path: String, machine: HarvestTrace.Machine) throws(WorkerFailure) {
        let line = try HarvestTrace.line(HarvestTrace.Header(version: HarvestTrace.version, machine: machine))
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Disk.failure("could not be made", path) }
        do throws(WorkerFailure) {
            try Disk.write(line[...], to: file, path: path)
        } catch {
            close(file)
            throw error
        }
        self.path = path
        self.file = file
        bytes = Int64(line.count)
    }

    deinit { close(file) }

    /// Writes the reading when it says something new.
    /// - Returns: false when the file is full and nothing more will be written.
    /// - Throws: `disk_failed`.
    package mutating func take(_ reading: HarvestReading) throws(WorkerFailure) -> Bool {
        guard thinning.takes(reading) else { return true }
        let line = try HarvestTrace.line(reading)
        guard bytes + Int64(line.count) <= HarvestTrace.maxBytes.bytes, readings < HarvestTrace.maxReadings else {
            return false
        }
        try Disk.write(line[...], to: file, path: path)
        bytes += Int64(line.count)
        readings += 1
        return true
    }
}

/// Chooses the readings that a trace keeps: each that differs from the last one kept by more than noise, and one a minute.
struct TraceThinning: Sendable {
    static let interval = TimeSpan.minutes(1)
    /// While somebody types, the newest input moves all the time.
    static let inputStep = TimeSpan.seconds(1)
    private static let (percentStep, celsiusStep, pressureStep) = (1.0, 1.0, 5.0)
    private static let loadStep: Int64 = 250
    /// A share of the memory that was available.
    private static let memoryStep = 0.05

    private var kept: HarvestReading?

    mutating func takes(_ reading: HarvestReading) -> Bool {
        if let kept, reading.at - kept.at < Self.interval, !Self.differs(reading, from: kept) { return false }
        kept = reading
        return true
    }

    private static func differs(_ new: HarvestReading, from old: HarvestReading) -> Bool {
        new.wall.offsetSeconds != old.wall.offsetSeconds || inputDiffers(new.input, old.input)
            || new.screen != old.screen || powerDiffers(new.power, old.power) || heatDiffers(new.heat, old.heat)
            || moved(
                new.foreignLoad.map { Double($0.count) }, old.foreignLoad.map { Double($0.count) }, Double(loadStep))
            || moved(new.pressure?.cpu, old.pressure?.cpu, pressureStep)
            || moved(new.pressure?.memory, old.pressure?.memory, pressureStep)
            || moved(new.pressure?.io, old.pressure?.io, pressureStep)
            || moved(
                new.memoryAvailable.map { Double($0.bytes) }, old.memoryAvailable.map { Double($0.bytes) },
                Double(old.memoryAvailable?.bytes ?? 0) * memoryStep)
            || new.network != old.network || new.ignored != old.ignored
    }

    private static func inputDiffers(_ new: InputReading?, _ old: InputReading?) -> Bool {
        guard let new, let old else { return new != old }
        return new.last - old.last >= inputStep || new.last < old.last
    }

    private static func powerDiffers(_ new: PowerReading, _ old: PowerReading) -> Bool {
        new.onMains != old.onMains || new.battery?.isCharging != old.battery?.isCharging
            || moved(new.battery?.percent, old.battery?.percent, percentStep)
    }

    private static func heatDiffers(_ new: [HeatReading], _ old: [HeatReading]) -> Bool {
        guard new.count == old.count else { return true }
        return zip(new, old).contains { new, old in
            new.sensor != old.sensor || new.limit != old.limit || moved(new.celsius, old.celsius, celsiusStep)
        }
    }

    private static func moved(_ new: Double?, _ old: Double?, _ step: Double) -> Bool {
        guard let new, let old else { return new != old }
        return abs(new - old) >= step && new != old
    }
}
