import CFog
import FogCore
import Glibc

/// Reads a task's ending out of what init reported, why the supervision stepped in, and what the control group counted.
struct EndingReader {
    var ending: Ending
    private var exitCode: Int?
    private var signal: Int?
    private let usage: SandboxUsage

    init(ended: SlotChannel.Ended, measured: CgroupSlot.Measured?) {
        let report = ended.report
        let peak = (report?.peak_kibibytes ?? 0) << 10
        let cpu = ((report?.user_microseconds ?? 0) + (report?.system_microseconds ?? 0)) * 1000
        // A process's own maximum counts shared pages of programs too, so the group's peak is the truer one.
        usage = SandboxUsage(
            cpuNanoseconds: measured?.cpuNanoseconds ?? cpu,
            wallNanoseconds: report.map(\.wall_nanoseconds).flatMap { $0 > 0 ? $0 : nil } ?? ended.wallNanoseconds,
            peakBytes: measured?.peakBytes ?? peak, source: measured?.source ?? .rusage)
        guard let report else {
            // Init was killed with its task, so there is no status to read.
            signal = Int(SIGKILL)
            ending = ended.cause ?? (measured?.killedForMemory == true ? .outOfMemory : .killed)
            return
        }
        if report.step != 0 {
            ending = Self.failure(report)
            exitCode = ending == .notFound ? 127 : ending == .notExecutable ? 126 : nil
            return
        }
        let number = Int(report.status & 0x7f)
        if number == 0 { exitCode = Int(report.status >> 8 & 0xff) } else { signal = number }
        if let cause = ended.cause {
            ending = cause
        } else if measured?.killedForMemory == true, exitCode != 0 {
            ending = .outOfMemory
        } else {
            ending = Self.ending(signal: number)
        }
    }

    private static func ending(signal: Int) -> Ending {
        switch Int32(signal) {
        case 0: .exited
        case SIGSYS: .violation
        case SIGXCPU: .cpuTimeout
        case SIGXFSZ: .diskExceeded
        default: .signaled
        }
    }

    private static func failure(_ report: fog_report) -> Ending {
        let step = SandboxStep(rawValue: report.step) ?? .launcher
        guard step == .execute else { return .launchFailed(step, errno: report.error) }
        return report.error == ENOENT || report.error == ENOTDIR ? .notFound : .notExecutable
    }

    func result(missing: [String]) -> SandboxResult {
        SandboxResult(exitCode: exitCode, signal: signal, ending: ending, usage: usage, missing: missing)
    }
}
