import FogCore
import Foundation
import Testing

@testable import FogWorker

@Suite("The owner's clock")
struct ZoneTests {
    private static func seconds(_ time: String) -> Int64 { (try? Timestamp(time).seconds) ?? 0 }

    @Test(
        "Rules of time zones, summer and winter",
        arguments: [
            ("UTC0", "2027-07-01T00:00:00Z", 0), ("<+0330>-3:30", "2027-07-01T00:00:00Z", 12600),
            // Berlin: the last Sunday of March, 02:00, and of October, 03:00.
            ("CET-1CEST,M3.5.0,M10.5.0/3", "2027-03-28T00:59:59Z", 3600),
            ("CET-1CEST,M3.5.0,M10.5.0/3", "2027-03-28T01:00:00Z", 7200),
            ("CET-1CEST,M3.5.0,M10.5.0/3", "2027-10-31T00:59:59Z", 7200),
            ("CET-1CEST,M3.5.0,M10.5.0/3", "2027-10-31T01:00:00Z", 3600),
            // Sydney: summer spans the new year.
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2027-01-01T00:00:00Z", 39600),
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2027-04-03T15:59:59Z", 39600),
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2027-04-03T16:00:00Z", 36000),
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2027-12-31T23:59:59Z", 39600),
            // Dublin: winter is the exception, an hour less.
            ("IST-1GMT0,M10.5.0,M3.5.0/1", "2027-01-01T00:00:00Z", 0),
            ("IST-1GMT0,M10.5.0,M3.5.0/1", "2027-07-01T00:00:00Z", 3600),
            // Nuuk: two days' hours, one of them before midnight.
            ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2027-03-28T00:59:59Z", -7200),
            ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2027-03-28T01:00:00Z", -3600),
            // Days of the year, with and without 29 February.
            ("AAA0BBB,J60/0,J300/0", "2028-02-29T23:59:59Z", 0), ("AAA0BBB,J60/0,J300/0", "2028-03-01T00:00:00Z", 3600),
            ("AAA0BBB,59/0,299/0", "2028-02-29T00:00:00Z", 3600),
        ])
    func rules(rule: String, time: String, offset: Int64) throws {
        let zone = try #require(ZoneRule(rule))
        #expect(zone.offset(at: Self.seconds(time)) == offset)
    }

    @Test(
        "What is no rule is refused",
        arguments: ["", "CET", "Europe/Berlin", "CET-1CEST", "CET-1CEST,M13.1.0,M1.1.0", "A-1"])
    func refused(rule: String) { #expect(ZoneRule(rule) == nil) }

    @Test("TZ names a zone, a file or a rule")
    func environment() {
        #expect(SensorRoots(environment: [:]).zoneFile == "/etc/localtime")
        #expect(SensorRoots(environment: ["TZ": ":Europe/Berlin"]).zoneFile == "/usr/share/zoneinfo/Europe/Berlin")
        #expect(SensorRoots(environment: ["TZ": "/x/zone"]).zoneFile == "/x/zone")
        #expect(SensorRoots(environment: ["TZ": "UTC0"]).zoneRule == "UTC0")
        #expect(SensorRoots(environment: ["TZ": "../../etc/shadow"]).zoneFile == "/etc/localtime")
    }

    private static let zones = "/usr/share/zoneinfo"
    private static let names = [
        "Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "Europe/Dublin", "America/Sao_Paulo",
        "Asia/Tokyo", "Pacific/Auckland",
    ]

    @Test(
        "Zone files are read as Foundation reads its own, from 1972 to 2036",
        .enabled(if: FileManager.default.fileExists(atPath: zones + "/Europe/Berlin"), "needs tzdata"),
        arguments: names)
    func files(name: String) throws {
        let bytes = try #require(SensorFile.bytes("\(Self.zones)/\(name)", limit: LocalZone.fileLimit))
        let zone = try #require(LocalZone(bytes))
        let reference = try #require(TimeZone(identifier: name))
        for seconds in stride(from: Int64(63_072_000), to: 2_082_758_400, by: 86_400 * 5 + 1800) {
            let wanted = reference.secondsFromGMT(for: Date(timeIntervalSince1970: Double(seconds)))
            guard zone.offset(at: seconds) == wanted else {
                Issue.record("\(name) at \(seconds): \(zone.offset(at: seconds)), wanted \(wanted)")
                return
            }
        }
        // Cut off anywhere it is refused, or means what it says; it never traps.
        for length in stride(from: 0, to: bytes.count, by: 7) { _ = LocalZone(Array(bytes[..<length])) }
    }

    private func current(_ reader: inout ZoneReader) -> LocalZone { reader.current() }

    @Test("An owner who moves to another zone is followed", .enabled(if: FileManager.default.fileExists(atPath: zones)))
    func moves() throws {
        try MachineFixture.with { machine in
            var reader = ZoneReader(machine.roots)
            #expect(current(&reader) == .utc)
            try machine.link("localtime", to: "\(Self.zones)/Asia/Kolkata")
            #expect(current(&reader).offset(at: 1_800_000_000) == 19_800)
            try machine.remove("localtime")
            try machine.link("localtime", to: "\(Self.zones)/Asia/Tokyo")
            #expect(current(&reader).offset(at: 1_800_000_000) == 32_400)
        }
    }
}
