import FogCore

/// Whether somebody sits before a graphical session, by the files of systemd-logind.
///
/// They do not say for how long it was idle; D-Bus does, but only what the desktop thinks fit. So an active session at
/// this machine's own screen counts as used now. It is asked only when the keyboard cannot be read.
enum SessionWatch {
    static let maxSessions = 256

    static func newest(run: String, now: TimeSpan) -> InputReading? {
        let folder = run + "/systemd/sessions"
        for name in SensorFile.names(folder, max: maxSessions) where !name.hasSuffix(".ref") {
            guard let text = SensorFile.text(folder + "/" + name) else { continue }
            var values: [Substring: Substring] = [:]
            for line in text.split(separator: "\n") {
                guard let equals = line.firstIndex(of: "=") else { continue }
                values[line[..<equals]] = line[line.index(after: equals)...]
            }
            guard values["CLASS"] == "user", values["ACTIVE"] == "1", values["STATE"] == "active",
                values["REMOTE"] != "1", let type = values["TYPE"], ["x11", "wayland", "mir"].contains(type)
            else { continue }
            return InputReading(
                last: now, source: .logind, device: "session \(name) (\(type), \(values["SEAT"] ?? "seat0"))")
        }
        return nil
    }
}
