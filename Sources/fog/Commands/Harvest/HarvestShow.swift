internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogWorker

/// `fog harvest show`: what the sensors say now.
struct HarvestShow: SessionCommand {
    static let configuration = CommandConfiguration(
        "show", "Show what this machine's sensors say now.",
        examples: ["fog harvest show", "fog harvest show -o json"],
        more: "It looks for a second or so: load is what happened between two looks.")

    /// A look or two more than it takes to know the load.
    private static let maxReadings = 5

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws {
        let sensors = LinuxSensors(SensorRoots(environment: session.environment))
        sensors.tasksRun(true)
        var newest: HarvestReading?
        var count = 0
        for await reading in sensors.readings() {
            newest = reading
            count += 1
            if reading.foreignLoad != nil || count >= Self.maxReadings { break }
        }
        guard let reading = newest else {
            throw CommandLineFailure("no_sensors", "no thread could be started to read the sensors")
        }
        try session.show(reading, id: reading.ignored.isEmpty ? "ok" : "ignored") {
            session.console.print(Self.sheet(reading))
        }
    }

    static func sheet(_ reading: HarvestReading) -> Sheet {
        var sheet = Sheet()
        sheet.add("clock", Human.clock(reading.wall.utc, offsetSeconds: reading.wall.offsetSeconds))
        sheet.add(
            "input", reading.input.map { Self.words($0, reading.at) } ?? "not known",
            reading.input == nil ? .warning : .plain)
        sheet.add(
            "screen",
            reading.screen.map {
                "\($0.isOn ? "on" : "off") for \((reading.at - $0.since).brief) at least (\($0.source))"
            } ?? "none")
        sheet.add("power", Self.words(reading.power))
        for heat in reading.heat {
            let tone: Tone = heat.celsius >= heat.limit ? .bad : heat.celsius >= heat.limit - 10 ? .warning : .plain
            sheet.add("heat", "\(heat.sensor) \(Human.degrees(heat.celsius)) of \(Human.degrees(heat.limit)) C", tone)
        }
        if reading.heat.isEmpty { sheet.add("heat", "not known") }
        sheet.add("load", reading.foreignLoad.map { "\($0) cores of others" } ?? "not known")
        sheet.add(
            "pressure",
            reading.pressure.map {
                "cpu \(Human.degrees($0.cpu)) %, memory \(Human.degrees($0.memory)) %, io \(Human.degrees($0.io)) %"
            } ?? "not known")
        sheet.add("memory", reading.memoryAvailable.map { "\($0.brief) available" } ?? "not known")
        sheet.add("network", Self.words(reading.network))
        for words in reading.ignored { sheet.add("ignored", words, .warning) }
        return sheet
    }

    private static func words(_ input: InputReading, _ now: TimeSpan) -> String {
        if input.source == .assumed { return "nobody: no keyboard, session or terminal here" }
        return "\((now - input.last).brief) ago (\(input.source.rawValue): \(input.device))"
    }

    private static func words(_ power: PowerReading) -> String {
        let mains = power.onMains ? "mains" : "no mains"
        guard let battery = power.battery else { return "\(mains), no battery" }
        return "\(mains), battery \(Human.degrees(battery.percent)) %\(battery.isCharging ? ", charging" : "")"
    }

    private static func words(_ network: NetworkReading) -> String {
        guard network.kind != .none else { return "none" }
        return "\(network.kind.rawValue), \(network.isMetered ? "metered" : "not metered") (\(network.interface))"
    }
}
