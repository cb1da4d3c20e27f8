package import FogCore
package import FogJobs

/// Numbers as people read them.
package enum Human {
    /// How long ago: `12s`, `4m`, `3h`, `2d`; one unit, for tables. A time to come reads `in 4m`.
    package static func age(of time: Timestamp, at now: Timestamp) -> String {
        let span = now - time
        return span < .zero ? "in \(coarse(TimeSpan.zero - span))" : coarse(span)
    }

    /// One unit, rounded down.
    package static func coarse(_ span: TimeSpan) -> String {
        let seconds = max(0, span.milliseconds) / 1000
        switch seconds {
        case ..<120: return "\(seconds)s"
        case ..<7200: return "\(seconds / 60)m"
        case ..<172_800: return "\(seconds / 3600)h"
        default: return "\(seconds / 86400)d"
        }
    }

    /// Thousands apart: `1,000,000`.
    package static func count(_ number: Int) -> String {
        var digits = Array(String(number.magnitude))
        var place = digits.count - 3
        while place > 0 {
            digits.insert(",", at: place)
            place -= 3
        }
        return (number < 0 ? "-" : "") + String(digits)
    }

    /// `1 task`, `2 tasks`.
    package static func count(_ number: Int, _ noun: String, _ plural: String? = nil) -> String {
        "\(count(number)) \(number == 1 ? noun : plural ?? noun + "s")"
    }

    /// To one decimal below ten, whole above: `0.4`, `36`.
    package static func rate(_ perSecond: Double) -> String {
        guard perSecond.isFinite, perSecond >= 0 else { return "0" }
        guard perSecond < 10 else { return count(Int(min(perSecond, 1e12).rounded())) }
        let tenths = Int((perSecond * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }

    /// A temperature or a share, to one decimal: `41`, `61.5`.
    package static func degrees(_ value: Double) -> String {
        guard value.isFinite, value.magnitude < 1e9 else { return "?" }
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(Double(tenths) / 10)"
    }

    /// A trust or another small number, to two decimals: `0.05`, `0.9`, `12`.
    package static func share(_ value: Double) -> String {
        guard value.isFinite, value.magnitude < 1e9 else { return "?" }
        let hundredths = Int((value * 100).rounded())
        return hundredths % 100 == 0 ? "\(hundredths / 100)" : "\(Double(hundredths) / 100)"
    }

    /// The time as a clock on the wall has it: `2027-03-01 22:10:05 (UTC+1:00)`.
    package static func clock(_ time: Timestamp, offsetSeconds: Int) -> String {
        let local = (time + .seconds(Int64(offsetSeconds))).plain.dropLast().split(separator: "T")
        let minutes = abs(offsetSeconds) / 60 % 60
        let offset = "\(offsetSeconds < 0 ? "-" : "+")\(abs(offsetSeconds) / 3600):\(minutes < 10 ? "0" : "")\(minutes)"
        return local.joined(separator: " ") + " (UTC\(offset))"
    }

    /// `12m` of `2h`, or nothing for work that has not begun.
    package static func ran(from start: Timestamp?, to end: Timestamp?, at now: Timestamp) -> String {
        guard let start else { return "" }
        let span = (end ?? now) - start
        return span < .seconds(1) && span > .zero ? "\(span.milliseconds)ms" : span.brief
    }

    /// The states that hold tasks, in the order of life: `3 running, 12 ready, 1 failed`.
    package static func counts(_ counts: TaskCounts) -> String {
        let words = TaskState.allCases.compactMap { state in
            counts[state] == 0 ? nil : "\(count(counts[state])) \(state.rawValue)"
        }
        return words.joined(separator: ", ")
    }
}

extension JobState {
    package var tone: Tone {
        switch self {
        case .pending: .plain
        case .running: .strong
        case .succeeded: .good
        case .failed: .bad
        case .cancelled: .warning
        }
    }
}

extension TaskState {
    package var tone: Tone {
        switch self {
        case .blocked, .ready, .backoff, .skipped: .plain
        case .leased, .running, .validating: .strong
        case .succeeded: .good
        case .failed: .bad
        case .held, .cancelled: .warning
        }
    }
}
