package import FogCore
package import FogLedger
package import FogNet
internal import Synchronization

/// Witnesses logs over HTTP: C2SP tlog-witness, `POST /add-checkpoint` and `GET /ORIGIN-HASH/checkpoint`.
///
/// It says of a log's checkpoint that it goes on from all that it said before, and nothing else. The newest head of each
/// log is kept before the answer leaves, so that neither a restart nor two requests at once make it say two things.
package final class WitnessService: CarrierEndpoint {
    /// A log tried to go on from another history: both checkpoints are signed, so that anybody can judge.
    package struct Evidence: Sendable {
        package let origin: String
        package let words: String
        /// Of the tree that was cosigned.
        package let keptSize: UInt64
        package let json: JSON
    }

    private struct Kept {
        var head: TreeHead
        /// With the log's signature and ours.
        var note: SignedNote
    }

    package let name: String
    private let key: SigningKey
    private let logs: [NoteKey]
    private let clock: any FogClock
    private let keep: @Sendable (_ origin: String, _ note: [UInt8]) throws -> Void
    private let report: @Sendable (Evidence) -> Void
    /// Held while a head is stored: judging and storing are one step.
    private let newest: Mutex<[String: Kept]>

    /// - Parameters:
    ///   - name: of the witness, in its signatures.
    ///   - logs: that are witnessed, by their keys.
    ///   - kept: notes that were cosigned before, the newest of each log.
    ///   - keep: stores a note so that it survives a crash; the answer waits for it.
    ///   - report: told of a log that shows another history.
    /// - Throws: `bad_note_key` for a name that is none; what ``VerifiedCheckpoint/init(_:key:)`` throws for a kept note.
    package init(
        name: String, key: SigningKey, logs: [NoteKey], kept: [[UInt8]], clock: any FogClock = SystemClock(),
        keep: @escaping @Sendable (_ origin: String, _ note: [UInt8]) throws -> Void,
        report: @escaping @Sendable (Evidence) -> Void = { _ in }
    ) throws(LedgerFailure) {
        let own = try NoteKey(name: name, kind: .cosignature, key: key.publicKey)
        var newest: [String: Kept] = [:]
        for bytes in kept {
            let origin = try Checkpoint(text: SignedNote(bytes).text).origin
            guard let log = logs.first(where: { $0.name == origin }) else { continue }
            let checkpoint = try VerifiedCheckpoint(bytes, key: log)
            guard try checkpoint.witnesses(among: [own]) == [own] else {
                throw LedgerFailure("bad_signature", "the kept checkpoint of `\(origin)` lacks our own cosignature")
            }
            newest[origin] = Kept(head: checkpoint.head, note: checkpoint.note)
        }
        (self.name, self.key, self.logs, self.clock, self.keep, self.report) = (name, key, logs, clock, keep, report)
        self.newest = Mutex(newest)
    }

    /// What others verify its cosignatures with.
    package var verifierKey: NoteKey {
        get throws(LedgerFailure) { try NoteKey(name: name, kind: .cosignature, key: key.publicKey) }
    }

    /// The file name of a log: SHA-256 of its origin, as the monitoring path has it.
    package static func fileName(of origin: String) -> String { Digest.sha256(Array(origin.utf8)).description }

    package func handle(_ request: CarrierRequest) async -> CarrierResponse {
        switch (request.method, request.path) {
        case ("POST", "/add-checkpoint"): return add(request.body)
        case ("GET", "/"): return .text(((try? verifierKey)?.description ?? name) + "\n")
        case ("GET", let path) where path.hasSuffix("/checkpoint"):
            let hash = path.dropFirst().dropLast("/checkpoint".count)
            let found = newest.withLock { all in all.first { Self.fileName(of: $0.key) == hash }?.value.note }
            guard let found else { return .text("no checkpoint was cosigned for such a log\n", status: 404) }
            return .text(String(decoding: found.bytes, as: UTF8.self))
        case (_, "/add-checkpoint"): return .text("add-checkpoint takes POST\n", status: 405)
        default: return .text("a witness has POST /add-checkpoint and GET /ORIGIN-HASH/checkpoint\n", status: 404)
        }
    }

    private func add(_ body: [UInt8]) -> CarrierResponse {
        newest.withLock { all in
            let verdict = Witness.judge(body, logs: logs) { all[$0]?.head }
            switch verdict {
            case .consistent(let shown): return cosign(shown, &all)
            case .conflict(let size):
                return CarrierResponse(
                    status: 409, headers: ["content-type": "text/x.tlog.size"], body: Array("\(size)\n".utf8))
            case .malformed(let words), .unknownLog(let words), .unsigned(let words):
                return .text(words + "\n", status: verdict.status)
            case .inconsistent(let words, _, let shown):
                report(evidence(of: shown, words, all[shown.checkpoint.origin], body))
                return .text(words + "\n", status: 422)
            }
        }
    }

    private func cosign(_ shown: VerifiedCheckpoint, _ all: inout [String: Kept]) -> CarrierResponse {
        let origin = shown.checkpoint.origin
        do {
            let line = try key.cosign(shown.note.text, as: name, at: clock.now)
            guard let log = logs.first(where: { $0.name == origin }) else { throw LedgerFailure("wrong_log", origin) }
            var note = SignedNote(text: shown.note.text, signatures: try shown.note.signatures(by: log))
            note.add(line)
            try keep(origin, note.bytes)
            all[origin] = Kept(head: shown.head, note: note)
            return .text(line.line)
        } catch {
            return .text("the checkpoint could not be kept, so it is not cosigned\n", status: 500)
        }
    }

    private func evidence(
        of shown: VerifiedCheckpoint, _ words: String, _ kept: Kept?, _ body: [UInt8]
    ) -> Evidence {
        func text(_ note: SignedNote) -> JSON { .string(String(decoding: note.bytes, as: UTF8.self)) }
        let proof = (try? WitnessRequest(body))?.proof ?? []
        return Evidence(
            origin: shown.checkpoint.origin, words: words, keptSize: kept?.head.size ?? 0,
            json: .object([
                "type": "fog-log-evidence-v1", "origin": .string(shown.checkpoint.origin), "code": "log_fork",
                "found": .string(words), "kept": kept.map { text($0.note) }, "shown": text(shown.note),
                "proof": .array(proof.map { .string(Base64.encode($0.bytes)) }),
            ]))
    }
}
