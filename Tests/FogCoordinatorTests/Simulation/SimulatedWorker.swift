import FogCore
import FogJobs
import FogStore

@testable import FogCoordinator

/// A machine: computes, forgets, repeats itself, hears nothing for minutes.
final class SimulatedWorker {
    private let world: World
    private let coordinator: SimulatedCoordinator
    private let number: Int
    private let key: SigningKey
    private let slots: Int
    private let isLiar: Bool
    private var life = 0
    private var isUp = true
    private var isKnown = false
    private var running: [AttemptID: Lease] = [:]
    /// Results that were not acknowledged; on disk, so they outlive a crash.
    private var spool: [AttemptID: VerifiedReport] = [:]
    /// What the coordinator said it has.
    private(set) var acknowledged: [AttemptID: Outcome] = [:]

    init(
        _ number: Int, key: SigningKey, slots: Int, isLiar: Bool, world: World, coordinator: SimulatedCoordinator
    ) {
        self.isLiar = isLiar
        self.number = number
        self.key = key
        self.slots = slots
        self.world = world
        self.coordinator = coordinator
        live()
    }

    private var allowance: Allowance {
        Allowance(
            state: .open, reason: "dedicated", cpuCap: .cores(Int64(slots)), memoryCap: .gibibytes(64), slots: slots)
    }

    private func live() {
        every(10_000) { $0.isKnown ? $0.beat() : $0.hello() }
        every(3_000) { $0.poll() }
        every(2_000) { $0.deliver() }
    }

    private func every(_ span: Int64, _ act: @escaping (SimulatedWorker) -> Void) {
        let mine = life
        world.after(world.draw(1...span)) { [self] in repeated(span, mine, act) }
    }

    private func repeated(_ span: Int64, _ mine: Int, _ act: @escaping (SimulatedWorker) -> Void) {
        guard mine == life, isUp else { return }
        act(self)
        world.after(span) { [self] in repeated(span, mine, act) }
    }

    /// A request and its answer, each at the mercy of the network; an answer to a former life is lost.
    private func ask<Answer>(
        _ decide: @escaping (inout CoordinatorCore, Moment) -> Answer, _ answer: @escaping (Answer) -> Void
    ) {
        let mine = life
        world.carry(number) { [self] in
            coordinator.ask(decide) { [self] result in
                world.carry(number) { [self] in if mine == life, isUp { answer(result) } }
            }
        }
    }

    // MARK: Talking

    private func hello() {
        let report = NodeReport(
            name: "n\(number)", architecture: "x86_64", cpu: .cores(Int64(slots)), memory: .gibibytes(64),
            disk: .gibibytes(100))
        let hello = WorkerHello(
            report: report, allowance: allowance, incarnation: "\(number)-\(life)",
            holding: (Array(running.keys) + Array(spool.keys)).sorted())
        let key = key.publicKey.id
        ask({ core, now in try? core.hello(hello, from: key, at: now) }) { [self] terms in
            guard let terms else { return }
            isKnown = true
            drop(terms.stale)
        }
    }

    private func beat() {
        let items =
            running.keys.sorted().map { Heartbeat.Item(attempt: $0, state: .running) }
            + spool.keys.sorted().map { Heartbeat.Item(attempt: $0, state: .uploading) }
        let beat = Heartbeat(allowance: allowance, attempts: items)
        let key = key.publicKey.id
        ask({ core, now in core.heartbeat(beat, from: key, at: now) }) { [self] answer in
            if answer.helloWanted { isKnown = false }
            drop(answer.stale)
            for id in answer.cancel where running[id] != nil { end(id, .cancelled, exitCode: nil) }
        }
    }

    private func poll() {
        let want = slots - running.count
        guard isKnown, want > 0 else { return }
        let (key, allowance) = (key.publicKey.id, allowance)
        ask({ core, now -> [Lease] in
            guard let id = core.nodeOfKey[key],
                core.nodes[id]?.liveness == .live || core.nodes[id]?.liveness == .suspect
            else { return [] }
            core.hear(id, allowance: allowance, at: now)
            core.nodes[id]?.want = want
            core.placementWanted = true
            _ = core.place(at: now, clock: StillClock())
            let leases = core.grant(to: id, at: now)
            core.nodes[id]?.want = 0
            return leases
        }) { [self] leases in
            for lease in leases where running[lease.attempt] == nil && spool[lease.attempt] == nil {
                // A repeated answer brings an attempt that ended here long ago.
                guard acknowledged[lease.attempt] == nil else { continue }
                run(lease)
            }
        }
    }

