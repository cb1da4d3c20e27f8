import FogCore
import Testing

@testable import FogWorker

@Suite("A policy tried on a recorded trace")
struct HarvestReplayTests {
    /// An hour of a desk: somebody types for the first ten minutes, then it sleeps for two hours in the middle.
    private var trace: HarvestTrace {
        var bench = SensorBench(.lab)
        var readings: [HarvestReading] = []
        for minute in 0..<60 {
            let span = minute == 30 ? TimeSpan.hours(2) : .minutes(1)
            bench.reading.at = bench.reading.at + span
            bench.reading.wall.utc = bench.reading.wall.utc + span
            if minute < 10 { bench.reading.input?.last = bench.reading.at }
            readings.append(bench.reading)
        }
        return HarvestTrace(machine: .init(name: "desk", processors: 4, memory: .gibibytes(8)), readings: readings)
    }

    @Test("It tells the changes, the time in each phase, the hours offered and why the others were not")
    func tells() {
        let lab = HarvestReplay(trace, .lab, zone: berlin, tasks: 1)
        #expect(lab.transitions.map(\.to) == [.eligible, .running, .frozen, .running])
        // Typing ends at minute 9: open at 14 and, since all must be well for a moment, at the reading after.
        #expect(lab.watched == .minutes(58))
        #expect(lab.times[.running] == lab.offered && lab.times.values.reduce(.zero, +) == lab.watched)
        #expect(lab.refused["input"] == 14 * 60 + 5 * 60 && lab.offered == .minutes(58 - 14 - 5 - 1))
        #expect(lab.offeredCoreSeconds == lab.offered.seconds * 4)
        let always = HarvestReplay(trace, .dedicated, zone: berlin, tasks: 1)
        #expect(always.offered == .minutes(58) && always.refused.isEmpty && always.policy == "dedicated")
        let idle = HarvestReplay(trace, .lab, zone: berlin, tasks: 0)
        #expect(idle.times[.frozen] == nil && idle.transitions.map(\.to).contains(.closed))
    }
}
