import FogCore
import Glibc

/// When somebody last typed at a console or a pseudo-terminal, ssh among them: the kernel keeps it as the access time
/// (to about 8 s), and writes the time of output elsewhere.
struct TerminalWatch {
    static let maxTerminals = 1024
    private static let consoles = ["tty", "ttyS", "hvc"]

    private let dev: String
    private var consoleNames: [String] = []

    init(_ roots: SensorRoots) {
        dev = roots.dev
        refresh()
    }

    /// Looks which consoles there are. Pseudo-terminals come and go and are looked for each time.
    mutating func refresh() {
        consoleNames = SensorFile.names(dev, max: 8192).filter { name in
            let digits = name.reversed().prefix { $0.isASCII && $0.isNumber }.count
            // tty0 is whichever console is shown.
            return digits > 0 && name != "tty0" && Self.consoles.contains(String(name.dropLast(digits)))
        }
    }

    /// The newest, by the clock since boot; nil when there is no terminal.
    func newest(now: TimeSpan, wall: Timestamp) -> InputReading? {
        var newest: (time: Int64, name: String)?
        func look(_ name: String) {
            var status = stat()
            guard stat(dev + "/" + name, &status) == 0 else { return }
            let time = Int64(status.st_atim.tv_sec) * 1_000_000 + Int64(status.st_atim.tv_nsec) / 1000
            if time > newest?.time ?? .min { newest = (time, name) }
        }
        for name in consoleNames { look(name) }
        for name in SensorFile.names(dev + "/pts", max: Self.maxTerminals) where name.first?.isNumber == true {
            look("pts/" + name)
        }
        guard let newest else { return nil }
        // The wall clock may have jumped since: nothing was typed in the future, or before the machine started.
        let ago = max(.zero, wall - Timestamp(microseconds: newest.time))
        return InputReading(last: max(.zero, now - ago), source: .terminal, device: newest.name)
    }
}
