import FogAPI
import FogCore
import FogJobs
import FogNet
import Testing

@testable import FogHTTP

/// A machine that left for good and came back with another key is two nodes of one name.
@Suite("A machine that came back")
struct ReturnedMachineTests {
    @Test("its name is the new node's, and the old one is no reason why a job waits")
    func sameName() async throws {
        try await Pool.with { pool in
            func hello(_ name: String) async throws -> NodeID {
                let answer = try await pool.ask("POST", "/v1/worker/hello", by: name, body: RouteTable.hello())
                return try Wire.decode(WorkerTerms.self, from: answer.body).node
            }
            let (old, new) = (try await hello("worker"), try await hello("hal"))
            #expect(old != new)
            expectRefusal(try await pool.ask("GET", "/v1/nodes/n1", by: "ada"), [409], code: "ambiguous", "two")
            let job = try await pool.submit()
            func explained() async throws -> Int? {
                let answer = try await pool.ask("GET", "/v1/jobs/\(job)/explain", by: "ada")
                return try Wire.decode(JobExplanationBody.self, from: answer.body).steps.first?.nodeCount
            }
            #expect(try await explained() == 2)
            let left = try await pool.ask("POST", "/v1/worker/leave", by: "worker", body: Array("{}".utf8))
            #expect(left.status == 200)
            let found = try await pool.ask("GET", "/v1/nodes/n1", by: "ada")
            #expect(try JSON(parsing: found.body)["id"]?.string == new.description)
            #expect(try await pool.ask("GET", "/v1/nodes/\(old)", by: "ada").status == 200)
            #expect(try await explained() == 1)
        }
    }
}
