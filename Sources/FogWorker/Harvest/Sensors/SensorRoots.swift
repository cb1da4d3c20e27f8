/// Where a machine's sensors are read. Parameters, so that a test or a container can put other folders in their place.
package struct SensorRoots: Hashable, Sendable {
    package var sysfs = "/sys"
    package var proc = "/proc"
    package var dev = "/dev"
    package var run = "/run"
    /// A file as of tzfile(5).
    package var zoneFile = "/etc/localtime"
    /// The rule of `TZ` in place of the file: `CET-1CEST,M3.5.0,M10.5.0/3`; nil = the file.
    package var zoneRule: String?

    package init() {}

    /// With the time zone that `TZ` asks for (tzset(3)): the name of a zone, or a rule.
    package init(environment: [String: String]) {
        guard var name = environment["TZ"], !name.isEmpty else { return }
        if name.hasPrefix(":") { name.removeFirst() }
        if name.hasPrefix("/") {
            zoneFile = name
        } else if ZoneRule(name) != nil {
            zoneRule = name
        } else if !name.contains("..") {
            zoneFile = "/usr/share/zoneinfo/" + name
        }
    }
}
