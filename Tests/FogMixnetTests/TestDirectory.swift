import FogCore
import FogMixnet
import FogNet
import Foundation
import Synchronization

/// A clock that stands until it is set.
final class SetClock: FogClock {
    private let time: Mutex<Timestamp>

    init(_ time: Timestamp) { self.time = Mutex(time) }

    var now: Timestamp { time.withLock { $0 } }
    var sinceBoot: TimeSpan { now - Timestamp(seconds: 0) }
    func set(_ time: Timestamp) { self.time.withLock { $0 = time } }
}

/// Real authorities that hear each other at once, at the times that a test goes through.
actor TestDirectory: CarrierEndpoint {
    let parameters: NetworkParameters
    let keys: [SigningKey]
    let clock: SetClock
    private var authorities: [Authority]
    /// An authority that is away neither hears nor says anything.
    private var isAway = false
    private(set) var descriptors: [SignedDescriptor] = []

    init(_ parameters: NetworkParameters, count: Int, clock: SetClock) throws {
        self.parameters = parameters
        self.clock = clock
        let keys = (0..<count).map { _ in SigningKey.generate() }
        self.keys = keys
        authorities = keys.map { key in
            Authority(.init(parameters: parameters, key: key, authorities: keys.map(\.publicKey)))
        }
    }

    func leave() { isAway = true }

    func latest() -> Consensus? { authorities[0].latest?.consensus }
    func consensus(of epoch: UInt64) -> Consensus? { authorities[0].consensus(of: epoch)?.consensus }

    /// Lets all look at the clock.
    func tick() {
        for place in authorities.indices {
            act(authorities[place].tick(at: clock.now) { SecureRandom.bytes(DirectoryEcho.secretBytes) }, of: place)
        }
    }

    private func act(_ effects: [Authority.Effect], of place: Int) {
        for case .send(let message) in effects {
            for other in authorities.indices where other != place {
                if let next = try? authorities[other].receive(message, at: clock.now) { act(next, of: other) }
            }
        }
    }

    func handle(_ request: CarrierRequest) -> CarrierResponse {
        guard !isAway else { return CarrierResponse(status: 503) }
        if request.method == "GET" {
            let epoch = request.query.hasPrefix("epoch=") ? UInt64(request.query.dropFirst(6)) : nil
            let found = epoch.map { authorities[0].consensus(of: $0) } ?? authorities[0].latest
            return found.map { CarrierResponse(status: 200, body: $0.bytes) } ?? CarrierResponse(status: 404)
        }
        do {
            let message = try DirectoryMessage(bytes: request.body)
            if case .descriptor(let signed) = message { descriptors.append(signed) }
            for place in authorities.indices { _ = try authorities[place].receive(message, at: clock.now) }
            return CarrierResponse(status: 204)
        } catch {
            return CarrierResponse(status: 422, body: Array("\(error)".utf8))
        }
    }
}

/// What a member left on disk.
final class MemberDisk: Sendable {
    private let state = Mutex<(consensus: [UInt64: SignedConsensus], descriptor: SignedDescriptor?)>(([:], nil))

    var keeping: MixMember.Keeping {
        MixMember.Keeping(
            consensus: { documents in self.state.withLock { $0.consensus = documents } },
            descriptor: { signed in self.state.withLock { $0.descriptor = signed } })
    }

    func membership(_ directory: TestDirectory) throws -> MixMembership {
        let (documents, descriptor) = state.withLock { $0 }
        let trust = try DirectoryTrust(
            parameters: directory.parameters, authorities: directory.keys.map(\.publicKey),
            before: Array(documents.values))
        return MixMembership(parameters: directory.parameters, trust: trust, descriptor: descriptor)
    }
}
