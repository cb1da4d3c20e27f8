import FogCore
import FogMixnet
import Foundation
import Testing

extension EndToEnd {
    /// FOG_DELIVERY_BYTES asks for a longer message, and prints what it took.
    @Suite("Delivery over bad links", .timeLimit(.minutes(10)))
    struct MixDeliveryTests {
        private static let bytes = ProcessInfo.processInfo.environment["FOG_DELIVERY_BYTES"].flatMap { Int($0) }
        private static let loss = 0.1

        @Test(
            "A message arrives bit-exact over five hops of processes that lose a tenth on each link, one killed midway")
        func lossAndDeath() async throws {
            let network = try await MixNetwork(
                "--mixes", "9", "--authorities", "4", "--epoch", "10s", "--mean-delay", "5ms", "--payload-interval",
                "2ms", "--lose", "\(Self.loss)")
            let key = NoiseKey.generate()
            let (service, identity) = try await network.service(key, loss: Self.loss)
            let message = SecureRandom.bytes(Self.bytes ?? 128 << 10)
            let needed = (message.count + MessageFrame.contentBytes - 1) / MessageFrame.contentBytes
            var conditions = MixExchange.Conditions()
            conditions.loss = Self.loss
            let exchange = try MixExchange(
                network, service: identity, key: key, message: message, reply: [1, 2, 3], conditions)
            let report = try await exchange.run(midway: (needed / 2, { try network.kill("mix-4") }))
            #expect(await exchange.request == message)
            #expect(await exchange.answer == [1, 2, 3])
            let ratio = Double(report.fragments) / Double(needed)
            // What is lost at the end of a short message weighs more.
            #expect(ratio <= (message.count >= 1 << 20 ? 3.0 : 4.0), "\(report)")
            // One of nine mixes, four authorities, the service and who started them.
            #expect(try network.processes().count == 14)
            let frame = LinkFrame.byteCount(network.file.parameters.suite)
            if Self.bytes != nil {
                print(
                    "\(message.count) bytes in \(report.seconds) s: \(report.fragments) fragments sent for \(needed) (\(ratio)),",
                    "\(report.packets * frame) bytes on the ends' own wires, \(try network.forwarded() * frame) between all",
                    "nodes with their loops, over \(report.epochs.count) epochs, \(report.blamed) verdicts")
            }
            service.signal(SIGTERM)
            #expect(try await service.end(within: Cloud.patience).status == 0)
            let end = try await network.stop()
            #expect(end.status == 0 && end.errors.contains("mix-4 has ended: signal 9"), "\(end.errors)")
        }
    }
}
