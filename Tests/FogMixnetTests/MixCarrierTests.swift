import FogCore
import FogMixnet
import FogNet
import FogTestSupport
import Foundation
import Synchronization
import Testing

@Suite("The mixnet's carrier", .timeLimit(.minutes(10)), .serialized)
struct MixCarrierTests {
    /// The carrier over three mixes and a service's node, for a body.
    private static func with(
        _ endpoint: any CarrierEndpoint, suite: PacketSuite = .k400, mixes: Int = 3, level: RouteLevel = .private,
        _ body: (MixCarrier, CarrierNetwork) async throws -> Void
    ) async throws {
        let network = try await CarrierNetwork(endpoint, suite: suite, mixes: mixes)
        let carrier = try network.carrier { $0.level = level }
        let result: Result<Void, any Error>
        do { result = .success(try await body(carrier, network)) } catch { result = .failure(error) }
        await carrier.shutDown()
        try await network.end()
        try result.get()
    }

    private static let conformance = CarrierConformance { endpoint, body in
        try await with(endpoint) { carrier, _ in try await body(carrier) }
    }

    @Test("over nodes on loopback it keeps every rule", arguments: CarrierConformance.Rule.allCases)
    func conforms(_ rule: CarrierConformance.Rule) async throws {
        try await Self.conformance.check(rule)
    }

    @Test(
        "requests cross at every level and in both suites, and the answer's fields arrive",
        arguments: [(PacketSuite.s176, RouteLevel.private, 3), (.k400, .confidential, 6), (.s176, .secret, 9)])
    func levels(_ suite: PacketSuite, _ level: RouteLevel, _ mixes: Int) async throws {
        try await Self.with(EndpointDouble(), suite: suite, mixes: mixes, level: level) { carrier, _ in
            let body = SecureRandom.bytes(20_000)
            let request = CarrierRequest(method: "POST", target: "/echo?x", headers: ["x-echo": "1"], body: body)
            let answer = try await carrier.send(request, deadline: .minutes(5))
            #expect(answer.body == EndpointDouble.echo(of: request) && answer.headers["x-answer"] == "yes, \"it\" is")
        }
    }

    @Test("one hop hides nothing and is no level of the carrier")
    func openLevel() throws {
        let address = try MixServiceAddress(node: SigningKey.generate().publicKey, key: SecureRandom.bytes(32))
        struct Nowhere: MixNetworkSource {
            func consensus(at now: Timestamp) throws(MixnetFailure) -> Consensus { throw MixnetFailure("none", "none") }
        }
        var options = MixCarrier.Options()
        options.level = .open
        #expect(throws: MixnetFailure.self) { try MixCarrier(to: address, over: Nowhere(), options: options) }
        #expect(try MixServiceAddress(address.description) == address)
        for text in ["", "x/y", "\(address.node)", "\(address)00", "\(address)/"] {
            #expect(throws: MixnetFailure.self, "\(text)") { try MixServiceAddress(text) }
        }
    }

    @Test("without a consensus nothing is sent, and a request fails with the reason")
    func closed() async throws {
        let endpoint = EndpointDouble()
        let network = try await CarrierNetwork(endpoint)
        await network.source.lose()
        let carrier = try network.carrier { $0.patience = .milliseconds(100) }
        let failure = await #expect(throws: CarrierFailure.self) {
            try await carrier.send(.init(method: "GET", target: "/echo"), deadline: .minutes(5))
        }
        #expect(failure?.code == "unreachable")
        #expect(failure?.message == "nothing was sent: no consensus of this network was seen")
        for node in network.nodes.dropLast() { #expect(try await node.counters().counters.delivered == 0) }
        await carrier.shutDown()
        try await network.end()
        #expect(endpoint.requests == 0)
    }

