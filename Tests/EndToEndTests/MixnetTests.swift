import FogCore
import FogMixnet
import Foundation
import Synchronization
import Testing

extension EndToEnd {
    /// A whole network of processes, from its authorities to the replies.
    @Suite("Mixnet", .timeLimit(.minutes(10)))
    struct MixnetTests {
        /// Answers what comes to a service: each body is a SURB, and the bytes to send back with it.
        private func answer(_ network: MixNetwork, at service: Int, with links: MixLinks) async throws {
            var view = try MixNetworkView(try await network.consensus())
            _ = try await links.link(to: service, of: view)
            for await delivery in links.deliveries {
                let body = try #require(Payload.body(of: delivery.payload))
                let surb = try SURB(bytes: Array(body.prefix(view.suite.surbBytes)), suite: view.suite)
                var reply = Array(body.dropFirst(view.suite.surbBytes))
                reply += [UInt8](repeating: 0, count: PacketSuite.bodyBytes - reply.count)
                let known = try await network.known()
                // The SURB names nodes as they were when it was made.
                let consensus = known.recent.values.first {
                    UInt8(truncatingIfNeeded: $0.consensus.epoch) == surb.epochByte
                }
                if let consensus { view = try MixNetworkView(consensus.consensus) }
                let first = try? await links.link(to: Int(surb.first), of: view)
                try? await first?.send([try surb.packet(reply)])
            }
        }

        /// Sends a question with a SURB for its answer, over routes of their own.
        private func ask(
            _ network: MixNetwork, _ service: PublicKey, _ links: MixLinks,
            keep: (SURBSecrets, _ question: [UInt8]) -> Void
        ) async throws {
            var generator = SystemRandomNumberGenerator()
            let (now, consensus) = (SystemClock().now, try await network.consensus())
            let view = try MixNetworkView(consensus)
            let epoch = view.epoch(at: now)
            let chooser = RouteChooser(consensus)
            let maker = PacketMaker(suite: view.suite, epoch: epoch)
            let there = try chooser.route(hops: 3, last: consensus.index(of: service), at: now, using: &generator)
            let back = try chooser.route(hops: 3, at: now, using: &generator)
            let (surb, secrets) = try maker.surb(along: view.hops(back, epoch: epoch))
            let question = SecureRandom.bytes(500)
            keep(secrets, question)
            try await links.link(to: back[2], of: view).register([secrets.id])
            let body = surb.bytes + question
            let filled = body + [UInt8](repeating: 0, count: PacketSuite.bodyBytes - body.count)
            let packet = try maker.forward(filled, along: view.hops(there, epoch: epoch))
            try await links.link(to: there[0], of: view).send([packet.bytes])
        }

        @Test(
            "Messages cross a network of processes and are answered, before and after an epoch ends; it leaves nothing")
        func crossing() async throws {
            let network = try await MixNetwork(
                "--mixes", "3", "--authorities", "4", "--epoch", "6s", "--mean-delay", "5ms")
            let key = NoiseKey.generate()
            let (service, identity) = try await network.service(key)
            let (asking, answering) = (MixLinks(), MixLinks(key: key))
            let first = try await network.consensus()
            #expect(first.nodes.count == 4 && first.layer(0).count == 1)
            let place = try #require(first.index(of: identity))
            let server = Task { try await answer(network, at: place, with: answering) }
            let open = Mutex<[[UInt8]: (secrets: SURBSecrets, question: [UInt8])]>([:])
            let answered = Mutex<Set<UInt64>>([])
            let reader = Task {
                for await delivery in asking.deliveries {
                    guard let (secrets, question) = open.withLock({ $0.removeValue(forKey: delivery.id) }) else {
                        continue
                    }
                    let reply = try #require(secrets.open(delivery.payload))
                    #expect(Array(reply.prefix(question.count)) == question)
                    _ = answered.withLock { $0.insert(secrets.epoch) }
                }
            }
            // A packet at the end of an epoch may be lost, and on a busy machine an epoch as well: so it asks until it was
            // answered in two of them.
            while answered.withLock({ $0.count }) < 2 {
                try? await ask(network, identity, asking) { secrets, question in
                    open.withLock { $0[secrets.id] = (secrets, question) }
                }
                try await Task.sleep(for: .milliseconds(50))
            }
            service.signal(SIGTERM)
            #expect(try await service.end(within: Cloud.patience).status == 0)
            #expect(try network.processes().count >= 8)
            let end = try await network.stop()
            #expect(end.status == 0, "\(end.errors)")
            #expect(end.errors.contains("NO ANONYMITY"))
            #expect(try network.processes() == [:])
            await asking.close()
            await answering.close()
            try await server.value
            try await reader.value
        }
    }
}
