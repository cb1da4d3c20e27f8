import FogCore
import FogMixnet

/// Seven authorities in virtual time, some of them faulty, over links that delay.
struct DirectorySimulation {
    enum Fault: String, CaseIterable {
        /// Ends in the middle of an epoch, and says nothing any more.
        case killed
        /// Is two under one key, one for some of the others and one for the rest.
        case equivocating
        /// Says everything an eighth to two eighths of an epoch late.
        case slow
        /// Its clock is a third of an epoch ahead, or two epochs behind.
        case wrongClock
    }

    struct Event {
        /// nil = the time to look at the clock.
        let message: DirectoryMessage?
        let to: Int
    }

    static let count = 7
    let faults: [Int: Fault]
    private(set) var authorities: [Authority] = []
    /// The other one of an equivocating authority, by its number.
    private var twins: [Int: Authority] = [:]
    private(set) var published: [Int: [UInt64: Digest]] = [:]
    private(set) var reports: [Int: Set<PublicKey>] = [:]
    private(set) var failures: [MixnetFailure] = []
    private var queue = EventQueue<Timestamp, Event>()
    private var generator: SeededGenerator
    let keys: [SigningKey]
    let parameters: NetworkParameters
    let nodeKeys: [SigningKey]
    private var killAt = Timestamp.zero

    init(faults: [Int: Fault], seed: UInt64) throws {
        self.faults = faults
        generator = SeededGenerator(seed: seed)
        keys = try (0..<Self.count).map { try SigningKey(seed: [UInt8](repeating: UInt8($0 + 1), count: 32)) }
        nodeKeys = try (0..<9).map { try SigningKey(seed: [UInt8](repeating: UInt8($0 + 100), count: 32)) }
        parameters = try NetworkParameters(name: "rehearsal", kind: .test, epochLength: .seconds(10))
        authorities = keys.map { key in Authority(configuration(key)) }
        for (number, fault) in faults where fault == .equivocating { twins[number] = authorities[number] }
    }

    private func configuration(_ key: SigningKey) -> Authority.Configuration {
        Authority.Configuration(parameters: parameters, key: key, authorities: keys.map(\.publicKey))
    }

    static func descriptor(_ key: SigningKey, epoch: UInt64, parameters: NetworkParameters, family: String = "")
        throws -> SignedDescriptor
    {
        let descriptor = try MixDescriptor(
            network: parameters.networkID, epoch: epoch, identity: key.publicKey, role: .mix, family: family,
            addresses: ["127.0.0.1:4000"], linkKey: [UInt8](repeating: 1, count: 32),
            mixKeys: (0..<3).map { [UInt8](repeating: UInt8(truncatingIfNeeded: epoch) &+ $0, count: 32) },
            vrfKey: [UInt8](repeating: 3, count: 32), bandwidth: 1000)
        return SignedDescriptor(descriptor, signedWith: key)
    }

    // MARK: - Running

    mutating func run(epochs: UInt64) throws {
        let schedule = parameters.schedule
        killAt = schedule.time(of: 101) + .milliseconds(2800)
        for epoch in 100..<100 + epochs {
            for number in 0..<Self.count {
                for eighth in 0..<EpochSchedule.eighths {
                    push(schedule.time(of: epoch, eighths: eighth) + delay(), nil, number)
                }
                for key in nodeKeys {
                    let descriptor = try Self.descriptor(key, epoch: epoch + 1, parameters: parameters)
                    push(schedule.time(of: epoch) + .milliseconds(300), .descriptor(descriptor), number)
                }
            }
        }
        while let (at, event) = queue.pop() {
            guard !(faults[event.to] == .killed && at >= killAt) else { continue }
            step(event, at: at)
        }
    }

    private mutating func step(_ event: Event, at time: Timestamp) {
        let number = event.to
        let now = clock(of: number, at: time)
        var others = Array(0..<Self.count)
        if let twin = twins[number] {
            // The twin knows one node less, so it votes otherwise.
            var isHidden = false
            if case .descriptor(let node) = event.message {
                isHidden = node.descriptor.identity == nodeKeys[0].publicKey
            }
            if !isHidden {
                let (after, effects) = act(twin, event.message, now)
                twins[number] = after
                take(effects, from: number, to: others.filter { $0 % 2 == 1 }, at: time)
            }
            others.removeAll { $0 % 2 == 1 }
        }
        let (after, effects) = act(authorities[number], event.message, now)
        authorities[number] = after
        take(effects, from: number, to: others, at: time)
    }

    private mutating func act(
        _ authority: Authority, _ message: DirectoryMessage?, _ now: Timestamp
    ) -> (Authority, [Authority.Effect]) {
        var authority = authority
        guard let message else {
            var chance = generator
            let effects = authority.tick(at: now) { (0..<32).map { _ in UInt8(truncatingIfNeeded: chance.next()) } }
            generator = chance
            return (authority, effects)
        }
        do {
            let effects = try authority.receive(message, at: now)
            return (authority, effects)
        } catch {
            failures.append(error)
            return (authority, [])
        }
    }

    private mutating func take(_ effects: [Authority.Effect], from number: Int, to others: [Int], at now: Timestamp) {
        for effect in effects {
            switch effect {
            case .send(let message):
                for other in others where other != number { push(now + delay(from: number), message, other) }
            case .publish(let signed):
                if faults[number] != .equivocating {
                    published[number, default: [:]][signed.consensus.epoch] = signed.consensus.digest
                }
            case .report(let proof): reports[number, default: []].insert(proof.authority)
            case .keep, .fail: break
            }
        }
    }

    private func clock(of number: Int, at time: Timestamp) -> Timestamp {
        guard faults[number] == .wrongClock else { return time }
        return number % 2 == 0 ? time + .milliseconds(3300) : time - .seconds(20)
    }

    private mutating func delay(from number: Int? = nil) -> TimeSpan {
        let usual = TimeSpan(milliseconds: Int64(5 + generator.unit() * 100))
        guard let number, faults[number] == .slow else { return usual }
        return usual + TimeSpan(milliseconds: Int64(1250 + generator.unit() * 1250))
    }

    private mutating func push(_ at: Timestamp, _ message: DirectoryMessage?, _ to: Int) {
        queue.push(Event(message: message, to: to), at: at)
    }
}
