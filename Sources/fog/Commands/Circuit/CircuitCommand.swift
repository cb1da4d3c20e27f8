internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogMixnet

/// `fog circuit`: this client's ways through mixnets.
struct CircuitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "circuit", "Your ways through mixnets.", examples: ["fog circuit list", "fog circuit show 4f1c"],
        subcommands: [CircuitList.self, CircuitShow.self])
}

/// What one network's folder tells of a client's ways through it.
private struct KnownWays {
    let network: String
    let isTest: Bool
    let guards: [GuardSet.Guard]
    /// The newest first.
    let circuits: [Circuit]

    static func all(_ session: Session) throws -> [KnownWays] {
        try MixClientFolder.known(in: session.folders.state).compactMap { folder in
            let (guards, circuits) = (try folder.guards().guards, try folder.circuits())
            guard !guards.isEmpty || !circuits.isEmpty else { return nil }
            let parameters = try folder.consensus().last?.consensus.parameters
            return KnownWays(
                network: parameters?.name ?? "unknown", isTest: parameters?.kind == .test, guards: guards,
                circuits: circuits.sorted { ($1.createdAt, $1.id) < ($0.createdAt, $0.id) })
        }
    }

    static var none: CommandLineFailure {
        CommandLineFailure(
            "no_circuits", "no command has gone through a mixnet from here yet",
            help: "fog context mix NAME --network FILE --service NODE/KEY makes a context go through one")
    }

    /// What is over is closed, though the command that used it ended before.
    static func state(of circuit: Circuit, at now: Timestamp) -> Circuit.State {
        circuit.isOver(at: now) ? .closed : circuit.state
    }

    static func tone(_ state: Circuit.State) -> Tone {
        switch state {
        case .established: .good
        case .degraded: .warning
        case .building, .closed: .plain
        }
    }

    static func document(_ circuit: Circuit, network: String, at now: Timestamp) -> JSON {
        let now = [
            JSON.Member("network", .string(network)), JSON.Member("hops", .integer(Int64(circuit.level.hops))),
            JSON.Member("state", .string(state(of: circuit, at: now).rawValue)),
        ]
        return .object((circuit.json.members ?? []).filter { $0.name != "state" } + now)
    }
}

/// `fog circuit list`
struct CircuitList: SessionCommand {
    static let configuration = CommandConfiguration(
        "list", "Show the circuits and guards that your commands went by.",
        examples: ["fog circuit list", "fog circuit list -o json"],
        more: """
            A circuit belongs to one level and one key of yours. It is building until a loop over it has come back, degraded when loops are lost or \
            late, and closed after 8 to 12 minutes or when it was replaced. Closed ones are told of for an hour. Guards are the mixes that \
            your packets enter by, kept for months; the first that answers is used.
            """)

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws {
        let (ways, now) = (try KnownWays.all(session), session.now)
        switch session.mode {
        case .json: session.console.print(Self.document(ways, at: now))
        case .quiet: for circuit in ways.flatMap(\.circuits) { session.console.print(circuit.name) }
        case .table:
            guard !ways.isEmpty else {
                return session.console.note(
                    [KnownWays.none.message, KnownWays.none.help ?? ""].joined(separator: "; "))
            }
            session.console.print(Self.circuits(ways, at: now))
            session.console.print("")
            session.console.print(Self.guards(ways, at: now))
        }
        for network in ways where network.isTest {
            session.console.warn("NO ANONYMITY: \(network.network) is a test network")
        }
    }

    private static func circuits(_ ways: [KnownWays], at now: Timestamp) -> Table {
        var table = Table([
            .init("CIRCUIT"), .init("NETWORK", yields: true), .init("LEVEL"), .init("OF"), .init("STATE"),
            .init("GUARD"), .init("PACKETS", right: true), .init("LOST", right: true), .init("USED", right: true),
            .init("CLOSES", right: true),
        ])
        for way in ways {
            for circuit in way.circuits {
                let state = KnownWays.state(of: circuit, at: now)
                table.add([
                    Table.Cell(circuit.name), Table.Cell(way.network), Table.Cell(circuit.level.description),
                    Table.Cell(circuit.owner), Table.Cell(state.rawValue, KnownWays.tone(state)),
                    Table.Cell(circuit.guardKey.id.description), "\(circuit.packets)", "\(percent(circuit.loss)) %",
                    Table.Cell(circuit.usedAt.map { Human.age(of: $0, at: now) } ?? "never"),
                    Table.Cell(state == .closed ? "" : Human.age(of: circuit.closesAt, at: now)),
                ])
            }
        }
        return table
    }

