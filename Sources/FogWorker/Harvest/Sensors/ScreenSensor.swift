import FogCore

/// Whether a screen is lit: connectors of the graphics cards and backlights. What X or Wayland think is not asked.
struct ScreenSensor {
    private var last: (isOn: Bool, since: TimeSpan)?
    static let maxConnectors = 64

    /// Nil when the machine has no connector with a screen and no backlight.
    mutating func read(_ sysfs: String, at now: TimeSpan) -> ScreenReading? {
        guard let (isOn, source) = Self.look(sysfs) else {
            last = nil
            return nil
        }
        // Since when it was so before the first look is not known.
        let since = last.flatMap { $0.isOn == isOn ? $0.since : nil } ?? now
        last = (isOn, since)
        return ScreenReading(isOn: isOn, since: since, source: source)
    }

    private static func look(_ sysfs: String) -> (isOn: Bool, source: String)? {
        let lights = SensorFile.names(sysfs + "/class/backlight").compactMap { name -> (name: String, isLit: Bool)? in
            let folder = sysfs + "/class/backlight/" + name
            // FB_BLANK_UNBLANK is 0 (linux/fb.h).
            guard let power = SensorFile.number(folder + "/bl_power") else { return nil }
            return (name, power == 0 && SensorFile.number(folder + "/brightness") != 0)
        }
        var dark: String?
        for name in SensorFile.names(sysfs + "/class/drm", prefix: "card", max: maxConnectors) where name.contains("-")
        {
            let folder = sysfs + "/class/drm/" + name
            guard SensorFile.text(folder + "/status") == "connected" else { continue }
            let isDriven = SensorFile.text(folder + "/enabled") == "enabled"
            let isAwake = SensorFile.text(folder + "/dpms").map { $0 == "On" } ?? true
            // A panel that is built in is dark without its light, whatever is drawn on it.
            let isPanel = ["eDP", "LVDS", "DSI"].contains { name.contains("-\($0)-") }
            let isLit = !isPanel || lights.isEmpty || lights.contains(where: \.isLit)
            if isDriven, isAwake, isLit { return (true, name) }
            dark = dark ?? name
        }
        if let dark { return (false, dark) }
        guard let light = lights.first(where: \.isLit) ?? lights.first else { return nil }
        return (light.isLit, light.name)
    }
}
