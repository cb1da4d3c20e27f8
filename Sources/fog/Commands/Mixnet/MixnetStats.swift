internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogMixnet

/// `fog mixnet stats`
struct MixnetStats: SessionCommand {
    static let configuration = CommandConfiguration(
        "stats", "Show what anonymity a network gives now.",
        examples: ["fog mixnet stats network.json", "fog mixnet stats network.json -o json"],
        more: """
            Computed by simulation from the consensus and the traffic that its mixes tell of, for somebody who sees all links. A level is \
            refused in a live network when it would hide a packet among too few.
            """)

    @Argument(help: "The network's file.", completion: .file())
    var network: String

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws {
        let consensus = try await DirectoryPlaces.consensus(DirectoryPlaces.network(network), at: session.now)
        var generator = SystemRandomNumberGenerator()
        let anonymity = Anonymity(consensus, using: &generator)
        if session.mode == .json {
            session.console.printLine(Self.document(consensus, anonymity))
        } else {
            session.console.print(Self.table(anonymity))
            session.console.note(
                "\(consensus.parameters.name), epoch \(consensus.epoch): \(Int(anonymity.traffic)) packets/s at a mix, "
                    + "\(Self.rounded(anonymity.pool)) in it on average")
        }
        if consensus.parameters.kind == .test { session.console.warn("NO ANONYMITY: this is a test network") }
    }

    private static func table(_ anonymity: Anonymity) -> Table {
        var table = Table([
            .init("LEVEL"), .init("HOPS", right: true), .init("ENTROPY", right: true), .init("AMONG", right: true),
            .init("WANTED", right: true), .init("STATE", yields: true),
        ])
        for level in RouteLevel.allCases {
            guard let estimate = anonymity.levels[level] else { continue }
            table.add([
                Table.Cell(level.description), "\(level.hops)", "\(rounded(estimate.entropy)) bits",
                "\(rounded(estimate.effectiveSet))", "\(rounded(Anonymity.floor(level)))",
                Table.Cell(anonymity.refusal(of: level).map { "refused: \($0.message)" } ?? "open"),
            ])
        }
        return table
    }

    private static func document(_ consensus: Consensus, _ anonymity: Anonymity) -> JSON {
        .object([
            "network": .string(consensus.parameters.name), "kind": .string(consensus.parameters.kind.description),
            "epoch": .integer(Int64(consensus.epoch)), "packets_per_second": .double(anonymity.traffic),
            "mean_pool": .double(anonymity.pool),
            "levels": .array(
                RouteLevel.allCases.compactMap { level in
                    guard let estimate = anonymity.levels[level] else { return nil }
                    let refusal = anonymity.refusal(of: level)
                    return .object([
                        "level": .string(level.description), "hops": .integer(Int64(level.hops)),
                        "entropy_bits": .double(estimate.entropy), "effective_set": .double(estimate.effectiveSet),
                        "effective_set_min": .double(Anonymity.floor(level)), "is_open": .bool(refusal == nil),
                        "reason": refusal.map { .string($0.message) },
                    ])
                }),
        ])
    }

    private static func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}
