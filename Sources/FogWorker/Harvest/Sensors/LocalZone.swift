import Glibc

/// A time zone with its history and its rule: a file as of tzfile(5), RFC 8536.
struct LocalZone: Hashable, Sendable {
    static let utc = LocalZone(times: [], offsets: [], first: 0, rule: nil)
    /// Larger than any file of the time zone database.
    static let fileLimit = 256 << 10

    /// Seconds since 1970 at which the offset changes, rising.
    private let times: [Int64]
    /// The offset from each of `times` on.
    private let offsets: [Int64]
    /// The offset before the first of `times`.
    private let first: Int64
    /// For times after the last of `times`.
    private let rule: ZoneRule?

    private init(times: [Int64], offsets: [Int64], first: Int64, rule: ZoneRule?) {
        self.times = times
        self.offsets = offsets
        self.first = first
        self.rule = rule
    }

    init(rule: ZoneRule) { self.init(times: [], offsets: [], first: 0, rule: rule) }

    /// Seconds to add to UTC at a time, in seconds since 1970.
    func offset(at seconds: Int64) -> Int64 {
        if let rule, seconds >= times.last ?? .min { return rule.offset(at: seconds) }
        guard let index = times.lastIndex(where: { $0 <= seconds }) else { return first }
        return offsets[index]
    }

    /// Nil for what is no such file. Only the 64-bit block of version 2 and later is used; version 1 ended in 2038 and
    /// no zone file since 2005 is written in it alone.
    init?(_ bytes: [UInt8]) {
        guard let old = Header(bytes, at: 0), old.version >= UInt8(ascii: "2"),
            let header = Header(bytes, at: 44 + old.length(timeBytes: 4))
        else { return nil }
        var at = 44 + old.length(timeBytes: 4) + 44
        let end = at + header.length(timeBytes: 8)
        guard end <= bytes.count, header.types >= 1 else { return nil }
        func number(_ at: Int, _ count: Int) -> Int64 {
            var value: UInt64 = 0
            for byte in bytes[at..<at + count] { value = value << 8 | UInt64(byte) }
            return count == 4 ? Int64(Int32(truncatingIfNeeded: value)) : Int64(bitPattern: value)
        }
        let times = (0..<header.times).map { number(at + $0 * 8, 8) }
        at += header.times * 8
        let indices = bytes[at..<at + header.times].map(Int.init)
        at += header.times
        let types = (0..<header.types).map { number(at + $0 * 6, 4) }
        guard indices.allSatisfy({ $0 < types.count }), zip(times, times.dropFirst()).allSatisfy({ $0 < $1 }) else {
            return nil
        }
        var rule: ZoneRule?
        if end < bytes.count, bytes[end] == 0x0a {
            let text = bytes[(end + 1)...].prefix { $0 != 0x0a }
            rule = ZoneRule(String(decoding: text, as: UTF8.self))
        }
        self.init(times: times, offsets: indices.map { types[$0] }, first: types[0], rule: rule)
    }

    private struct Header {
        let version: UInt8
        let isUTC, isStandard, leaps, times, types, names: Int

        init?(_ bytes: [UInt8], at start: Int) {
            guard start >= 0, bytes.count >= start + 44, bytes[start..<start + 4].elementsEqual("TZif".utf8) else {
                return nil
            }
            version = bytes[start + 4]
            var counts: [Int] = []
            for field in 0..<6 {
                let place = start + 20 + field * 4
                let count = bytes[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
                guard count <= LocalZone.fileLimit else { return nil }
                counts.append(count)
            }
            (isUTC, isStandard, leaps) = (counts[0], counts[1], counts[2])
            (times, types, names) = (counts[3], counts[4], counts[5])
        }

        func length(timeBytes: Int) -> Int {
            times * (timeBytes + 1) + types * 6 + names + leaps * (timeBytes + 4) + isStandard + isUTC
        }
    }
}

/// The machine's zone, read anew when its file changes: an owner who travels sets it.
struct ZoneReader {
    private let path: String
    private let fixed: LocalZone?
    private var zone = LocalZone.utc
    private var seen: (inode: UInt64, changed: Int64)?

    init(_ roots: SensorRoots) {
        path = roots.zoneFile
        fixed = roots.zoneRule.flatMap { ZoneRule($0) }.map(LocalZone.init(rule:))
    }

    /// UTC when there is no zone file, as everywhere (tzset(3)).
    mutating func current() -> LocalZone {
        if let fixed { return fixed }
        var status = stat()
        guard stat(path, &status) == 0 else {
            seen = nil
            zone = .utc
            return zone
        }
        let mark = (inode: UInt64(status.st_ino), changed: Int64(status.st_mtim.tv_sec))
        if let seen, seen == mark { return zone }
        seen = mark
        zone = SensorFile.bytes(path, limit: LocalZone.fileLimit).flatMap { LocalZone($0) } ?? .utc
        return zone
    }
}