    private func deliver() {
        guard isKnown, !spool.isEmpty else { return }
        let reports = spool.sorted { $0.key < $1.key }.map(\.value)
        let key = key.publicKey.id
        let coordinator = coordinator
        ask({ core, now in
            reports.map { report in
                core.complete(report, from: key, at: now) ?? Self.past(report, coordinator)
            }
        }) { [self] verdicts in
            for verdict in verdicts {
                world.saw("verdict \(verdict.verdict.rawValue)")
                guard let id = verdict.attempt, let report = spool.removeValue(forKey: id) else { continue }
                guard verdict.verdict == .accepted || verdict.verdict == .exists else { continue }
                acknowledged[id] = report.receipt.receipt.outcome
                if coordinator.ended[id] == nil, !coordinator.heldResults.contains(id) {
                    world.violated("\(id) was acknowledged and is not stored")
                }
            }
        }
    }

    /// What the service looks up in the store for an attempt that is not live.
    private static func past(_ report: VerifiedReport, _ coordinator: SimulatedCoordinator) -> CompletionVerdict {
        let id = report.receipt.receipt.attempt
        let isSame = coordinator.ended[id]?.receipt == EvidenceDigest.of(report.receipt)
        return CompletionVerdict(attempt: id, verdict: isSame ? .exists : .stale)
    }

    private func drop(_ attempts: [AttemptID]) {
        for id in attempts {
            running[id] = nil
            spool[id] = nil
        }
    }

    // MARK: Working

    private func run(_ lease: Lease) {
        running[lease.attempt] = lease
        let mine = life
        world.after(world.chance(0.8) ? world.draw(100...20_000) : world.draw(20_000...300_000)) { [self] in
            guard mine == life, isUp, running[lease.attempt] != nil else { return }
            switch world.draw(0...99) {
            case 0..<80: end(lease.attempt, .success, exitCode: 0)
            case 80..<88: end(lease.attempt, .exitNonzero, exitCode: 1)
            case 88..<92: end(lease.attempt, .evictedUser, exitCode: nil)
            case 92..<95: end(lease.attempt, .launchFailed, exitCode: nil)
            case 95..<97: end(lease.attempt, .timeout, exitCode: nil)
            default: end(lease.attempt, .stageInFailed, exitCode: nil)
            }
        }
    }

    private func end(_ id: AttemptID, _ outcome: Outcome, exitCode: Int?) {
        guard let lease = running.removeValue(forKey: id) else { return }
        // The last machine lies now and then; the others are honest.
        var outputs = [OutputFile(name: "out", size: 1, executable: false, digest: .blake2b([1]))]
        if outcome != .success {
            outputs = []
        } else if isLiar, world.chance(0.3) {
            outputs[0].digest = SimulatedCoordinator.lie
        }
        let receipt = Receipt(
            coordinator: coordinator.key.publicKey, attempt: id, node: key.publicKey, profileDigest: .zero,
            missingIsolation: [], inputDigest: lease.inputDigest, outputDigest: manifestDigest(outputs),
            stdoutDigest: .zero,
            stderrDigest: .zero, exitCode: exitCode, signal: nil, outcome: outcome,
            usage: Usage(
                cpuNanoseconds: world.draw(0...10_000_000_000), wallNanoseconds: world.draw(0...10_000_000_000),
                peakBytes: 1 << 20, source: .rusage),
            priceBound: lease.priceBound)
        let signed = SignedReceipt(receipt, signedWith: key)
        var checkpoint: [OutputFile]?
        if outcome == .evictedUser, world.chance(0.7) {
            let content = Digest.blake2b([UInt8(world.draw(0...200))])
            checkpoint = [OutputFile(name: "state", size: 1, executable: false, digest: content)]
        }
        let blobs = (outputs + (checkpoint ?? [])).map {
            BlobRecord(digest: $0.digest, size: 1, inline: nil, createdAt: coordinator.now.wall)
        }
        spool[id] = VerifiedReport(
            receipt: signed,
            report: AttemptReport(
                receipt: signed, outputs: outputs, contents: outputs.map { _ in nil }, stdout: nil, stderr: nil,
                stdoutSize: 0, stderrSize: 0,
                detail: nil, checkpoint: checkpoint), blobs: blobs)
    }

    /// Dies on the spot and comes back: what ran is gone, the spool is not.
    func crash() {
        world.saw("worker crash")
        life += 1
        isUp = false
        isKnown = false
        running = [:]
        world.after(world.chance(0.7) ? world.draw(500...20_000) : world.draw(20_000...300_000)) { [self] in
            isUp = true
            live()
        }
    }
}
