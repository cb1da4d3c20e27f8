#if canImport(Glibc)
    internal import Glibc
#endif

/// Microseconds since 1970-01-01T00:00:00Z, as stored, signed and hashed: never finer than what is written.
package struct Timestamp: Hashable, Sendable, Comparable, CustomStringConvertible, Codable {
    package let microseconds: Int64

    package init(microseconds: Int64) { self.microseconds = microseconds }
    package init(seconds: Int64) { microseconds = seconds * 1_000_000 }

    package var seconds: Int64 { microseconds.dividedRoundingDown(by: 1_000_000) }

    package static let zero = Timestamp(microseconds: 0)

    package static func < (first: Timestamp, second: Timestamp) -> Bool { first.microseconds < second.microseconds }
    package static func + (time: Timestamp, span: TimeSpan) -> Timestamp {
        Timestamp(microseconds: time.microseconds + span.milliseconds * 1000)
    }
    package static func - (time: Timestamp, span: TimeSpan) -> Timestamp {
        Timestamp(microseconds: time.microseconds - span.milliseconds * 1000)
    }
    /// The time from `second` to `first`, rounded down to a millisecond.
    package static func - (first: Timestamp, second: Timestamp) -> TimeSpan {
        TimeSpan(milliseconds: (first.microseconds - second.microseconds).dividedRoundingDown(by: 1000))
    }

    /// RFC 3339 in UTC with microseconds: `2026-11-22T10:17:19.000000Z`.
    package var description: String {
        let civil = Civil(seconds: seconds)
        let fraction = microseconds - seconds * 1_000_000
        return civil.text + "." + padded(fraction, 6) + "Z"
    }

    /// RFC 3339 in UTC to the second, for people.
    package var plain: String { Civil(seconds: seconds).text + "Z" }

    /// - Throws: `bad_time` unless the text is RFC 3339 (section 5.6), with `Z` or an offset.
    package init(_ text: some StringProtocol) throws(CoreFailure) {
        guard let value = Civil.parse(Array(text.utf8)) else {
            throw CoreFailure("bad_time", "a time reads 2026-11-22T10:17:19Z, found `\(text.prefix(60))`")
        }
        microseconds = value
    }

    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// A length of time in milliseconds; JSON writes the number.
package struct TimeSpan: Hashable, Sendable, Comparable, CustomStringConvertible, Codable {
    package let milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    package static func milliseconds(_ count: Int64) -> TimeSpan { TimeSpan(milliseconds: count) }
    package static func seconds(_ count: Int64) -> TimeSpan { TimeSpan(milliseconds: count * 1000) }
    package static func minutes(_ count: Int64) -> TimeSpan { .seconds(count * 60) }
    package static func hours(_ count: Int64) -> TimeSpan { .seconds(count * 3600) }
    package static func days(_ count: Int64) -> TimeSpan { .hours(count * 24) }
    package static let zero = TimeSpan(milliseconds: 0)

    package var seconds: Double { Double(milliseconds) / 1000 }
    package var duration: Duration { .milliseconds(milliseconds) }

    package static func < (first: TimeSpan, second: TimeSpan) -> Bool { first.milliseconds < second.milliseconds }
    package static func + (first: TimeSpan, second: TimeSpan) -> TimeSpan {
        TimeSpan(milliseconds: first.milliseconds + second.milliseconds)
    }
    package static func - (first: TimeSpan, second: TimeSpan) -> TimeSpan {
        TimeSpan(milliseconds: first.milliseconds - second.milliseconds)
    }
    package static func * (span: TimeSpan, factor: Int64) -> TimeSpan {
        let product = span.milliseconds.multipliedReportingOverflow(by: factor)
        return TimeSpan(milliseconds: product.overflow ? .max / 2000 : product.partialValue)
    }

    private static let units: [(Substring, Int64)] = [
        ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]

    /// A whole number and a unit: `250ms`, `30s`, `10m`, `2h`, `1d`.
    /// - Throws: `bad_duration` for a missing unit, a fraction, a negative or one beyond 10,000 days.
    package init(_ text: some StringProtocol) throws(CoreFailure) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text.dropFirst(digits.count)
        guard let count = Int64(digits), let scale = Self.units.first(where: { $0.0 == unit })?.1 else {
            throw CoreFailure("bad_duration", "a duration reads 30s, 10m, 2h or 1d, found `\(text.prefix(40))`")
        }
        guard count <= 864_000_000_000 / scale else {
            throw CoreFailure("bad_duration", "a duration is at most 10000d, found `\(text.prefix(40))`")
        }
        milliseconds = count * scale
    }

    /// The largest unit that leaves no remainder: `90s`, `2h`, `1d`.
    package var description: String {
        guard milliseconds != 0 else { return "0s" }
        for (unit, scale) in Self.units.reversed() where milliseconds % scale == 0 {
            return "\(milliseconds / scale)\(unit)"
        }
        return "\(milliseconds)ms"
    }

    /// For people: two significant units at most (`4m10s`, `3h2m`, `2d4h`).
    package var brief: String {
        let total = max(0, milliseconds / 1000)
        switch total {
        case 0: return milliseconds > 0 ? "\(milliseconds)ms" : "0s"
        case ..<60: return "\(total)s"
        case ..<3600: return total % 60 == 0 ? "\(total / 60)m" : "\(total / 60)m\(total % 60)s"
        case ..<86400: return total % 3600 < 60 ? "\(total / 3600)h" : "\(total / 3600)h\(total % 3600 / 60)m"
        default: return total % 86400 < 3600 ? "\(total / 86400)d" : "\(total / 86400)d\(total % 86400 / 3600)h"
        }
    }

    package init(from decoder: any Decoder) throws {
        milliseconds = try decoder.singleValueContainer().decode(Int64.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(milliseconds)
    }
}

/// Where time comes from. Decisions take it as a value; only services and the composition root hold a clock.
package protocol FogClock: Sendable {
    /// The wall clock, which may jump.
    var now: Timestamp { get }
    /// Time since boot, suspend included (CLOCK_BOOTTIME): for durations.
    var sinceBoot: TimeSpan { get }
}

/// The kernel's clocks.
package struct SystemClock: FogClock {
    package init() {}

    package var now: Timestamp { Timestamp(microseconds: Self.read(CLOCK_REALTIME) / 1000) }
    package var sinceBoot: TimeSpan { TimeSpan(milliseconds: Self.read(CLOCK_BOOTTIME) / 1_000_000) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

extension Int64 {
    package func dividedRoundingDown(by divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}

private func padded(_ value: Int64, _ width: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, width - text.count)) + text
}

/// The proleptic Gregorian calendar in UTC (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
private struct Civil {
    let year, month, day, hour, minute, second: Int64

    init(seconds: Int64) {
        let days = seconds.dividedRoundingDown(by: 86400)
        let rest = seconds - days * 86400
        (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60)
        let shifted = days + 719_468
        let era = shifted.dividedRoundingDown(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    var text: String {
        "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T\(padded(hour, 2)):\(padded(minute, 2)):\(padded(second, 2))"
    }

    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = shiftedYear.dividedRoundingDown(by: 400)
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func monthLength(_ month: Int64, _ year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Microseconds since the epoch, or nil. A leap second (`:60`) is read as the second after.
    static func parse(_ text: [UInt8]) -> Int64? {
        func number(_ from: Int, _ length: Int) -> Int64? {
            guard from + length <= text.count else { return nil }
            var value: Int64 = 0
            for character in text[from..<from + length] {
                guard (0x30...0x39).contains(character) else { return nil }
                value = value * 10 + Int64(character - 0x30)
            }
            return value
        }
        func at(_ index: Int, _ characters: String) -> Bool {
            index < text.count && characters.utf8.contains(text[index])
        }
        guard let year = number(0, 4), at(4, "-"), let month = number(5, 2), at(7, "-"), let day = number(8, 2),
            at(10, "Tt "), let hour = number(11, 2), at(13, ":"), let minute = number(14, 2), at(16, ":"),
            let second = number(17, 2), (1...12).contains(month), day >= 1, day <= monthLength(month, year), hour < 24,
            minute < 60, second <= 60
        else { return nil }
        var index = 19
        var fraction: Int64 = 0
        if at(index, ".") {
            index += 1
            var scale: Int64 = 100_000
            let start = index
            while let digit = number(index, 1) {
                fraction += digit * scale
                scale /= 10
                index += 1
            }
            guard index > start else { return nil }
        }
        var offset: Int64 = 0
        if at(index, "Zz") {
            index += 1
        } else if at(index, "+-"), let hours = number(index + 1, 2), at(index + 3, ":"),
            let minutes = number(index + 4, 2), hours < 24, minutes < 60
        {
            offset = (hours * 60 + minutes) * 60 * (text[index] == 0x2d ? -1 : 1)
            index += 6
        } else {
            return nil
        }
        guard index == text.count else { return nil }
        let total = days(year: year, month: month, day: day) * 86400 + hour * 3600 + minute * 60 + second - offset
        return total * 1_000_000 + fraction
    }
}
