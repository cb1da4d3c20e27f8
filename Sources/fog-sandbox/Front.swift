import CFog
import FogSandboxPlan
import Glibc

/// `run`: has the resident `fog sandbox serve` run the command, whose launchers stand ready; where none serves, or one
/// that leaves it to others, this process becomes `fog sandbox run`.
enum Front {
    /// Returns only with the command's exit code.
    static func run(_ words: [String]) -> Int32 {
        // What is closed must not become the number of the line.
        var spare: Int32 = 0
        while spare >= 0, spare <= 2 { spare = open("/dev/null", O_RDWR) }
        close(spare)
        guard let folder = stateFolder() else { becomeFog(words) }
        let line = fog_door_connect(folder, RunCall.socketName)
        guard line >= 0, fog_peer_is_own(line) == 1, let current = getcwd(nil, 0) else { becomeFog(words) }
        let call = RunCall(folder: String(cString: current), words: words)
        guard let bytes = try? call.encoded(),
            fog_send(line, bytes, bytes.count, [0, 1, 2], 3) == bytes.count
        else { becomeFog(words) }
        passSignals(to: line)
        switch answer(on: line) {
        case .ended(let code): return Int32(code)
        case .elsewhere:
            for signal in passed { Glibc.signal(signal, SIG_DFL) }
            becomeFog(words)
        case nil:
            complain("fog-sandbox: `fog sandbox serve` went away before the command's end was known\n")
            return 125
        }
    }

    private static func answer(on line: Int32) -> RunAnswer? {
        var buffer = [UInt8](repeating: 0, count: 64)
        var (none, count): (Int32, Int32) = (-1, 0)
        let length = fog_receive(line, &buffer, buffer.count, &none, 1, &count, 0)
        guard length > 0 else { return nil }
        return buffer.withUnsafeBytes { try? RunAnswer(UnsafeRawBufferPointer(rebasing: $0[..<length])) }
    }

    /// As `fog` finds it: see the page on operating.
    private static func stateFolder() -> String? {
        func chosen(_ name: String) -> String? {
            guard let value = getenv(name), value[0] == UInt8(ascii: "/") else { return nil }
            return String(cString: value)
        }
        if let home = getenv("FOG_HOME"), home[0] != 0 { return chosen("FOG_HOME").map { $0 + "/state" } }
        if let state = chosen("XDG_STATE_HOME") { return state + "/fog" }
        return chosen("HOME").map { $0 + "/.local/state/fog" }
    }

    // MARK: - Signals

    private static let passed = [SIGINT, SIGTERM, SIGHUP]

    /// Each is a byte on the line: the first ends the command as its time limit would, the next one at once.
    private static func passSignals(to line: Int32) {
        signalLine = line
        for number in passed {
            signal(number) { _ in
                let error = errno
                var byte: UInt8 = 0
                _ = send(signalLine, &byte, 1, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
                errno = error
            }
        }
    }

    // MARK: - The whole program

    private static func becomeFog(_ words: [String]) -> Never {
        var path = [CChar](repeating: 0, count: 4096)
        let length = readlink("/proc/self/exe", &path, path.count - 1)
        let own = length > 0 ? String(decoding: path.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self) : ""
        let beside = own.lastIndex(of: "/").map { own[...$0] + "fog" } ?? "fog"
        var arguments: [UnsafeMutablePointer<CChar>?] = (["fog", "sandbox", "run"] + words).map { strdup($0) } + [nil]
        execv(String(beside), &arguments)
        execvp("fog", &arguments)
        complain("fog-sandbox: there is no `fog` beside this program or on PATH to run it\n")
        exit(125)
    }
}

/// Read by a signal's handler.
nonisolated(unsafe) private var signalLine: Int32 = -1
