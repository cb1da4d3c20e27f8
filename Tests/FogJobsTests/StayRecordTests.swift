import FogCore
import Testing

@testable import FogJobs

@Suite("How long a machine stays")
struct StayRecordTests {
    /// A Monday, midnight.
    private static let monday = Timestamp(microseconds: 1_767_571_200_000_000)

    private static func at(day: Int, hour: Int, minute: Int = 0) -> Timestamp {
        monday + .minutes(Int64((day * 24 + hour) * 60 + minute))
    }

    private static func hours(_ record: StayRecord, from now: Timestamp) -> Double? {
        record.expected(from: now).map { Double($0.milliseconds) / 3_600_000 }
    }

    @Test("who never left has no end in sight")
    func never() {
        var record = StayRecord()
        #expect(record.isEmpty && record.expected(from: Self.monday) == nil)
        record.add(from: Self.monday, to: Self.at(day: 3, hour: 0))
        #expect(record.expected(from: Self.monday) == nil)
    }

    @Test("whoever leaves every four hours, whatever the hour, stays four")
    func even() throws {
        var record = StayRecord()
        for week in 0..<6 {
            for stretch in 0..<42 {
                let start = Self.at(day: 7 * week, hour: 4 * stretch)
                record.add(from: start, to: start + .hours(4))
                // In each hour of the week about as often as in any other.
                record.leave(at: start + .minutes(Int64((stretch * 61 + week * 97) % 240)))
            }
        }
        for hour in [0, 5, 50, 100, 167] {
            let found = try #require(Self.hours(record, from: Self.at(day: 70, hour: hour)))
            #expect((3.2...4.8).contains(found), "\(found) h from hour \(hour)")
        }
    }

    @Test("a machine that is lent by night stays until the morning")
    func nights() throws {
        var record = StayRecord()
        for day in 0..<28 {
            record.add(from: Self.at(day: day, hour: 20), to: Self.at(day: day + 1, hour: 8, minute: 10))
            record.leave(at: Self.at(day: day + 1, hour: 8, minute: 10))
        }
        let evening = try #require(Self.hours(record, from: Self.at(day: 35, hour: 20)))
        let morning = try #require(Self.hours(record, from: Self.at(day: 35, hour: 7, minute: 30)))
        #expect((8...14).contains(evening), "\(evening) h")
        #expect(morning < 2, "\(morning) h")
    }

    @Test("what is written is read; what nobody writes is refused")
    func text() throws {
        var record = StayRecord()
        #expect(StayRecord(text: "") == record && record.text.isEmpty)
        record.add(from: Self.at(day: 0, hour: 1, minute: 30), to: Self.at(day: 0, hour: 3))
        record.leave(at: Self.at(day: 0, hour: 3))
        #expect(record.text == "1:1800:0,2:3600:0,3:0:1")
        #expect(StayRecord(text: record.text) == record)
        for bad in ["1", "1:2", "1:2:3:4", "168:1:1", "-1:1:1", "1:-1:1", "1:1:x", "1:1:1,", ",", "1:99999999999:1"] {
            #expect(StayRecord(text: bad) == nil, "\(bad)")
        }
    }

    @Test("what is long ago counts less, and a clock that jumps fills no more than a week")
    func bounds() throws {
        var record = StayRecord()
        record.add(from: Timestamp(microseconds: 0), to: Self.monday)
        #expect(record.text.split(separator: ",").allSatisfy { $0.hasSuffix(":3600:0") })
        record.add(from: Self.monday, to: Timestamp(microseconds: 0))
        for week in 0..<40 {
            record.add(from: Self.at(day: 7 * week, hour: 0), to: Self.at(day: 7 * week + 7, hour: 0))
            for _ in 0..<14 { record.leave(at: Self.at(day: 7 * week, hour: week % 168)) }
        }
        let seconds = record.text.split(separator: ",").compactMap { Int($0.split(separator: ":")[1]) }.reduce(0, +)
        #expect((4 * 604_800...8 * 604_800).contains(seconds), "\(seconds)")
    }
}
