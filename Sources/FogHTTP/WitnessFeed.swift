package import FogCoordinator
internal import FogCore
package import FogLedger
package import FogNet
package import Logging
internal import ServiceLifecycle

/// Shows a coordinator's checkpoints to its witnesses, and keeps what they cosign: the client's side of C2SP tlog-witness.
///
/// A witness that cannot be reached is asked again with the next round; nothing of the coordinator waits for one.
package actor WitnessFeed: Service {
    package struct Place: Sendable {
        /// What its cosignatures are verified with.
        package let key: NoteKey
        package let carrier: any Carrier

        package init(key: NoteKey, carrier: any Carrier) { (self.key, self.carrier) = (key, carrier) }
    }

    /// Time between rounds; a round asks nobody anything while the log has not grown.
    private static let every = Duration.seconds(2)
    private static let deadline = TimeSpan.seconds(10)

    private let coordinator: Coordinator
    private let places: [Place]
    private let keep: @Sendable ([UInt8]) throws -> Void
    private let logger: Logger
    /// The size that each witness cosigned last, as far as is known here.
    private var sizes: [NoteKey: UInt64] = [:]
    /// Witnesses that see another history: said once, and not asked again before the next start.
    private var refused: Set<NoteKey> = []

    /// - Parameter keep: stores the newest cosigned note for the next start.
    package init(
        of coordinator: Coordinator, to places: [Place], logger: Logger,
        keep: @escaping @Sendable ([UInt8]) throws -> Void
    ) {
        (self.coordinator, self.places, self.logger, self.keep) = (coordinator, places, logger, keep)
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.round()
                try? await Task.sleep(for: Self.every)
            }
        }
    }

    /// Shows the newest checkpoint to every witness that has not cosigned it.
    package func round() async {
        guard let bytes = try? await coordinator.checkpoint(), let note = try? SignedNote(bytes),
            let head = try? Checkpoint(text: note.text).head
        else { return }
        let waiting = places.filter { sizes[$0.key] != head.size && !refused.contains($0.key) }
        guard !waiting.isEmpty else { return }
        var lines: [NoteSignature] = []
        for place in waiting {
            do {
                lines += try await ask(place, for: note, head)
            } catch {
                logger.warning(
                    "a witness gave no cosignature",
                    metadata: ["witness": "\(place.key.name)", "error": "\(error)"])
            }
        }
        guard !lines.isEmpty else { return }
        var cosigned = note
        // What others said of the same checkpoint before stays.
        if let kept = await coordinator.cosigned.flatMap({ try? SignedNote($0) }), kept.text == note.text {
            cosigned = kept
        }
        for line in lines { cosigned.add(line) }
        do {
            try keep(cosigned.bytes)
            await coordinator.keep(cosigned: cosigned.bytes)
        } catch {
            logger.error("cosignatures could not be kept", metadata: ["error": "\(error)"])
        }
    }

    /// - Parameter again: whether the witness may say once what it has.
    private func ask(
        _ place: Place, for note: SignedNote, _ head: TreeHead, again: Bool = true
    ) async throws -> [NoteSignature] {
        let old = min(sizes[place.key] ?? 0, head.size)
        let proof = try await coordinator.consistency(from: old, to: head.size)
        let request = WitnessRequest(oldSize: old, proof: proof, note: note.bytes)
        let answer = try await place.carrier.send(
            CarrierRequest(method: "POST", target: "/add-checkpoint", body: request.bytes), deadline: Self.deadline)
        let text = String(decoding: answer.body.prefix(200), as: UTF8.self).split(separator: "\n").first ?? ""
        switch answer.status {
        case 200: return try cosignatures(answer.body, of: note, by: place.key, head)
        case 409:
            guard again, let size = UInt64(text) else {
                throw LedgerFailure("bad_answer", "409 with `\(text)`, wanted a size")
            }
            guard size <= head.size else {
                tell(place, "it cosigned \(size) records, and the log has \(head.size): was it restored from a backup?")
                return []
            }
            sizes[place.key] = size
            return try await ask(place, for: note, head, again: false)
        case 422:
            tell(place, String(text))
            return []
        default: throw LedgerFailure("bad_answer", "\(answer.status): \(text)")
        }
    }

    private func cosignatures(
        _ body: [UInt8], of note: SignedNote, by key: NoteKey, _ head: TreeHead
    ) throws -> [NoteSignature] {
        // Lines of other keys are passed over, as tlog-witness wants it.
        let lines = try SignedNote(Array((note.text + "\n").utf8) + body).signatures(by: key)
        guard let newest = lines.last, (Cosignature(newest)?.seconds ?? 0) > 0 else {
            throw LedgerFailure("bad_answer", "no cosignature of \(key.name) in the answer")
        }
        sizes[key] = head.size
        return [newest]
    }

    private func tell(_ place: Place, _ words: String) {
        guard refused.insert(place.key).inserted else { return }
        logger.error(
            "a witness saw another history of this log",
            metadata: ["witness": "\(place.key.name)", "found": "\(words)"])
    }
}