    @Test("a level that the network has no routes for is refused with the reason, not at the deadline")
    func noRoute() async throws {
        let network = try await CarrierNetwork(EndpointDouble())
        let carrier = try network.carrier {
            $0.level = .confidential
            $0.patience = .milliseconds(100)
        }
        let failure = await #expect(throws: CarrierFailure.self) {
            try await carrier.send(.init(method: "GET", target: "/echo"), deadline: .hours(1))
        }
        #expect(failure?.code == "unreachable")
        #expect(failure?.message.hasPrefix("nothing was sent: 5 hops need as many families") == true)
        await carrier.shutDown()
        try await network.end()
    }

    @Test(
        "requests go by circuits that loops have established, and the next carrier goes on with them",
        arguments: Circuit.Mode.allCases)
    func circuits(_ mode: Circuit.Mode) async throws {
        let network = try await CarrierNetwork(EndpointDouble(), mixes: 6)
        let kept = Mutex<(circuits: [Circuit], guards: GuardSet)>(([], GuardSet()))
        func carrier() throws -> MixCarrier {
            try network.carrier { options in
                (options.owner, options.mode) = ("mine", mode)
                (options.circuits, options.guards) = kept.withLock { $0 }
                options.keepingCircuits = { circuits in kept.withLock { $0.circuits = circuits } }
                options.keepingGuards = { guards in kept.withLock { $0.guards = guards } }
            }
        }
        let request = CarrierRequest(method: "POST", target: "/echo", body: SecureRandom.bytes(5000))
        let first = try carrier()
        _ = try await first.send(request, deadline: .minutes(5))
        await first.shutDown()
        let before = kept.withLock { $0.circuits }
        let used = before.filter { $0.usedAt != nil }
        #expect(!used.isEmpty && used.allSatisfy { $0.state == .established && $0.mode == mode && $0.owner == "mine" })
        #expect(used.allSatisfy { circuit in circuit.packets > 0 && circuit.probes.contains { $0 != nil } })
        let guardKey = try #require(kept.withLock { $0.guards.guards.first }).key
        #expect(before.allSatisfy { $0.guardKey == guardKey && $0.service == network.service.address.node })
        let second = try carrier()
        _ = try await second.send(request, deadline: .minutes(5))
        await second.shutDown()
        let after = kept.withLock { $0.circuits }
        #expect(after.map(\.id) == before.map(\.id))
        #expect(after.map(\.packets).reduce(0, +) > before.map(\.packets).reduce(0, +))
        try await network.end()
    }

    @Test("when no loop comes back there is no circuit, and nothing is sent but cover")
    func noCircuit() async throws {
        let endpoint = EndpointDouble()
        let network = try await CarrierNetwork(endpoint, loss: 1)
        let carrier = try network.carrier { $0.patience = .seconds(2) }
        let failure = await #expect(throws: CarrierFailure.self) {
            try await carrier.send(.init(method: "GET", target: "/echo"), deadline: .minutes(5))
        }
        #expect(failure?.code == "unreachable")
        #expect(failure?.message.hasPrefix("nothing was sent: no circuit of level private is established") == true)
        #expect(await carrier.circuits.allSatisfy { $0.state == .building && $0.packets == 0 })
        await carrier.shutDown()
        try await network.end()
        #expect(endpoint.requests == 0)
    }

    @Test("a request crosses though every node loses packets on each of its links")
    func loss() async throws {
        let network = try await CarrierNetwork(EndpointDouble(), loss: 0.1)
        let carrier = try network.carrier()
        let request = CarrierRequest(method: "POST", target: "/echo", body: SecureRandom.bytes(20_000))
        let answer = try await carrier.send(request, deadline: .minutes(5))
        #expect(answer.body == EndpointDouble.echo(of: request))
        var lost: UInt64 = 0
        for node in network.nodes { lost += UInt64(try await node.counters().counters.dropped[.rehearsed] ?? 0) }
        #expect(lost > 0)
        await carrier.shutDown()
        try await network.end()
    }

    @Test(
        "what is under way when the service begins anew fails, for nobody knows what came of it, and the next crosses")
    func restart() async throws {
        let first = EndpointDouble()
        let network = try await CarrierNetwork(first)
        let carrier = try network.carrier()
        async let waiting = carrier.send(.init(method: "GET", target: "/wait"), deadline: .minutes(5))
        for await signal in first.signals where signal == .waiting { break }
        let second = EndpointDouble()
        let service = try await network.serviceAgain(second)
        do {
            _ = try await waiting
            Issue.record("a request of the service's earlier life was answered")
        } catch {
            let failure = try #require(error as? CarrierFailure)
            #expect(failure.code == "unreachable" && failure.message.hasPrefix("the service has begun anew"))
        }
        let answer = try await carrier.send(.init(method: "GET", target: "/status/204"), deadline: .minutes(5))
        #expect(answer.status == 204 && second.requests == 1)
        await carrier.shutDown()
        await service.shutDown()
        try await network.end()
    }

    @Test("a service with another key than the one that is known gets nothing that it can read")
    func impostor() async throws {
        let endpoint = EndpointDouble()
        let network = try await CarrierNetwork(endpoint)
        let other = try MixServiceAddress(node: network.service.address.node, key: SecureRandom.bytes(32))
        let carrier = try MixCarrier(to: other, over: network.source, clock: network.clock)
        let failure = await #expect(throws: CarrierFailure.self) {
            try await carrier.send(.init(method: "GET", target: "/echo"), deadline: .seconds(2))
        }
        #expect(failure?.code == "timeout")
        await carrier.shutDown()
        try await network.end()
        #expect(endpoint.requests == 0)
    }

    @Test("a carrier that has nothing to say sends packets to the service that are none")
    func cover() async throws {
        let network = try await CarrierNetwork(EndpointDouble(), isServing: false)
        let carrier = try network.carrier()
        await carrier.start()
        // Nobody takes what comes to the service's node, and nobody but the carrier sends anything there.
        let node = try #require(network.nodes.last)
        while try await node.counters().counters.dropped[.unclaimed] ?? 0 < 100 {
            try await Task.sleep(for: .milliseconds(10))
        }
        await carrier.shutDown()
        try await network.end()
    }

    @Test("a request that is larger than the service takes is refused in words")
    func refused() async throws {
        var options = MixService.Options()
        options.requestBytesLimit = 10_000
        let endpoint = EndpointDouble()
        let network = try await CarrierNetwork(endpoint, options: options)
        let carrier = try network.carrier()
        let request = CarrierRequest(method: "POST", target: "/mirror", body: SecureRandom.bytes(20_000))
        let failure = await #expect(throws: CarrierFailure.self) {
            try await carrier.send(request, deadline: .minutes(5))
        }
        #expect(failure?.code == "unreachable" && failure?.message.contains("takes no such request") == true)
        #expect(
            try await carrier.send(.init(method: "GET", target: "/status/204"), deadline: .minutes(5)).status == 204)
        await carrier.shutDown()
        try await network.end()
        #expect(endpoint.requests == 1)
    }
}

