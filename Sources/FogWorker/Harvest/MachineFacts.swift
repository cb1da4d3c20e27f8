import FogCore
import FogSandbox
import Glibc

/// What the kernel says of this machine.
package struct MachineFacts: Sendable, Hashable {
    /// `x86_64`, `aarch64`.
    package var architecture: String
    package var processors: Int
    package var memory: ByteCount
    /// Free to users of the file system that holds the state folder.
    package var disk: ByteCount

    package static func read(stateDirectory: String, procRoot: String = "/proc") -> MachineFacts {
        var system = statvfs()
        let disk = statvfs(stateDirectory, &system) == 0 ? Int64(system.f_bavail) * Int64(system.f_frsize) : 0
        return MachineFacts(
            architecture: architecture, processors: max(1, ProcessorPool().count),
            memory: memory(Disk.text(procRoot + "/meminfo") ?? ""), disk: ByteCount(disk))
    }

    /// As `uname -m` says it.
    static let architecture: String = {
        var names = utsname()
        uname(&names)
        return withUnsafeBytes(of: names.machine) { raw in
            String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
        }
    }()

    /// Whether it has a battery of its own or a mobile network.
    package static func isMobile(_ sysfs: String = "/sys") -> Bool {
        if PowerSupply.names(sysfs).contains(where: { PowerSupply.isBattery(PowerSupply.folder(sysfs, $0)) }) {
            return true
        }
        return SensorFile.names(sysfs + "/class/net").contains { name in
            let words = SensorFile.text("\(sysfs)/class/net/\(name)/uevent") ?? ""
            return words.contains("DEVTYPE=wwan") || name.hasPrefix("wwan") || name.hasPrefix("rmnet")
        }
    }

    /// `MemTotal:       24567890 kB`, as proc_meminfo(5) writes it.
    static func memory(_ meminfo: String) -> ByteCount {
        for line in meminfo.split(separator: "\n") where line.hasPrefix("MemTotal:") {
            let number = line.dropFirst("MemTotal:".count).split(separator: " ").first.flatMap { Int64($0) }
            return .kibibytes(number ?? 0)
        }
        return .zero
    }
}
