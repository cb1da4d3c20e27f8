import FogAPI
import FogCoordinator
import FogCore
import FogJobs
import FogNet
import Testing

@testable import FogHTTP

@Suite("What operators read of invitations", .timeLimit(.minutes(10)))
struct EnrolmentListTests {
    @Test(
        "a list says whether who joins must wait, whoever asks that: the invitation or the coordinator",
        arguments: [false, true])
    func approval(everybody: Bool) async throws {
        try await Pool.with(rules: { $0.approveNewcomers = everybody }) { pool in
            for approve in [false, true] {
                let body = EnrollBody(
                    roles: [.worker], uses: 1, ttl: approve ? .hours(1) : .hours(2), owner: nil, credits: .zero,
                    approve: approve)
                let answer = try await pool.ask("POST", "/v1/enroll", by: "admin", body: Wire.encode(body))
                #expect(answer.status == 201)
            }
            let listed = try await pool.ask("GET", "/v1/enrolments", by: "admin")
            let list = try Wire.decode(EnrolmentListBody.self, from: listed.body)
            // The one that ends first stands first.
            #expect(list.invitations.map(\.approve) == [true, everybody])
            let last = try #require(list.invitations.last?.id)
            let ended = try await pool.ask("POST", "/v1/enrolments/\(last)/revoke", by: "admin")
            #expect(try Wire.decode(WithdrawnBody.self, from: ended.body).invitation?.approve == everybody)
        }
    }
}
