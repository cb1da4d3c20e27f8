import FogCore
import FogMixnet
import Glibc
import Testing

/// Whole exchanges in virtual time. FOG_DELIVERY_RUNS asks for more of them, and prints what they took;
/// FOG_DELIVERY_BYTES for another size than 1 MiB.
@Suite struct DeliveryTests {
    private static let runs = getenv("FOG_DELIVERY_RUNS").flatMap { Int(String(cString: $0)) } ?? 2
    private static let bytes = getenv("FOG_DELIVERY_BYTES").flatMap { Int(String(cString: $0)) }

    @Test("1 MiB over five hops arrives bit-exact though a tenth is lost on each link and a mix dies midway")
    func lossAndDeath() throws {
        var ratios: [Double] = []
        var packets: [Double] = []
        for seed in 1...UInt64(Self.runs) {
            var conditions = DeliverySimulation.Conditions()
            conditions.requestBytes = Self.bytes ?? conditions.requestBytes
            conditions.killed = (mix: Int(seed % 9), afterFragments: 533)
            var simulation = DeliverySimulation(conditions, seed: seed)
            let report = try simulation.run()
            #expect(report.isExact, "seed \(seed): \(report)")
            let needed = (conditions.requestBytes + MessageFrame.contentBytes - 1) / MessageFrame.contentBytes
            ratios.append(Double(report.fragmentsSent) / Double(needed))
            packets.append(Double(report.packets) / Double(needed))
            #expect(ratios.last ?? 9 <= 3.0, "seed \(seed): \(report)")
        }
        if Self.runs > 2 {
            ratios.sort()
            packets.sort()
            print(
                "\(Self.runs) runs: fragments sent/needed median \(ratios[ratios.count / 2]), most \(ratios.last ?? 0);",
                "packets of all kinds, both ways, median \(packets[packets.count / 2]), most \(packets.last ?? 0)")
        }
    }

    @Test("the same with real packets: each is made, opened at every node, and read by who awaits it")
    func realPackets() throws {
        // Runs of 1 MiB when they are asked for; one small one is enough to see that both ways hold.
        let runs = getenv("FOG_DELIVERY_REAL_RUNS").flatMap { Int(String(cString: $0)) }
        for seed in 1...UInt64(runs ?? 1) {
            var conditions = DeliverySimulation.Conditions()
            conditions.suite = seed % 2 == 1 ? .k400 : .s176
            if runs == nil { conditions.requestBytes = 64 << 10 }
            let needed = (conditions.requestBytes + MessageFrame.contentBytes - 1) / MessageFrame.contentBytes
            conditions.killed = (mix: Int(seed % 9), afterFragments: needed / 2)
            var simulation = DeliverySimulation(conditions, seed: seed)
            let report = try simulation.run()
            #expect(report.isExact, "seed \(seed): \(report)")
            let ratio = Double(report.fragmentsSent) / Double(needed)
            #expect(ratio <= (runs == nil ? 4 : 3), "seed \(seed): \(report)")
            if runs != nil { print("\(conditions.suite ?? .k400), seed \(seed): fragments sent/needed \(ratio)") }
        }
    }

    @Test("an answer of 256 KiB comes back by SURBs, of which the answering end never runs dry for good")
    func largeAnswer() throws {
        var conditions = DeliverySimulation.Conditions()
        (conditions.requestBytes, conditions.answerBytes) = (300, 256 << 10)
        for seed in 1...UInt64(2) {
            var simulation = DeliverySimulation(conditions, seed: seed)
            let report = try simulation.run()
            #expect(report.isExact, "seed \(seed): \(report)")
            let needed = Double(conditions.answerBytes) / Double(MessageFrame.contentBytes)
            #expect(Double(report.answerFragmentsSent) / needed <= 3.0, "seed \(seed): \(report)")
            // A SURB brings a fragment or a word, and 47 of 100 lose their packet.
            #expect(Double(report.surbsOffered) / needed <= 7, "seed \(seed): \(report)")
        }
    }

    @Test("an asker that begins again sends what the other end does not have, not everything")
    func resumption() throws {
        var conditions = DeliverySimulation.Conditions()
        conditions.requestBytes = 512 << 10
        conditions.restartAfterFragments = 900
        let needed = (conditions.requestBytes + MessageFrame.contentBytes - 1) / MessageFrame.contentBytes
        for seed in 1...UInt64(2) {
            var simulation = DeliverySimulation(conditions, seed: seed)
            let report = try simulation.run()
            #expect(report.isExact, "seed \(seed): \(report)")
            #expect(Double(report.fragmentsSent) / Double(needed) <= 3.0, "seed \(seed): \(report)")
        }
    }

    @Test("a byte goes through seven hops and back")
    func smallest() throws {
        var conditions = DeliverySimulation.Conditions()
        (conditions.requestBytes, conditions.hops) = (1, 7)
        for seed in 1...UInt64(10) {
            var simulation = DeliverySimulation(conditions, seed: seed)
            let report = try simulation.run()
            #expect(report.isExact, "seed \(seed): \(report)")
        }
    }

    @Test("a dead mix is found among nine, and no other is")
    func blame() throws {
        var generator = SeededGenerator(seed: 4)
        var wrong = 0
        for dead in 0..<9 {
            var quality = RouteQuality()
            var now = Timestamp(seconds: 1_000)
            for _ in 0..<400 {
                now = now + .milliseconds(100)
                let route = [0, 1, 2, 0, 1].enumerated().reduce(into: [Int]()) { route, hop in
                    let layer = (0..<9).filter { $0 % 3 == hop.element && !route.contains($0) }
                    route.append(layer.randomElement(using: &generator) ?? 0)
                }
                quality.count(
                    route, hasArrived: !route.contains(dead) && generator.unit() < 0.53, at: now)
            }
            #expect(quality.blamed(at: now).contains(dead), "mix \(dead)")
            wrong += quality.blamed(at: now).count { $0 != dead }
            #expect(abs(quality.arriving - 0.53) < 0.12, "mix \(dead): \(quality.arriving)")
            #expect(quality.blamed(at: now + NodeHealth.sentence + .seconds(60)) == [])
        }
        #expect(wrong <= 1)
    }
}
