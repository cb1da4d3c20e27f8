internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogMixnet

/// `fog mixnet audit`
struct MixnetAudit: SessionCommand {
    static let configuration = CommandConfiguration(
        "audit", "Find mixes that do not keep to their delays, or lose packets.",
        examples: ["fog mixnet audit network.json", "fog mixnet audit network.json --loops 400 -o json"],
        more: """
            Sends loops through all mixes over the next epoch, waits until the mixes have proved the delays that they owed in it, which \
            takes nearly two epochs more, and compares. Commands that go through the network avoid whom it named. Exit 0: no mix is at fault; 1: some are, and named.
            """)

    @Argument(help: "The network's file.", completion: .file())
    var network: String

    @Option(help: "How many loops, 20 to 4096; default forty through each mix.")
    var loops: Int?

    @Option(help: "Hops of a loop, 1 to 7.")
    var hops = 3

    @OptionGroup var common: LocalOptions

    func validate() throws {
        if let loops, !(20...LoopAudit.loopsLimit).contains(loops) {
            throw ValidationError("--loops must be 20 to \(LoopAudit.loopsLimit), found \(loops)")
        }
        guard (1...PacketSuite.slots).contains(hops) else {
            throw ValidationError("--hops must be 1 to \(PacketSuite.slots), found \(hops)")
        }
    }

    func run(_ session: Session) async throws {
        let file = try DirectoryPlaces.network(network)
        let ways = try DirectoryPlaces.carriers(file).map(\.carrier)
        let result: Result<Bool, any Error>
        do {
            if file.parameters.kind == .test { session.console.warn("NO ANONYMITY: this is a test network") }
            result = .success(try await audit(file, DirectoryClient(ways), session))
        } catch {
            result = .failure(error)
        }
        for way in ways { await way.shutDown() }
        if try result.get() { throw ExitCode.failure }
    }

    /// Epochs that are tried: now and then the authorities agree on nothing.
    private static let tries = 3

    /// - Returns: whether a mix is at fault.
    private func audit(_ file: NetworkFile, _ client: DirectoryClient, _ session: Session) async throws -> Bool {
        for attempt in 1...Self.tries {
            do {
                return try await auditOnce(file, client, session)
            } catch let failure as MixnetFailure where failure.code == "no_directory" && attempt < Self.tries {
                session.console.warn("\(failure.message); once more")
            }
        }
        return false
    }

    private func auditOnce(_ file: NetworkFile, _ client: DirectoryClient, _ session: Session) async throws -> Bool {
        let (clock, schedule) = (session.clock, file.parameters.schedule)
        var trust = try DirectoryTrust(parameters: file.parameters, authorities: file.authorities.map(\.key))
        let epoch = schedule.epoch(at: clock.now) + 1
        session.console.note("loops go through epoch \(epoch), which begins at \(schedule.time(of: epoch).plain)")
        try await Self.sleep(until: schedule.time(of: epoch, eighths: 1), clock)
        trust = try await Self.following(trust, until: epoch, client, clock)
        guard let consensus = trust.recent[epoch]?.consensus else {
            throw MixnetFailure("no_directory", "there is no consensus of epoch \(epoch)")
        }
        let mixes = consensus.nodes.count { $0.layer != nil }
        let count = loops ?? min(LoopAudit.loopsLimit, max(60, 40 * mixes / hops))
        let run = try LoopRun(trust, epoch: epoch, clock: clock)
        try await run.run(count, hops: hops, until: schedule.time(of: epoch, eighths: 6))
        let audit = await run.audit
        let (sent, returned) = audit.count(of: epoch)
        let proved = schedule.time(of: epoch + 1, eighths: 5)
        session.console.note("\(returned) of \(sent) loops came back; proofs are there from \(proved.plain) on")
        try await Self.sleep(until: schedule.time(of: epoch + 1, eighths: 1), clock)
        // On the way, so that the documents between are there as well.
        trust = try await Self.following(trust, until: epoch + 1, client, clock)
        try await Self.sleep(until: proved, clock)
        trust = try await Self.following(trust, until: epoch + 2, client, clock)
        guard let findings = audit.findings(of: epoch, trust), let later = trust.recent[epoch + 2]?.consensus else {
            throw MixnetFailure(
                "no_directory",
                "there is no consensus of epoch \(epoch + 2), which would have the proofs of epoch \(epoch)")
        }
        var reputation = MixReputation()
        reputation.take(later, past: consensus)
        reputation.take(findings, of: epoch)
        try MixClientFolder(of: file.parameters.networkID, in: session.folders.state).keep(reputation)
        Self.show(findings, reputation, epoch, session)
        return findings.keys.contains { !reputation.faults(of: $0, in: epoch).isEmpty }
    }