@Suite("Messages of the carrier")
struct CarrierMessageTests {
    @Test("each has one byte form, which is read back")
    func roundTrip() throws {
        let key = try ServiceKey(id: 9, publicKey: [UInt8](repeating: 7, count: 32), until: Timestamp(seconds: 5))
        let messages: [CarrierMessage] = [
            .hello, .key(instance: 3, key),
            .request(.init(method: "PATCH", target: "/x?y", headers: ["a": "1", "b": "\u{fc}"], body: [0, 1, 255])),
            .request(.init(method: "GET", target: "/")), .response(.init(status: 599, headers: ["c": ""], body: [])),
        ]
        for message in messages { #expect(try CarrierMessage(bytes: message.bytes) == message) }
    }

    @Test("bytes that no end writes are refused")
    func refusals() throws {
        let good = try CarrierMessage.request(.init(method: "GET", target: "/a", headers: ["n": "v"], body: [1])).bytes
        for count in 0..<good.count - 1 {
            #expect(throws: MixnetFailure.self) { try CarrierMessage(bytes: Array(good.prefix(count))) }
        }
        let wrong: [CarrierMessage] = [
            .request(.init(method: "G T", target: "/")), .request(.init(method: "GET", target: "x")),
            .request(.init(method: "GET", target: "/\r\nx: y")), .response(.init(status: 7)),
            .request(.init(method: "GET", target: "/", headers: ["a": "1\r\nb: 2"])),
            .request(.init(method: "GET", target: "/", headers: ["a b": "1"])),
        ]
        for message in wrong { #expect(throws: MixnetFailure.self) { try CarrierMessage(bytes: message.bytes) } }
        #expect(throws: MixnetFailure.self) { try CarrierMessage(bytes: [9]) }
        #expect(throws: MixnetFailure.self) { try CarrierMessage(bytes: [0, 0]) }
        let long = String(repeating: "x", count: CarrierMessage.headLimit)
        #expect(throws: CarrierFailure.self) {
            try CarrierMessage.request(.init(method: "GET", target: "/" + long)).bytes
        }
    }
}
