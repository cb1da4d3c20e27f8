import FogCore
import FogJobs
import FogStore
import FogTestSupport
import Testing

@Suite("Store in memory")
struct MemoryStoreTests {
    @Test("conforms", arguments: StoreConformance.all)
    func conforms(_ part: StoreConformance) async throws {
        try await part.run(MemoryStore())
    }

    @Test("goes on from a snapshot, and what came after is as if it never was")
    func snapshots() async throws {
        var make = StoreFixture()
        let store = MemoryStore()
        let job = make.job(), task = make.task(job, 0, .leased, token: 4)
        #expect(store.apply(.jobs(job)) == .applied)
        let snapshot = store.snapshot()
        #expect(store.apply(.task(task)) == .applied)
        let restarted = MemoryStore(snapshot: snapshot)
        #expect(try await restarted.job(job.record.id) == job)
        #expect(try await restarted.task(task.id) == nil)
        #expect(restarted.apply(.task(make.task(job, 0, .leased, token: 1))) == .applied)
        #expect(try await store.task(task.id) == task)
    }
}
