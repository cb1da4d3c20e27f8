import FogCore
import FogNet
import FogTestSupport
import Testing

@Suite("Carriers in memory", .timeLimit(.minutes(10)))
struct CarrierTests {
    @Test("the memory carrier keeps every rule", arguments: CarrierConformance.Rule.allCases)
    func memory(_ rule: CarrierConformance.Rule) async throws {
        try await CarrierConformance { endpoint, body in try await body(MemoryCarrier(endpoint)) }.check(rule)
    }

    @Test(
        "a carrier that loses, doubles and reorders keeps every rule",
        arguments: CarrierConformance.Rule.allCases, [1, 2, 3] as [UInt64])
    func lossy(_ rule: CarrierConformance.Rule, seed: UInt64) async throws {
        try await CarrierConformance { endpoint, body in
            try await body(LossyCarrier(MemoryCarrier(endpoint), seed: seed))
        }.check(rule)
    }

    @Test("a fifth of the messages in each direction is lost, as the seed deals them")
    func losses() async throws {
        let lossy = LossyCarrier(MemoryCarrier(EndpointDouble()), seed: 7)
        var failures = 0
        for _ in 0..<200 where await fails(lossy) { failures += 1 }
        #expect(failures == lossy.lost)
        #expect((40...100).contains(failures), "1 - 0.8 * 0.8 of 200 is 72, found \(failures)")
    }

    @Test("a carrier never invents an answer: what it hands out, the endpoint gave")
    func noInventedAnswer() async throws {
        let endpoint = EndpointDouble()
        var weather = LossyCarrier.Weather()
        weather.loss = 1
        let lossy = LossyCarrier(MemoryCarrier(endpoint), seed: 1, weather: weather)
        await #expect(throws: CarrierFailure.self) {
            try await lossy.send(CarrierRequest(method: "GET", target: "/echo"), deadline: .seconds(1))
        }
        #expect(endpoint.requests == 0)
    }

    private func fails(_ carrier: LossyCarrier) async -> Bool {
        do {
            _ = try await carrier.send(CarrierRequest(method: "GET", target: "/echo"), deadline: .minutes(5))
            return false
        } catch {
            return true
        }
    }
}
