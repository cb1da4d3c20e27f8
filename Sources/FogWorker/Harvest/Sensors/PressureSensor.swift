import CFog
import FogCore
import Glibc

/// The kernel's pressure stall information (Documentation/accounting/psi.rst).
enum PressureSensor {
    private static let resources = ["cpu", "memory", "io"]
    /// 150 ms of waiting within a second. Who is not root may only ask for windows that are multiples of 2 s.
    private static let triggers = ["some 150000 1000000", "some 300000 2000000"]

    /// Nil where the kernel keeps none.
    static func read(_ proc: String) -> PressureReading? {
        let shares = resources.map { SensorFile.text("\(proc)/pressure/\($0)").flatMap(some) }
        // A kernel may have all but one.
        guard shares.contains(where: { $0 != nil }) else { return nil }
        return PressureReading(cpu: shares[0] ?? 0, memory: shares[1] ?? 0, io: shares[2] ?? 0)
    }

    /// `some avg10=0.12 avg60=…`
    static func some(_ text: String) -> Double? {
        let line = text.prefix { $0 != "\n" }.split(separator: " ")
        guard line.count >= 2, line[0] == "some", line[1].hasPrefix("avg10="),
            let share = Double(line[1].dropFirst("avg10=".count)), (0...100).contains(share)
        else { return nil }
        return share
    }

    /// Descriptors that become urgent when tasks wait; none where the kernel or the right to it is missing. Only for the
    /// kernel's own files: what is written into one arms it.
    static func arm(_ proc: String) -> [Int32] {
        guard fog_is_proc(proc) == 1 else { return [] }
        return resources.compactMap { resource in
            let file = open("\(proc)/pressure/\(resource)", O_RDWR | O_NONBLOCK | O_CLOEXEC)
            guard file >= 0 else { return nil }
            for trigger in triggers {
                // The kernel wants its end of the string.
                if write(file, trigger, trigger.utf8.count + 1) > 0 { return file }
            }
            close(file)
            return nil
        }
    }
}

/// What is free for more work.
enum MemorySensor {
    static func read(_ proc: String) -> ByteCount? {
        guard let text = SensorFile.text(proc + "/meminfo") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("MemAvailable:") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int64($0) }.map(ByteCount.kibibytes)
        }
        return nil
    }
}
