/// The rule of a time zone for all years: the value of `TZ` in POSIX (IEEE 1003.1, section 8.3), with the hours beyond a
/// day that RFC 8536 (section 3.3.1) allows. `CET-1CEST,M3.5.0,M10.5.0/3`.
struct ZoneRule: Hashable, Sendable {
    private struct Day: Hashable, Sendable {
        enum Kind: Hashable, Sendable {
            /// Month 1 to 12, week 1 to 5 (5 = the last), weekday 0 = Sunday.
            case week(month: Int64, week: Int64, weekday: Int64)
            /// Day 1 to 365; 29 February is never counted.
            case julian(Int64)
            /// Day 0 to 365.
            case ordinal(Int64)
        }
        let kind: Kind
        /// Seconds of the local clock after midnight.
        let time: Int64
    }

    private struct Summer: Hashable, Sendable {
        let offset: Int64
        let start: Day
        let end: Day
    }

    /// Seconds to add to UTC.
    private let standard: Int64
    private let summer: Summer?

    /// Nil for what is no rule.
    init?(_ text: some StringProtocol) {
        var parser = Parser(rest: Array(text.utf8)[...])
        guard parser.name(), let west = parser.offset() else { return nil }
        standard = -west
        guard !parser.rest.isEmpty else {
            summer = nil
            return
        }
        guard parser.name() else { return nil }
        var offset = standard + 3600
        if parser.rest.first != UInt8(ascii: ",") {
            guard let west = parser.offset() else { return nil }
            offset = -west
        }
        guard let start = parser.day(), let end = parser.day(), parser.rest.isEmpty else { return nil }
        summer = Summer(offset: offset, start: start, end: end)
    }

    /// Seconds to add to UTC at a time, in seconds since 1970.
    func offset(at seconds: Int64) -> Int64 {
        guard let summer else { return standard }
        let year = Self.year(of: seconds + standard)
        let start = Self.instant(summer.start, year) - standard
        let end = Self.instant(summer.end, year) - summer.offset
        // South of the equator summer spans the new year.
        let isSummer = start < end ? (start..<end).contains(seconds) : !(end..<start).contains(seconds)
        return isSummer ? summer.offset : standard
    }

    // MARK: - The calendar

    /// Days since 1970 of a civil date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    private static func year(of seconds: Int64) -> Int64 {
        let day = (seconds >= 0 ? seconds : seconds - 86_399) / 86_400
        // A guess that is off by one year at most.
        var year = 1970 + day / 366
        while days(year + 1, 1, 1) <= day { year += 1 }
        while days(year, 1, 1) > day { year -= 1 }
        return year
    }

    /// Seconds since 1970 by the local clock.
    private static func instant(_ day: Day, _ year: Int64) -> Int64 {
        let number: Int64
        switch day.kind {
        case .julian(let count): number = days(year, 1, 1) + count - 1 + (isLeap(year) && count > 59 ? 1 : 0)
        case .ordinal(let count): number = days(year, 1, 1) + count
        case .week(let month, let week, let weekday):
            let first = days(year, month, 1)
            // 1970-01-01 was a Thursday.
            let firstWeekday = ((first + 4) % 7 + 7) % 7
            let next = month == 12 ? days(year + 1, 1, 1) : days(year, month + 1, 1)
            var candidate = first + (weekday - firstWeekday + 7) % 7 + (week - 1) * 7
            if candidate >= next { candidate -= 7 }
            number = candidate
        }
        return number * 86_400 + day.time
    }

    // MARK: - The text

    private struct Parser {
        var rest: ArraySlice<UInt8>

        mutating func take(_ character: Character) -> Bool {
            guard let code = character.asciiValue, rest.first == code else { return false }
            rest.removeFirst()
            return true
        }

        /// Three letters or more, or `<+0330>`.
        mutating func name() -> Bool {
            if take("<") {
                let text = rest.prefix { $0 != UInt8(ascii: ">") }
                rest = rest.dropFirst(text.count)
                return take(">") && !text.isEmpty
            }
            let letters = rest.prefix { (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) }
            rest = rest.dropFirst(letters.count)
            return letters.count >= 3
        }

        mutating func number(_ range: ClosedRange<Int64>) -> Int64? {
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            rest = rest.dropFirst(digits.count)
            guard digits.count <= 3, let value = Int64(String(decoding: digits, as: UTF8.self)), range.contains(value)
            else { return nil }
            return value
        }

        /// `[+-]hh[:mm[:ss]]` in seconds.
        mutating func offset() -> Int64? {
            let sign: Int64 = take("-") ? -1 : 1
            if sign == 1 { _ = take("+") }
            guard let hours = number(0...167) else { return nil }
            var seconds = hours * 3600
            for scale: Int64 in [60, 1] {
                guard take(":") else { break }
                guard let part = number(0...59) else { return nil }
                seconds += part * scale
            }
            return sign * seconds
        }

        /// `,M3.5.0/2`, `,J60`, `,59`; two in the morning unless it says otherwise.
        mutating func day() -> Day? {
            guard take(",") else { return nil }
            let kind: Day.Kind
            if take("M") {
                guard let month = number(1...12), take("."), let week = number(1...5), take("."),
                    let weekday = number(0...6)
                else { return nil }
                kind = .week(month: month, week: week, weekday: weekday)
            } else if take("J") {
                guard let day = number(1...365) else { return nil }
                kind = .julian(day)
            } else {
                guard let day = number(0...365) else { return nil }
                kind = .ordinal(day)
            }
            guard take("/") else { return Day(kind: kind, time: 7200) }
            guard let time = offset() else { return nil }
            return Day(kind: kind, time: time)
        }
    }
}
