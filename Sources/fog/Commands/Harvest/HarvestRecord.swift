internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogWorker
import Foundation

/// `fog harvest record`: a trace of what the sensors say.
struct HarvestRecord: SessionCommand {
    static let configuration = CommandConfiguration(
        "record", "Write what this machine's sensors say into a file, as it changes.",
        examples: ["fog harvest record office.trace", "fog harvest record week.trace --for 7d"],
        more: """
            A line of JSON for each change and one a minute, at most 64 MiB. It tells when somebody used the machine, not \
            what was typed. Ctrl-C ends it sooner; what was written stays.
            """)

    @Argument(help: "The file, which must not be there yet.", completion: .file())
    var file: String

    @Option(name: .customLong("for"), help: "How long, 1s to 31d.")
    var span = "1h"

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws {
        guard let span = try? TimeSpan(span), (TimeSpan.seconds(1)...(.days(31))).contains(span) else {
            throw CommandLineFailure("bad_time", "--for must be 1s to 31d, found `\(self.span)`", status: .usage)
        }
        let facts = MachineFacts.read(stateDirectory: "/")
        var recorder = try HarvestRecorder(
            path: file,
            machine: HarvestTrace.Machine(
                name: ProcessInfo.processInfo.hostName, processors: facts.processors, memory: facts.memory,
                isMobile: MachineFacts.isMobile()))
        let sensors = LinuxSensors(SensorRoots(environment: session.environment))
        sensors.tasksRun(true)
        if session.mode == .table { session.console.note("recording into \(file) for \(span.brief); Ctrl-C ends it") }
        let interrupt = Interrupt(session.console, "\(file) holds what was recorded")
        defer { interrupt.cancel() }
        let started = session.clock.sinceBoot
        for await reading in sensors.readings() {
            guard try recorder.take(reading) else {
                session.console.warn("\(file) is full (\(HarvestTrace.maxBytes)): nothing more is written")
                break
            }
            if reading.at - started >= span { break }
        }
        let (readings, bytes) = (recorder.readings, recorder.bytes)
        switch session.mode {
        case .json:
            session.console.printLine(
                .object([
                    "file": .string(file), "readings": .integer(Int64(readings)), "bytes": .integer(bytes),
                ]))
        case .quiet: session.console.print(file)
        case .table: session.console.print("\(file): \(Human.count(readings, "reading")), \(ByteCount(bytes).brief)")
        }
    }
}
