import FogCore

/// Hours of the week in which a machine is lent, read as the clock on its owner's wall shows them.
///
/// An hour that is skipped in spring is in no window; one that happens twice in autumn is in its window both times.
package struct WeekSchedule: Hashable, Sendable {
    /// Part of a day, to the minute. One that ends before it begins goes on into the next day.
    package struct Window: Hashable, Sendable {
        package static let minutesOfDay = 1440

        /// 0 to 1439.
        package var start: Int
        /// 1 to 1440; the minute at which it is over.
        package var end: Int

        package init(start: Int, end: Int) {
            precondition((0..<Self.minutesOfDay).contains(start) && (1...Self.minutesOfDay).contains(end))
            self.start = start
            self.end = end
        }

        var crossesMidnight: Bool { end <= start }

        package var text: String {
            func clock(_ minute: Int) -> String {
                let (hour, rest) = minute.quotientAndRemainder(dividingBy: 60)
                return (hour < 10 ? "0" : "") + "\(hour):" + (rest < 10 ? "0" : "") + "\(rest)"
            }
            return "\(clock(start))-\(clock(end))"
        }
    }

    package static let dayNames = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    package static let maxWindows = 8
    private static let day: Int64 = 86_400

    /// The windows that begin on each day, Monday first.
    package private(set) var days: [[Window]]

    /// - Parameter days: seven.
    package init(days: [[Window]]) {
        precondition(days.count == 7, "a week has seven days")
        self.days = days
    }

    package init(daily window: Window) { self.init(days: Array(repeating: [window], count: 7)) }

    package static let always = WeekSchedule(daily: Window(start: 0, end: Window.minutesOfDay))

    package var isAlways: Bool { days.allSatisfy { $0.contains { $0.start == 0 && $0.end == Window.minutesOfDay } } }
    private var isNever: Bool { days.allSatisfy(\.isEmpty) }

    /// Whether a machine is lent at that moment.
    package func contains(_ time: LocalTime) -> Bool {
        let minute = time.minuteOfDay
        let today = time.weekday
        return days[today].contains { $0.crossesMidnight ? minute >= $0.start : $0.start <= minute && minute < $0.end }
            || days[(today + 6) % 7].contains { $0.crossesMidnight && minute < $0.end }
    }

    /// The next moment that is open, or closed; now when it is so now, nil when it never will be.
    package func next(open: Bool, after now: LocalTime, in zone: ClockRule) -> Timestamp? {
        if contains(now) == open { return now.utc }
        if open ? isNever : isAlways { return nil }
        for ahead in Int64(0)...8 {
            let midnight = (now.seconds.dividedRoundingDown(by: Self.day) + ahead) * Self.day
            let moments = edges(of: (now.weekday + Int(ahead)) % 7, open: open)
                .flatMap { zone.moments(reading: midnight + Int64($0) * 60, near: now.offsetSeconds) }
            let about = Timestamp(seconds: midnight - Int64(now.offsetSeconds))
            let turn = zone.change(from: about, to: about + .days(1)).map { [$0] } ?? []
            let found = (moments + turn).filter { $0 > now.utc && contains(zone.local($0)) == open }.min()
            if let found { return found }
        }
        return nil
    }

    /// Minutes of a day at which it may open, or close.
    private func edges(of day: Int, open: Bool) -> [Int] {
        guard !open else { return days[day].map(\.start) }
        return days[day].filter { !$0.crossesMidnight }.map(\.end)
            + days[(day + 6) % 7].filter(\.crossesMidnight).map(\.end)
    }

    /// `22:00-07:00`, `any hour`, `mon 22:00-07:00, sat 00:00-24:00`.
    package var text: String {
        if isAlways { return "any hour" }
        if isNever { return "no hour" }
        func words(_ windows: [Window]) -> String { windows.map(\.text).joined(separator: " and ") }
        if Set(days).count == 1 { return words(days[0]) }
        return zip(Self.dayNames, days).filter { !$0.1.isEmpty }.map { "\($0) \(words($1))" }.joined(separator: ", ")
    }
}

/// Seconds to add to UTC at any moment: a time zone.
package struct ClockRule: Sendable {
    private let offset: @Sendable (Timestamp) -> Int

    package init(_ offset: @escaping @Sendable (Timestamp) -> Int) { self.offset = offset }

    package static func fixed(_ seconds: Int) -> ClockRule { ClockRule { _ in seconds } }

    package func local(_ time: Timestamp) -> LocalTime { LocalTime(utc: time, offsetSeconds: offset(time)) }

    /// The moments at which the clock on the wall shows a time, given in seconds since 1970 as if it were UTC: one, two
    /// in autumn, none in spring.
    func moments(reading local: Int64, near known: Int) -> [Timestamp] {
        let about = Timestamp(seconds: local - Int64(known))
        let offsets = Set([offset(about - .hours(12)), offset(about + .hours(12))])
        return offsets.map { Timestamp(seconds: local - Int64($0)) }.filter { offset($0) == Int(local - $0.seconds) }
    }

    /// The moment at which the clock is put forward or back, to the second, if that is between the two.
    func change(from start: Timestamp, to end: Timestamp) -> Timestamp? {
        let before = offset(start)
        guard offset(end) != before else { return nil }
        var (low, high) = (start.seconds, end.seconds)
        while high - low > 1 {
            let middle = (low + high) / 2
            if offset(Timestamp(seconds: middle)) == before { low = middle } else { high = middle }
        }
        return Timestamp(seconds: high)
    }
}

extension LocalTime {
    /// What the wall shows, as seconds since 1970.
    var seconds: Int64 { utc.seconds + Int64(offsetSeconds) }
    var minuteOfDay: Int { Int((seconds - seconds.dividedRoundingDown(by: 86_400) * 86_400) / 60) }
    /// Monday is 0. (1970 began on a Thursday.)
    var weekday: Int { Int(((seconds.dividedRoundingDown(by: 86_400) + 3) % 7 + 7) % 7) }
    /// `22:05`
    var clockText: String {
        let (hour, minute) = minuteOfDay.quotientAndRemainder(dividingBy: 60)
        return (hour < 10 ? "0" : "") + "\(hour):" + (minute < 10 ? "0" : "") + "\(minute)"
    }
}
