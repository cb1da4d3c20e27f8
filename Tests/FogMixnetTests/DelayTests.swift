import FogCore
import FogMixnet
import Foundation
import Testing

@Suite("VRF and delays")
struct DelayTests {
    /// The same delays in each run: what is drawn by chance would fail by chance.
    static func fixed() throws -> VRFKey { try VRFKey(secret: [5] + [UInt8](repeating: 0, count: 31)) }

    @Test("a proof is of one key and one input, and a changed one is of none", arguments: VRFSuite.allCases)
    func proofs(suite: VRFSuite) throws {
        let key = try VRFKey.generate(suite)
        let input = Array("input".utf8)
        let (output, proof) = key.prove(input)
        #expect(output.count == 64 && proof.count == 80)
        #expect(key.publicKey.output(for: input, proof: proof) == output)
        #expect(key.prove(input).output == output)
        #expect(try VRFKey.generate(suite).publicKey.output(for: input, proof: proof) == nil)
        #expect(key.publicKey.output(for: Array("inpuT".utf8), proof: proof) == nil)
        #expect(key.publicKey.output(for: input, proof: proof + [0]) == nil)
        for place in 0..<80 {
            var changed = proof
            changed[place] ^= 1 << UInt8(place % 8)
            #expect(key.publicKey.output(for: input, proof: changed) == nil, "byte \(place)")
        }
    }

    @Test("a key that is no point, or the neutral one, is refused", arguments: VRFSuite.allCases)
    func badKeys(suite: VRFSuite) {
        let neutral = suite == .edwards ? [1] + [UInt8](repeating: 0, count: 31) : [UInt8](repeating: 0, count: 32)
        for bytes in [neutral, [UInt8](repeating: 0xFF, count: 32), []] {
            #expect(throws: MixnetFailure.self) { try VRFPublicKey(bytes: bytes, suite: suite) }
        }
        #expect(throws: MixnetFailure.self) { try VRFKey(secret: [1], suite: suite) }
        // The order of the group is no scalar, and zero none either.
        if suite == .ristretto {
            #expect(throws: MixnetFailure.self) { try VRFKey(secret: [UInt8](repeating: 0xFF, count: 32)) }
            #expect(throws: MixnetFailure.self) { try VRFKey(secret: [UInt8](repeating: 0, count: 32)) }
        }
    }

    @Test("delays are exponential, drawn again beyond ten means, and the same each time")
    func distribution() throws {
        let draw = DelayDraw(output: try Self.fixed().prove([1]).output)
        let (count, mean) = (100_000, 50_000_000)
        var delays: [Double] = []
        for number in 0..<count {
            let tag = ReplayTag(high: UInt64(number), low: 7)
            let delay = draw.nanoseconds(of: tag, mean: Int64(mean))
            delays.append(Double(delay) / Double(mean))
            if number % 1000 == 0 { #expect(draw.nanoseconds(of: tag, mean: Int64(mean)) == delay) }
        }
        delays.sort()
        #expect(delays.allSatisfy { $0 >= 0 && $0 <= DelayDraw.longest })
        // Five are expected beyond ten means before they are drawn again; a clamp would leave them at ten.
        #expect(delays.count { $0 > 9.999 } < 3)
        // Kolmogorov and Smirnov: 1.95 / sqrt(n) has a chance of 0.001.
        let distance = delays.enumerated().map { place, delay in
            let wanted = 1 - exp(-delay)
            return max(abs(Double(place) / Double(count) - wanted), abs(Double(place + 1) / Double(count) - wanted))
        }.max()
        #expect((distance ?? 1) < 1.95 / Double(count).squareRoot())
    }

    @Test("another node, epoch, network or randomness asks for other delays")
    func inputs() throws {
        let (node, zero) = (SigningKey.generate().publicKey, Digest.zero)
        let other = Digest.blake2b([1])
        let inputs = [
            DelayDraw.input(network: zero, node: node, epoch: 1, randomness: zero),
            DelayDraw.input(network: other, node: node, epoch: 1, randomness: zero),
            DelayDraw.input(network: zero, node: SigningKey.generate().publicKey, epoch: 1, randomness: zero),
            DelayDraw.input(network: zero, node: node, epoch: 2, randomness: zero),
            DelayDraw.input(network: zero, node: node, epoch: 1, randomness: other),
        ]
        #expect(Set(inputs).count == inputs.count)
    }

    // MARK: - Audit

    /// Loops over three of nine mixes, 20 ms of jitter, a mean of 50 ms; what each mix takes is up to the caller.
    static func loops(
        _ count: Int, _ nodes: [PublicKey], seed: UInt64, taken: (_ node: Int, _ owed: Double) -> Double
    ) -> [DelayAudit.Loop] {
        var chance = SeededGenerator(seed: seed)
        return (0..<count).map { _ in
            var (predicted, time) = ([PublicKey: Int64](), 5e6)
            for node in Array(nodes.indices).shuffled(using: &chance).prefix(min(3, nodes.count)) {
                let owed = -log(1 - chance.unit()) * 50e6
                predicted[nodes[node]] = Int64(owed)
                time += taken(node, owed)
            }
            let jitter = (-2 * log(1 - chance.unit())).squareRoot() * cos(2 * .pi * chance.unit()) * 20e6
            return DelayAudit.Loop(predicted: predicted, measured: Int64(time + jitter))
        }
    }

    static let nodes = (0..<9).map { _ in SigningKey.generate().publicKey }.sorted()

    @Test("a mix that takes other delays, or none, is found, and the others are not accused", arguments: 0..<20)
    func cheats(seed: Int) {
        var chance = SeededGenerator(seed: UInt64(seed) + 1000)
        // 90 loops of three hops: some 30 through each mix.
        for (cheat, own) in [(2, 0.0), (5, 1.0)] {
            let loops = Self.loops(90, Self.nodes, seed: UInt64(seed)) { node, owed in
                node == cheat ? -log(1 - chance.unit()) * 50e6 * own : owed
            }
            for (node, finding) in DelayAudit(loops).findings() where finding.verdict != .unclear {
                #expect(finding.verdict == (node == Self.nodes[cheat] ? .cheats : .honest), "\(finding)")
            }
        }
    }

    @Test("a mix without delays is found in nearly every audit of 30 loops a mix")
    func power() {
        var found = 0
        for seed in 0..<200 as Range<UInt64> {
            let loops = Self.loops(90, Self.nodes, seed: seed) { node, owed in node == 4 ? 0 : owed }
            if DelayAudit(loops).findings()[Self.nodes[4]]?.verdict == .cheats { found += 1 }
        }
        // Some audits have fewer than 20 loops through the mix.
        #expect(found > 180)
    }

    @Test("an honest mix is not accused in ten thousand audits")
    func honest() {
        var accused = 0
        for seed in 0..<3400 as Range<UInt64> {
            let findings = DelayAudit(Self.loops(30, Array(Self.nodes.prefix(3)), seed: seed) { $1 }).findings()
            accused += findings.values.count { $0.verdict == .cheats }
        }
        #expect(accused == 0)
    }

    @Test("too few loops say nothing")
    func few() {
        let findings = DelayAudit(Self.loops(12, Array(Self.nodes.prefix(3)), seed: 1) { _, _ in 0 }).findings()
        #expect(findings.values.allSatisfy { $0.verdict == .unclear && $0.loops == 12 })
        #expect(DelayAudit([]).findings().isEmpty)
    }
}
