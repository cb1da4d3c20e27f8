internal import FogCore
internal import FogJobs
internal import FogStore
import Testing

extension StoreConformance {
    static let decisions = [
        StoreConformance("decisions come back newest first, the last of each step, and only of jobs that are there") {
            store async throws in
            var make = StoreFixture()
            let job = make.job(), start = make.tick()
            func decision(_ step: Int, _ seconds: Int64, _ body: String) -> StoredDecision {
                StoredDecision(job: job.record.id, step: step, at: start + .seconds(seconds), body: body)
            }
            var change = Change()
            change.newJobs = [job]
            change.decisions = (0..<20).map { decision(0, $0, "{\"n\":\($0)}") }
            change.decisions += [decision(1, 0, "{}"), decision(1, 0, "{\"again\":true}")]
            try await store.establish([change])
            let found = try await store.decisions(of: job.record.id)
            #expect(found.filter { $0.step == 0 }.map(\.body) == (4..<20).reversed().map { "{\"n\":\($0)}" })
            #expect(found.filter { $0.step == 1 }.map(\.body) == ["{\"again\":true}"])
            #expect(found.map(\.at) == found.map(\.at).sorted(by: >))
            let stranger = make.job().record.id
            #expect(try await store.decisions(of: stranger).isEmpty)
            var orphan = Change()
            orphan.decisions = [StoredDecision(job: stranger, step: 0, at: start, body: "{}")]
            let refused = try await store.commit([orphan])
            guard case .refused = refused.first else { throw StoreFailure("unexpected", "written: \(refused)") }
        }
    ]
}