    private static func sleep(until time: Timestamp, _ clock: any FogClock) async throws {
        try await Task.sleep(for: max(time - clock.now, .zero).duration)
    }

    /// Looks for the consensus of an epoch until an epoch is over.
    private static func following(
        _ trust: DirectoryTrust, until epoch: UInt64, _ client: DirectoryClient, _ clock: any FogClock
    ) async throws -> DirectoryTrust {
        var trust = trust
        let end = clock.now + trust.schedule.length
        while trust.accepted?.consensus.epoch ?? 0 < epoch, clock.now < end {
            trust = (try? await client.refreshed(trust, for: epoch, at: clock.now)) ?? trust
            if trust.accepted?.consensus.epoch ?? 0 >= epoch { break }
            try await Task.sleep(for: TimeSpan(milliseconds: trust.schedule.length.milliseconds / 32).duration)
        }
        return trust
    }

    // MARK: - Telling

    private static func show(
        _ findings: [PublicKey: LoopAudit.Finding], _ reputation: MixReputation, _ epoch: UInt64, _ session: Session
    ) {
        let nodes = findings.sorted { $0.key < $1.key }
        guard session.mode != .json else {
            return session.console.printLine(
                .object([
                    "epoch": .integer(Int64(epoch)),
                    "nodes": .array(nodes.map { document($0.key, $0.value, reputation, epoch) }),
                ]))
        }
        var table = Table([
            .init("NODE"), .init("LOOPS", right: true), .init("ARRIVE", right: true), .init("DELAY SLOPE", right: true),
            .init("PROVED"), .init("VERDICT", yields: true),
        ])
        for (key, finding) in nodes {
            let faults = reputation.faults(of: key, in: epoch)
            table.add([
                Table.Cell(key.id.description), "\(finding.share?.loops ?? 0)",
                Table.Cell(finding.share.map { "\(percent($0.value)) %" } ?? ""),
                Table.Cell(finding.delays.map { "\(rounded($0.slope)) ± \(rounded($0.error))" } ?? ""),
                Table.Cell(finding.hasProved ? "yes" : "no"),
                Table.Cell(
                    faults.isEmpty
                        ? finding.delays?.verdict == .honest
                            ? "keeps to its delays" : "nothing can be said of its delays"
                        : faults.map(\.rawValue).joined(separator: ", ")),
            ])
        }
        session.console.print(table)
    }

    private static func document(
        _ key: PublicKey, _ finding: LoopAudit.Finding, _ reputation: MixReputation, _ epoch: UInt64
    ) -> JSON {
        .object([
            "key": .string(key.description), "loops": .integer(Int64(finding.share?.loops ?? 0)),
            "arriving": finding.share.map { .double($0.value) }, "has_proved_delays": .bool(finding.hasProved),
            "delay_slope": finding.delays.map { .double($0.slope) },
            "delay_slope_error": finding.delays.flatMap { $0.error.isFinite ? .double($0.error) : nil },
            "faults": .array(reputation.faults(of: key, in: epoch).map { .string($0.rawValue) }),
        ])
    }

    private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
    private static func percent(_ value: Double) -> Int { Int((value * 100).rounded()) }
}
