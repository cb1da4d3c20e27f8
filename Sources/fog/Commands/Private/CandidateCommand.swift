internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// `fog candidate`: the machines that private jobs are sealed to.
struct CandidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "candidate", "Say which machines may open your private jobs.",
        examples: ["fog candidate list", "fog candidate pin fogkey1… --owner lab-a"],
        subcommands: [CandidateList.self, CandidatePin.self, CandidateUnpin.self])
}

/// `fog candidate list`
struct CandidateList: SessionCommand {
    static let configuration = CommandConfiguration(
        "list", "List machines that take private jobs, and which of them you pinned.",
        examples: ["fog candidate list --region eu", "fog candidate list -o json"],
        more: """
            The coordinator says who is there; each machine has signed its key itself. Compare the key with what the machine's \
            owner tells you (`fog identity show` there) before you pin it.
            """)

    @Option(help: "Only machines of this region.")
    var region: String?

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let client = try await session.client()
        let policy = try CandidatePolicy.load(session.folders.candidatesFile)
        let found = try await client.candidates(
            CandidatesRequest(
                resources: ResourceRequest(cpu: .zero, memory: .zero, disk: .zero, time: .zero), region: region)
        ).candidates
        var table = Table([
            .init("MACHINE", yields: true), .init("OWNER", yields: true), .init("CLASS"), .init("REGION"),
            .init("TRUST"), .init("KEY"),
        ])
        for candidate in found {
            let statement = try? CandidateStatement(signed: candidate.statement)
            let mistake =
                statement.map { $0.mistake(at: session.now, coordinator: client.coordinatorKey) }
                ?? "its statement is not its own"
            let isPinned = statement.map { policy[$0.machine] != nil } ?? false
            let trust = mistake != nil ? "refused" : isPinned ? "pinned" : "unknown"
            switch session.mode {
            case .json:
                session.console.print(
                    .object([
                        "name": .string(candidate.report.name), "owner": .string(candidate.owner),
                        "key": statement.map { .string($0.machine.description) },
                        "key_id": statement.map { .string($0.machine.id.description) },
                        "class": statement.map { .string($0.capability.rawValue) },
                        "region": .string(statement?.region ?? ""), "trust": .string(trust),
                        "mistake": mistake.map { .string($0) },
                    ]))
            case .quiet: session.console.print(statement?.machine.description ?? "")
            case .table:
                table.add([
                    Table.Cell(candidate.report.name), Table.Cell(candidate.owner),
                    Table.Cell(statement?.capability.rawValue ?? ""), Table.Cell(statement?.region ?? ""),
                    Table.Cell(trust), Table.Cell(statement?.machine.description ?? ""),
                ])
            }
        }
        guard session.mode == .table else { return }
        guard !found.isEmpty else { return session.console.note("no machine that is there takes private jobs") }
        session.console.print(
            table.text(width: session.console.width.map { max($0, 140) }, style: session.console.style), terminator: "")
    }
}

/// `fog candidate pin`
struct CandidatePin: SessionCommand {
    static let configuration = CommandConfiguration(
        "pin", "Seal private jobs to a machine whose key you compared with its owner.",
        examples: ["fog candidate pin fogkey1… --owner lab-a"])

    @Argument(help: "The machine's key, fogkey1…; several are taken.")
    var keys: [String]

    @Option(help: "Whose they are by your own knowledge; jobs are spread over owners.")
    var owner: String?

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        var policy = try CandidatePolicy.load(session.folders.candidatesFile)
        for key in keys { try policy.pin(.init(machine: PublicKey(key), owner: owner)) }
        try policy.save(session.folders.candidatesFile)
        session.show(policy, changed: keys)
    }
}

/// `fog candidate unpin`
struct CandidateUnpin: SessionCommand {
    static let configuration = CommandConfiguration(
        "unpin", "Seal no further job to a machine.", examples: ["fog candidate unpin fogkey1…"],
        more: "What was sealed to it before stays sealed to it.")

    @Argument(help: "The machine's key, fogkey1…; several are taken.")
    var keys: [String]

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        var policy = try CandidatePolicy.load(session.folders.candidatesFile)
        for key in keys { try policy.unpin(PublicKey(key)) }
        try policy.save(session.folders.candidatesFile)
        session.show(policy, changed: keys)
    }
}

extension Session {
    fileprivate func show(_ policy: CandidatePolicy, changed keys: [String]) {
        switch mode {
        case .json: console.print(policy.json)
        case .quiet: for key in keys { console.print(key) }
        case .table: console.print("\(Human.count(policy.pins.count, "machine")) pinned in \(folders.candidatesFile)")
        }
    }
}
