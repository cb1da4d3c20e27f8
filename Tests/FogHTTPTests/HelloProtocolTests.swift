import FogAPI
import FogCore
import FogJobs
import FogNet
import Testing

@testable import FogHTTP

@Suite("What a worker speaks", .timeLimit(.minutes(10)))
struct HelloProtocolTests {
    @Test("the node's protocol is that of its hello's header, whatever its report claims")
    func header() async throws {
        try await Pool.with { pool in
            for (headers, claimed, wanted) in [
                ([:], 2, 1), (["fog-protocol": "1"], 2, 1), (["fog-protocol": "2"], 1, 2),
            ]
                as [(CarrierHeaders, Int, Int)]
            {
                var hello = try Wire.decode(WorkerHello.self, from: RouteTable.hello())
                hello.report.protocolVersion = claimed
                let answer = try await pool.ask(
                    "POST", "/v1/worker/hello", by: "worker", headers: headers, body: Wire.encode(hello))
                let node = try Wire.decode(WorkerTerms.self, from: answer.body).node
                let shown = try await pool.ask("GET", "/v1/nodes/\(node)", by: "admin")
                #expect(try Wire.decode(NodeBody.self, from: shown.body).report.protocolVersion == wanted)
            }
        }
    }
}