    private static func guards(_ ways: [KnownWays], at now: Timestamp) -> Table {
        var table = Table([.init("GUARD"), .init("NETWORK", yields: true), .init("UNTIL"), .init("SEEN", right: true)])
        for way in ways {
            for one in way.guards {
                table.add([
                    Table.Cell(one.key.id.description), Table.Cell(way.network), Table.Cell(one.until.plain),
                    Table.Cell(Human.age(of: one.seenAt, at: now)),
                ])
            }
        }
        return table
    }

    private static func document(_ ways: [KnownWays], at now: Timestamp) -> JSON {
        .object([
            "circuits": .array(
                ways.flatMap { way in way.circuits.map { KnownWays.document($0, network: way.network, at: now) } }),
            "guards": .array(
                ways.flatMap { way in
                    way.guards.map { one in
                        .object([
                            "key": .string(one.key.description), "network": .string(way.network),
                            "until": .string(one.until.description), "seen_at": .string(one.seenAt.description),
                        ])
                    }
                }),
        ])
    }

    fileprivate static func percent(_ share: Double) -> Int { Int((share * 100).rounded()) }
}

/// `fog circuit show`
struct CircuitShow: SessionCommand {
    static let configuration = CommandConfiguration(
        "show", "Show one circuit: what it carried, and how its loops fare.",
        examples: ["fog circuit show 4f1c", "fog circuit show 4f1c -o json"])

    @Argument(help: "Its id in `fog circuit list`, or a unique beginning of it.")
    var id: String

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws {
        let (ways, now) = (try KnownWays.all(session), session.now)
        guard !ways.isEmpty else { throw KnownWays.none }
        let found = ways.flatMap { way in way.circuits.map { (way: way, circuit: $0) } }
            .filter { $0.circuit.name.hasPrefix(id.lowercased()) }
        guard let (way, circuit) = found.first, found.count == 1 else {
            throw CommandLineFailure(
                found.isEmpty ? "no_circuit" : "ambiguous",
                found.isEmpty
                    ? "no circuit has an id that begins with `\(id.prefix(40))`"
                    : "\(found.count) circuits have ids that begin with `\(id.prefix(40))`",
                help: "fog circuit list", status: .usage)
        }
        switch session.mode {
        case .json: session.console.print(KnownWays.document(circuit, network: way.network, at: now))
        case .quiet: session.console.print(circuit.name)
        case .table: session.console.print(Self.sheet(circuit, way, at: now))
        }
        if way.isTest { session.console.warn("NO ANONYMITY: \(way.network) is a test network") }
    }

    private static func sheet(_ circuit: Circuit, _ way: KnownWays, at now: Timestamp) -> Sheet {
        let state = KnownWays.state(of: circuit, at: now)
        var sheet = Sheet()
        sheet.add("circuit", circuit.name)
        sheet.add("network", "\(way.network), epoch \(circuit.epoch)")
        sheet.add("state", state.rawValue, KnownWays.tone(state))
        sheet.add("level", "\(circuit.level), \(circuit.level.hops) hops")
        sheet.add("routes", circuit.mode == .pinned ? "one for all packets" : "one for each packet")
        sheet.add("of key", circuit.owner)
        sheet.add("guard", circuit.guardKey.description)
        sheet.add("service", circuit.service.description)
        sheet.add("made", "\(Human.age(of: circuit.createdAt, at: now)) ago")
        sheet.add("closes", state == .closed ? nil : Human.age(of: circuit.closesAt, at: now))
        sheet.add("packets", "\(circuit.packets) of \(circuit.packetsLimit)")
        sheet.add("used", circuit.usedAt.map { "\(Human.age(of: $0, at: now)) ago" } ?? "never")
        let loops = circuit.probes.map { $0.map { "\($0.milliseconds) ms" } ?? "lost" }
        sheet.add("last loops", loops.isEmpty ? "none yet" : loops.joined(separator: ", "))
        return sheet
    }
}
