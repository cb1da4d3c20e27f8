import FogCore
import Glibc

/// Which of a machine's sensors can be used by this process: for `fog doctor`.
package struct SensorSurvey: Sendable {
    /// Keyboards, pointers and so on that are watched.
    package let inputs: [String]
    /// Those that this user may not read.
    package let unreadable: [String]
    package let heat: [HeatReading]
    package let ignored: [String]
    package let power: PowerReading
    package let pressure: PressureReading?
    /// Whether the kernel tells of pressure when it comes; else it is seen with the next sample.
    package let hasTriggers: Bool
    package let isVirtual: Bool

    /// May take as long as a driver does.
    package static func take(_ roots: SensorRoots = SensorRoots()) -> SensorSurvey {
        let watch = InputWatch(roots)
        let (power, silent) = PowerSensor.read(roots.sysfs)
        var judge = HeatJudge()
        let (heat, ignored) = judge.judge(HeatSourceBox(roots.sysfs).read(), busy: nil, at: .zero)
        let triggers = PressureSensor.arm(roots.proc)
        for file in triggers { close(file) }
        let flags = SensorFile.text(roots.proc + "/cpuinfo", limit: 16 << 10) ?? ""
        return SensorSurvey(
            inputs: watch.names, unreadable: watch.unreadable, heat: heat, ignored: silent + ignored, power: power,
            pressure: PressureSensor.read(roots.proc), hasTriggers: !triggers.isEmpty,
            isVirtual: flags.contains(" hypervisor"))
    }
}
