internal import FogCommandLine
internal import FogCore
internal import FogWorker

/// What a worker needs to yield to the machine's owner: that it notices him, and how the machine is.
enum SensorChecks {
    static func all(_ session: Session) -> [Finding] {
        let survey = SensorSurvey.take(SensorRoots(environment: session.environment))
        return [presence(survey), heat(survey), power(survey), pressure(survey)]
    }

    private static func presence(_ survey: SensorSurvey) -> Finding {
        let name = "presence"
        guard survey.unreadable.isEmpty else {
            return Finding(
                name, .warning,
                "may not read \(survey.unreadable.joined(separator: ", ")): only terminals and sessions tell that "
                    + "somebody is here",
                fix: "sudo usermod -aG input $USER   (then log in again; for the service: the user fog)")
        }
        guard !survey.inputs.isEmpty else {
            return Finding(name, .good, "no keyboard or mouse here; terminals and ssh are watched")
        }
        return Finding(name, .good, "watches \(survey.inputs.joined(separator: ", ")), terminals and ssh")
    }

    private static func heat(_ survey: SensorSurvey) -> Finding {
        let name = "heat"
        guard survey.heat.isEmpty else {
            let words = survey.heat.map { "\($0.sensor) \(Human.degrees($0.celsius)) of \(Human.degrees($0.limit)) C" }
            let ignored = survey.ignored.isEmpty ? "" : "; ignored: " + survey.ignored.joined(separator: "; ")
            return Finding(name, .good, words.joined(separator: ", ") + ignored)
        }
        let ignored = survey.ignored.joined(separator: "; ")
        // A virtual machine's host looks after its heat.
        guard !survey.isVirtual else { return Finding(name, .good, "a virtual machine: no temperature to be read") }
        return Finding(
            name, .warning, "no temperature can be read\(ignored.isEmpty ? "" : ": " + ignored)",
            fix: "sudo modprobe coretemp   (AMD: k10temp; elsewhere sudo sensors-detect, of lm-sensors)")
    }

    private static func power(_ survey: SensorSurvey) -> Finding {
        let mains = survey.power.onMains ? "on mains" : "not on mains"
        guard let battery = survey.power.battery else { return Finding("power", .good, "no battery: on mains") }
        return Finding("power", .good, "battery \(Human.degrees(battery.percent)) %, \(mains)")
    }

    private static func pressure(_ survey: SensorSurvey) -> Finding {
        let name = "pressure"
        guard survey.pressure != nil else {
            return Finding(
                name, .warning, "the kernel does not tell when tasks wait for processor or memory",
                fix: "boot with psi=1 (a kernel with CONFIG_PSI, 4.20 or newer)")
        }
        guard survey.hasTriggers else {
            return Finding(
                name, .warning, "seen once a second or ten: this kernel tells it at once to root alone",
                fix: "run the worker as root, or upgrade the kernel")
        }
        return Finding(name, .good, "the kernel tells when tasks wait")
    }
}
