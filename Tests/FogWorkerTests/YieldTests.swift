import FogCore
import Testing

@testable import FogWorker

@Suite("What the owner takes back")
struct YieldTests {
    private func task(_ id: Int, _ mebibytes: Int64, _ since: Int64) -> (id: Int, memory: ByteCount, since: TimeSpan) {
        (id, .mebibytes(mebibytes), .seconds(since))
    }

    @Test("when memory is taken back the youngest go until the rest fits, and one may always stay")
    func memory() {
        let tasks = [task(1, 100, 10), task(2, 300, 30), task(3, 200, 20)]
        #expect(Eviction.beyond(.mebibytes(600), of: tasks) == [])
        #expect(Eviction.beyond(.mebibytes(599), of: tasks) == [2])
        #expect(Eviction.beyond(.mebibytes(299), of: tasks) == [2, 3])
        #expect(Eviction.beyond(.mebibytes(1), of: tasks) == [2, 3])
        #expect(Eviction.beyond(.zero, of: [(id: Int, memory: ByteCount, since: TimeSpan)]()) == [])
    }

    @Test("transfers share one rate: each waits until those before it are paid for")
    func bandwidth() {
        let bandwidth = Bandwidth(clock: SystemClock())
        #expect(bandwidth.piece(4 << 20) == 4 << 20)
        #expect(bandwidth.reserve(1 << 30, now: .seconds(100)) == .zero)
        bandwidth.setLimit(8_000_000)  // 1 MB a second
        #expect(bandwidth.piece(4 << 20) == Bandwidth.pieceBytes)
        #expect(bandwidth.piece(10) == 10)
        // Half a second's worth may go at once after a pause.
        #expect(bandwidth.reserve(500_000, now: .seconds(100)) == .zero)
        #expect(bandwidth.reserve(1_000_000, now: .seconds(100)) == .zero)
        #expect(bandwidth.reserve(1, now: .seconds(100)) == .seconds(1))
        #expect(bandwidth.reserve(1, now: .seconds(101)) <= .milliseconds(1))
        // Pieces of less than a millisecond add up all the same.
        for _ in 0..<10_000 { _ = bandwidth.reserve(100, now: .seconds(200)) }
        #expect(bandwidth.reserve(1, now: .seconds(200)) >= .milliseconds(500))
        bandwidth.setLimit(nil)
        #expect(bandwidth.reserve(1 << 30, now: .seconds(101)) == .zero)
    }
}
