import FogCore
import FogMixnet
import Foundation
import Testing

@Suite("Replay")
struct ReplayTests {
    static func tag(_ number: Int) -> ReplayTag {
        var chance = SeededGenerator(seed: UInt64(number))
        return ReplayTag(high: chance.next(), low: chance.next())
    }

    /// FOG_REPLAY_TAGS=10000000 for the large one.
    @Test("no tag passes twice, and no fresh one is taken for a replay")
    func exact() {
        let count = ProcessInfo.processInfo.environment["FOG_REPLAY_TAGS"].flatMap { Int($0) } ?? 100_000
        let set = ReplaySet(limit: count + count / 8 + 1024)
        var (delivered, dropped) = (0, 0)
        for number in 0..<count where set.insert(Self.tag(number)) != .fresh { dropped += 1 }
        for number in 0..<count where set.insert(Self.tag(number)) != .replayed { delivered += 1 }
        #expect(dropped == 0 && delivered == 0)
        #expect(set.count == count)
    }

    @Test("tags that differ in one bit are different tags, that of zeros too")
    func near() {
        let set = ReplaySet()
        for shift in 0..<64 as Range<UInt64> {
            #expect(set.insert(ReplayTag(high: 1 << shift, low: 0)) == .fresh)
            #expect(set.insert(ReplayTag(high: 0, low: 1 << shift)) == .fresh)
        }
        #expect(set.insert(ReplayTag(high: 0, low: 0)) == .fresh)
        #expect(set.insert(ReplayTag(high: 0, low: 0)) == .replayed)
        #expect(set.insert(ReplayTag(high: 1, low: 0)) == .replayed)
    }

    @Test("at its limit a set takes no more, and knows what it has")
    func full() {
        let set = ReplaySet(limit: 800)
        let answers = (0..<2000).map { set.insert(Self.tag($0)) }
        #expect(answers.count { $0 == .fresh } <= 800 && answers.contains(.full))
        for (number, answer) in answers.enumerated() {
            #expect(set.insert(Self.tag(number)) == (answer == .fresh ? .replayed : .full))
        }
    }

    @Test("two threads never both have a tag for fresh")
    func threads() async {
        let set = ReplaySet()
        let fresh = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask { (0..<20_000).count { set.insert(Self.tag($0)) == .fresh } }
            }
            return await group.reduce(0, +)
        }
        #expect(fresh == 20_000)
    }

    // MARK: - On disk

    let boot = [UInt8](repeating: 7, count: 16)
    let path = FileManager.default.temporaryDirectory.appending(path: "fog-replay-\(UUID().uuidString)").path

    private func open(_ set: ReplaySet, epoch: UInt64 = 3, key: [UInt8] = [1], boot: [UInt8]? = nil) throws -> (
        log: ReplayLog, earlier: ReplayLog.Earlier
    ) {
        try ReplayLog.open(path, epoch: epoch, key: key, boot: boot ?? self.boot, into: set)
    }

    @Test("what was flushed is known after the process went, and what came behind a torn tag too")
    func survives() throws {
        defer { ReplayLog.remove(path) }
        do {
            let (log, earlier) = try open(ReplaySet())
            #expect(earlier == .none)
            for number in 0..<1000 { log.append(Self.tag(number)) }
            try log.flush()
            log.append(Self.tag(5000))
        }
        let handle = try #require(FileHandle(forWritingAtPath: path))
        handle.seekToEndOfFile()
        handle.write(Data([1, 2, 3, 4, 5]))
        try handle.close()
        do {
            let set = ReplaySet()
            let (log, earlier) = try open(set)
            #expect(earlier == .tags(1000))
            #expect((0..<1000).allSatisfy { set.insert(Self.tag($0)) == .replayed })
            #expect(set.insert(Self.tag(5000)) == .fresh)
            log.append(Self.tag(5001))
            try log.flush()
        }
        let set = ReplaySet()
        #expect(try open(set).earlier == .tags(1001))
        #expect(set.insert(Self.tag(5001)) == .replayed)
    }

    @Test("after the machine was started anew only a log with its end counts")
    func boots() throws {
        defer { ReplayLog.remove(path) }
        let other = [UInt8](repeating: 8, count: 16)
        do {
            let (log, _) = try open(ReplaySet())
            log.append(Self.tag(1))
            try log.flush()
        }
        guard case .incomplete = try open(ReplaySet(), boot: other).earlier else {
            Issue.record("a log without its end was taken after another boot")
            return
        }
        do {
            let (log, earlier) = try open(ReplaySet())
            #expect(earlier == .tags(1))
            try log.end()
        }
        let set = ReplaySet()
        #expect(try open(set, boot: other).earlier == .tags(1))
        #expect(set.insert(Self.tag(1)) == .replayed)
    }

    @Test("the log of another key or epoch is not taken")
    func others() throws {
        defer { ReplayLog.remove(path) }
        _ = try open(ReplaySet())
        for (epoch, key) in [(4, [1]), (3, [2])] as [(UInt64, [UInt8])] {
            guard case .incomplete = try open(ReplaySet(), epoch: epoch, key: key).earlier else {
                Issue.record("the log was taken for epoch \(epoch)")
                continue
            }
        }
    }
}
