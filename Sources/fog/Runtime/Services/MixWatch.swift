internal import FogCoordinator
internal import FogCore
internal import FogMixnet
internal import FogPlacement
internal import Logging
internal import ServiceLifecycle

/// A coordinator's own audit of the mixes of the network that it answers through: loops in each epoch, judged when the
/// proofs of its delays are out. What a mix does wrong tells of its owner's machines.
struct MixWatch: Service {
    /// Of a loop.
    private static let hops = 3
    /// Loops through each mix in an epoch: half as many would be enough to tell a cheat.
    private static let loopsPerMix = 40

    let member: MixMember
    let coordinator: Coordinator
    let clock: any FogClock
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown { await watch() }
    }

    private func watch() async {
        var (reputation, audits) = (MixReputation(), [UInt64: LoopAudit]())
        while !Task.isCancelled {
            let trust = await member.membership.trust
            for (epoch, audit) in audits.sorted(by: { $0.key < $1.key }) {
                guard let findings = audit.findings(of: epoch, trust) else { continue }
                audits[epoch] = nil
                await tell(findings, of: epoch, &reputation)
            }
            // Those whose proofs never came out.
            while audits.count > LoopAudit.epochsLimit { audits.keys.min().map { audits[$0] = nil } }
            let epoch = trust.schedule.epoch(at: clock.now)
            if audits[epoch] == nil, let audit = await loops(of: epoch, trust) { audits[epoch] = audit }
            let pause = TimeSpan(milliseconds: trust.schedule.length.milliseconds / 16)
            try? await Task.sleep(for: pause.duration)
        }
    }

    /// Sends the epoch's loops, spread over what is left of its first six eighths; nil when it has no consensus of its own.
    private func loops(of epoch: UInt64, _ trust: DirectoryTrust) async -> LoopAudit? {
        let end = trust.schedule.time(of: epoch, eighths: 6)
        guard clock.now < end, let consensus = trust.recent[epoch]?.consensus,
            let run = try? LoopRun(trust, epoch: epoch, clock: clock)
        else { return nil }
        // A loop meets one mix of each layer: those of the widest are met the least.
        let widest = (0..<consensus.parameters.layers).map { consensus.layer($0).count }.max() ?? 0
        let count = min(LoopAudit.loopsLimit, Self.loopsPerMix * widest)
        do {
            try await run.run(count, hops: Self.hops, until: end)
        } catch {
            logger.debug("Loops of an epoch were not all sent.", metadata: ["epoch": "\(epoch)", "error": "\(error)"])
        }
        return await run.audit
    }

    /// A fault counts when it is found, and again when it was forgotten since, a day of epochs later.
    private func tell(
        _ findings: [PublicKey: LoopAudit.Finding], of epoch: UInt64, _ reputation: inout MixReputation
    ) async {
        let before = reputation
        reputation.take(findings, of: epoch)
        for mix in findings.keys.sorted() {
            let known = before.faults(of: mix, in: epoch)
            for fault in reputation.faults(of: mix, in: epoch) where !known.contains(fault) {
                logger.warning(
                    "A mix is at fault.",
                    metadata: ["mix": "\(mix)", "fault": "\(fault.rawValue)", "epoch": "\(epoch)"])
                guard let verdict = Self.verdict(fault) else { continue }
                do {
                    try await coordinator.learn(verdict, ofMix: mix, epoch: epoch)
                } catch {
                    logger.error("A mix's fault could not be noted.", metadata: ["mix": "\(mix)", "error": "\(error)"])
                }
            }
        }
    }

    private static func verdict(_ fault: MixReputation.Fault) -> Evidence.Verdict? {
        switch fault {
        case .cheats: .mixCheat
        case .loses: .mixLossy
        case .unproved: nil
        }
    }
}
