import FogAPI
import FogCore
import Glibc

/// What a machine's sensors said over hours, in a file: to try a policy on yesterday.
///
/// JSON lines. The first says what the file is and of which machine; every other is a ``HarvestReading``, in the order of
/// its `at`. A last line without its end was cut off by a crash and is not counted.
package struct HarvestTrace: Hashable, Sendable {
    /// The machine that was watched.
    package struct Machine: Hashable, Sendable, Codable {
        package var name: String
        package var processors: Int
        package var memory: ByteCount
        /// It has a battery or a mobile network.
        package var isMobile: Bool

        private enum CodingKeys: String, CodingKey {
            case name, processors, memory
            case isMobile = "is_mobile"
        }

        package init(name: String, processors: Int, memory: ByteCount, isMobile: Bool = false) {
            self.name = name
            self.processors = processors
            self.memory = memory
            self.isMobile = isMobile
        }
    }

    struct Header: Codable {
        var version: Int
        var machine: Machine

        enum CodingKeys: String, CodingKey {
            case machine
            case version = "fog_harvest_trace"
        }
    }

    package static let version = 1
    package static let maxBytes = ByteCount.mebibytes(64)
    package static let maxReadings = 500_000
    static let maxLineBytes = 64 << 10

    package var machine: Machine
    /// In the order of their `at`.
    package var readings: [HarvestReading]

    package init(machine: Machine, readings: [HarvestReading]) {
        self.machine = machine
        self.readings = readings
    }

    /// - Throws: `bad_trace` with the line; `disk_failed` when the file cannot be read.
    package static func load(_ path: String) throws(WorkerFailure) -> HarvestTrace {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { throw Disk.failure("could not be opened", path) }
        defer { close(file) }
        // One byte more than allowed tells a file that is too long.
        let bytes = try Disk.read(file, at: 0, count: Int(maxBytes.bytes) + 1)
        guard bytes.count <= maxBytes.bytes else {
            throw WorkerFailure("bad_trace", "\(path) is longer than \(maxBytes)")
        }
        do throws(WorkerFailure) {
            return try HarvestTrace(parsing: bytes)
        } catch {
            throw WorkerFailure(error.code, "\(path) \(error.message)")
        }
    }

    /// - Throws: `bad_trace` with the line.
    package init(parsing bytes: [UInt8]) throws(WorkerFailure) {
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // Behind the last line's end there is nothing, or what a crash cut off.
        lines.removeLast()
        guard let first = lines.first else { throw Self.failure(1, "is not there, or has no end") }
        let header: Header = try Self.decode(first, line: 1)
        guard header.version == Self.version else {
            throw Self.failure(1, "is of version \(header.version), this program reads \(Self.version)")
        }
        guard lines.count - 1 <= Self.maxReadings else {
            throw Self.failure(Self.maxReadings + 2, "is one reading too many, at most \(Self.maxReadings)")
        }
        machine = header.machine
        readings = []
        for (index, line) in lines.enumerated().dropFirst() {
            let reading: HarvestReading = try Self.decode(line, line: index + 1)
            if let last = readings.last, reading.at < last.at {
                throw Self.failure(index + 1, "is of \(reading.at), before the \(last.at) of the line above")
            }
            readings.append(reading)
        }
    }

    private static func decode<Value: Decodable>(_ line: ArraySlice<UInt8>, line number: Int) throws(WorkerFailure)
        -> Value
    {
        guard line.count <= maxLineBytes else {
            throw failure(number, "has \(line.count) bytes, at most \(maxLineBytes)")
        }
        do {
            return try Wire.decode(Value.self, from: Array(line))
        } catch {
            let words = (error as? any CodedFailure)?.message ?? "\(error)"
            throw failure(number, "is not what it should be: \(words)")
        }
    }

    private static func failure(_ line: Int, _ words: String) -> WorkerFailure {
        WorkerFailure("bad_trace", "line \(line) \(words)")
    }

    /// A line of the file, with its end.
    static func line(_ value: some Encodable) throws(WorkerFailure) -> [UInt8] {
        guard let line = try? Wire.encode(value), line.count < maxLineBytes else {
            throw WorkerFailure("bad_trace", "a line cannot be written, or is longer than \(maxLineBytes) bytes")
        }
        return line + [UInt8(ascii: "\n")]
    }
}
