package import FogCore
package import FogNet

/// Runs an authority: gives it the time and what arrives, and does what it decides.
///
/// Everything it says and serves is signed, so it needs no secrecy from its carriers.
package actor DirectoryService: CarrierEndpoint {
    package struct Peer: Sendable {
        package let key: PublicKey
        package let carrier: any Carrier

        package init(key: PublicKey, carrier: any Carrier) {
            self.key = key
            self.carrier = carrier
        }
    }

    /// What an operator wants to know.
    package enum Event: Sendable {
        case published(SignedConsensus)
        case failed(epoch: UInt64, MixnetFailure)
        case equivocation(Equivocation)
        case refused(MixnetFailure)
        case unreachable(PublicKey, CarrierFailure)
    }

    /// Puts on disk what must be there before it is said; throws when it could not.
    package struct Keeping: Sendable {
        package var record: @Sendable (DirectoryRecord) throws -> Void
        package var consensus: @Sendable (SignedConsensus) throws -> Void
        package var equivocation: @Sendable (Equivocation) throws -> Void

        package init(
            record: @escaping @Sendable (DirectoryRecord) throws -> Void,
            consensus: @escaping @Sendable (SignedConsensus) throws -> Void,
            equivocation: @escaping @Sendable (Equivocation) throws -> Void
        ) {
            self.record = record
            self.consensus = consensus
            self.equivocation = equivocation
        }
    }

    package static let root = "/mix/v1"
    /// Messages to one peer that wait for it.
    private static let queueLimit = 512
    private static let tries = 3

    private var authority: Authority
    private let peers: [Peer]
    private let clock: any FogClock
    private let keeping: Keeping
    private let tell: @Sendable (Event) -> Void
    private let queues: [(stream: AsyncStream<[UInt8]>, continuation: AsyncStream<[UInt8]>.Continuation)]

    package init(
        _ authority: Authority, peers: [Peer], clock: any FogClock = SystemClock(), keeping: Keeping,
        tell: @escaping @Sendable (Event) -> Void
    ) {
        self.authority = authority
        self.peers = peers
        self.clock = clock
        self.keeping = keeping
        self.tell = tell
        queues = peers.map { _ in AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.queueLimit)) }
    }

    /// Runs until it is cancelled.
    /// - Throws: what the keeping throws: an authority that forgets what it said is none.
    package func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (peer, queue) in zip(peers, queues) {
                group.addTask { [schedule = authority.schedule] in await self.deliver(queue.stream, to: peer, schedule)
                }
            }
            group.addTask { try await self.keepTime() }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func keepTime() async throws {
        while !Task.isCancelled {
            let now = clock.now
            try act(authority.tick(at: now) { SecureRandom.bytes(DirectoryEcho.secretBytes) })
            if isBehind(at: now) { await catchUp() }
            // A clock may be set while this sleeps, so it never sleeps for longer than an eighth.
            let eighth = TimeSpan(milliseconds: authority.schedule.length.milliseconds / EpochSchedule.eighths)
            let wait = min(authority.wakeAt(after: clock.now) - clock.now, eighth)
            do {
                try await Task.sleep(for: max(wait, .milliseconds(1)).duration)
            } catch {
                return
            }
        }
    }

    private func act(_ effects: [Authority.Effect]) throws {
        for effect in effects {
            switch effect {
            case .keep(let record): try keeping.record(record)
            case .send(let message):
                let bytes = message.bytes
                for queue in queues { queue.continuation.yield(bytes) }
            case .publish(let signed):
                try keeping.consensus(signed)
                tell(.published(signed))
            case .report(let proof):
                try keeping.equivocation(proof)
                tell(.equivocation(proof))
            case .fail(let epoch, let failure): tell(.failed(epoch: epoch, failure))
            }
        }
    }

    // MARK: - Peers

    private nonisolated func deliver(
        _ messages: AsyncStream<[UInt8]>, to peer: Peer, _ schedule: EpochSchedule
    ) async {
        let patience = TimeSpan(milliseconds: schedule.length.milliseconds / EpochSchedule.eighths)
        for await bytes in messages {
            let request = CarrierRequest(method: "POST", target: "\(Self.root)/messages", body: bytes)
            for attempt in 1...Self.tries {
                do throws(CarrierFailure) {
                    _ = try await peer.carrier.send(request, deadline: patience)
                    break
                } catch {
                    if attempt == Self.tries { tell(.unreachable(peer.key, error)) }
                    try? await Task.sleep(for: .milliseconds(patience.milliseconds / 8))
                }
            }
        }
    }

    /// Past the time of publishing, and nothing is there for the next epoch.
    private func isBehind(at now: Timestamp) -> Bool {
        let current = authority.schedule.epoch(at: now)
        guard now >= authority.schedule.time(of: current, eighths: 6) else { return false }
        return (authority.latest?.consensus.epoch ?? 0) <= current
    }

    private func catchUp() async {
        let epoch = authority.schedule.epoch(at: clock.now) + 1
        for peer in peers {
            let request = CarrierRequest(method: "GET", target: "\(Self.root)/consensus?epoch=\(epoch)")
            guard let answer = try? await peer.carrier.send(request, deadline: .seconds(5)), answer.status == 200,
                let signed = try? SignedConsensus(bytes: answer.body),
                let effects = try? authority.receive(.consensus(signed), at: clock.now)
            else { continue }
            try? act(effects)
            if authority.latest?.consensus.epoch == epoch { return }
        }
    }

    // MARK: - Answering

    package func handle(_ request: CarrierRequest) async -> CarrierResponse {
        switch (request.method, request.path) {
        case ("POST", "\(Self.root)/messages"): return receive(request.body)
        case ("GET", "\(Self.root)/consensus"): return consensus(request.query)
        case ("GET", "\(Self.root)/status"): return .json(status)
        case ("GET", "\(Self.root)/equivocations"):
            return .json(.array(authority.equivocations.map(Self.document)))
        default: return .problem(404, MixnetFailure("not_found", "there is nothing at \(request.path.prefix(80))"))
        }
    }

    private func receive(_ body: [UInt8]) -> CarrierResponse {
        do throws(MixnetFailure) {
            guard body.count <= DirectoryMessage.byteLimit else {
                throw MixnetFailure("too_large", "a message has at most \(DirectoryMessage.byteLimit) bytes")
            }
            let effects = try authority.receive(try DirectoryMessage(bytes: body), at: clock.now)
            do {
                try act(effects)
            } catch {
                return .problem(500, MixnetFailure("not_kept", "\(error)"))
            }
            return CarrierResponse(status: 204)
        } catch {
            tell(.refused(error))
            return .problem(error.code == "too_large" ? 413 : 422, error)
        }
    }

    private func consensus(_ query: String) -> CarrierResponse {
        var found = authority.latest
        if query.hasPrefix("epoch=") {
            guard let epoch = UInt64(query.dropFirst(6)) else {
                return .problem(400, MixnetFailure("bad_query", "epoch is a number"))
            }
            found = authority.consensus(of: epoch)
        }
        guard let found else {
            return .problem(404, MixnetFailure("no_consensus", "there is no consensus of this epoch here"))
        }
        return CarrierResponse(
            status: 200,
            headers: [
                "content-type": "application/octet-stream", "etag": "\"\(found.consensus.digest)\"",
                "cache-control": "max-age=\(authority.schedule.length.milliseconds / 8000)",
            ], body: found.bytes)
    }

    private var status: JSON {
        let parameters = authority.configuration.parameters
        let latest = authority.latest
        return .object([
            "network": .string(parameters.name), "kind": .string(parameters.kind.description),
            "authority": .string(authority.configuration.key.publicKey.description),
            "epoch": .integer(Int64(authority.schedule.epoch(at: clock.now))),
            "latest_epoch": latest.map { .integer(Int64($0.consensus.epoch)) },
            "latest_digest": latest.map { .string($0.consensus.digest.description) },
            "nodes": latest.map { .integer(Int64($0.consensus.nodes.count)) },
            "voters": latest.map { .integer(Int64($0.consensus.voters.count)) },
            "signatures": latest.map { .integer(Int64($0.signatures.count)) },
            "equivocations": .integer(Int64(authority.equivocations.count)),
        ])
    }

    private static func document(_ proof: Equivocation) -> JSON {
        .object([
            "authority": .string(proof.authority.description), "kind": .string("\(proof.first.kind)"),
            "epoch": .integer(Int64(proof.first.epoch)), "proof": .string(Hex.encode(proof.bytes)),
        ])
    }
}

extension CarrierResponse {
    fileprivate static func json(_ document: JSON) -> CarrierResponse {
        CarrierResponse(
            status: 200, headers: ["content-type": "application/json"], body: Array((document.compact + "\n").utf8))
    }

    fileprivate static func problem(_ status: Int, _ failure: MixnetFailure) -> CarrierResponse {
        let document = JSON.object([
            "status": .integer(Int64(status)), "code": .string(failure.code), "detail": .string(failure.message),
        ])
        return CarrierResponse(
            status: status, headers: ["content-type": "application/problem+json"],
            body: Array((document.compact + "\n").utf8))
    }
}
