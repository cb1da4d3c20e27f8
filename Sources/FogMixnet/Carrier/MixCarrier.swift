package import FogCore
package import FogNet

/// Carries requests to a service through the mixnet.
///
/// Its link to its guard carries frames at the network's rates, whether there is something to say or not: what is to be said
/// takes the place of cover. While no consensus holds, or the network is too small for the level, nothing is sent, and
/// requests fail with the reason: there is no other way that it would take.
package actor MixCarrier: Carrier {
    package struct Options: Sendable {
        /// Hops of each packet; one alone would hide nothing from its node, so `open` is none of them.
        package var level = RouteLevel.private
        /// Requests at once.
        package var exchangesLimit = 256
        /// How long requests wait for a network or a guard before they fail.
        package var patience = TimeSpan.seconds(20)
        /// Whose packets they are: those of two owners share no circuit.
        package var owner = ""
        package var mode = Circuit.Mode.perPacket
        /// Guards from an earlier life.
        package var guards = GuardSet()
        /// Takes the guards when they changed, to keep them.
        package var keepingGuards: @Sendable (GuardSet) throws -> Void = { _ in }
        /// Circuits from an earlier life, of whatever owner and level.
        package var circuits: [Circuit] = []
        /// Takes the circuits, open and closed ones, when something happened to them and now and then.
        package var keepingCircuits: @Sendable ([Circuit]) throws -> Void = { _ in }
        /// What is known of mixes from before.
        package var reputation = MixReputation()
        /// Takes what is known of mixes when an epoch's loops have told more.
        package var keepingReputation: @Sendable (MixReputation) throws -> Void = { _ in }

        package init() {}
    }

    /// A request on its way; the question for a key is one as well.
    final class Exchange {
        var end: AskingEnd
        let isHello: Bool
        let deadline: Timestamp
        var waiter: CheckedContinuation<Result<CarrierResponse, CarrierFailure>, Never>?
        var routes: [UInt32: [Int]] = [:]
        /// Words to say that nobody waits any more; nil while somebody does.
        var farewells: Int?
        var hasSent = false

        init(_ end: AskingEnd, isHello: Bool, deadline: Timestamp) {
            self.end = end
            self.isHello = isHello
            self.deadline = deadline
        }
    }

    let service: MixServiceAddress
    let options: Options
    let source: any MixNetworkSource
    let clock: any FogClock

    var paths: MixPaths?
    var times = DeliveryTimes(hops: 3, meanDelay: .milliseconds(50))
    var guards: GuardSet
    /// The guard's place in the consensus, and the link to it.
    var gate: (place: Int, identity: PublicKey, link: MixClient)?
    var pool: CircuitPool
    var reputation: MixReputation
    var exchanges: [ExchangeID: Exchange] = [:]
    /// Who is asked next whether there is something to send.
    var turns: [ExchangeID] = []
    /// Exchanges that the service still answers, though they are over here.
    var strays: [ExchangeID] = []
    var vault = SURBVault()
    /// Ids that the guard knows already, for SURBs to come.
    var spareIDs: [[UInt8]] = []
    var loops: [[UInt8]: (probe: CircuitPool.Probe, sentAt: Timestamp, isLate: Bool)] = [:]
    /// What loops say of the mixes once their proofs are out.
    var audit = LoopAudit()
    /// When the circuits were last kept, and what had happened to them.
    var keptCircuits: (at: Timestamp, changes: Int) = (.zero, 0)
    var payloads: PoissonStream?
    var loopStream: PoissonStream?
    /// What requests are sealed to, and which life of the service it is of.
    var key: ServiceKey?
    var instance: UInt64?
    var heardAt: Timestamp?
    var askedForKeyAt: Timestamp?
    var silences = 0
    /// Why nothing can be sent, and since when.
    private(set) var problem: (failure: MixnetFailure, since: Timestamp)?
    private var isClosed = false
    private var tasks: [Task<Void, Never>] = []

    /// - Throws: `bad_level` for `open`.
    package init(
        to service: MixServiceAddress, over source: any MixNetworkSource, options: Options = Options(),
        clock: any FogClock = SystemClock()
    ) throws(MixnetFailure) {
        guard options.level != .open else {
            throw MixnetFailure("bad_level", "one hop hides nothing; levels are private, confidential and secret")
        }
        self.service = service
        self.source = source
        self.options = options
        self.clock = clock
        guards = options.guards
        reputation = options.reputation
        pool = CircuitPool(
            level: options.level, owner: options.owner, service: service.node, mode: options.mode,
            kept: options.circuits)
        pool.take(reputation)
    }

    /// The circuits that are open now.
    package var circuits: [Circuit] { pool.circuits }

    /// Makes its link and begins with its cover; requests may be sent before.
    package func start() {
        guard tasks.isEmpty, !isClosed else { return }
        // They end with ``shutDown()``, which waits for them.
        tasks = [Task { await self.keep() }, Task { await self.turn() }]
    }

    /// Ends everything; what is under way fails.
    package func shutDown() async {
        isClosed = true
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
        tasks = []
        fail(.init("unreachable", "the carrier was shut down"))
        if pool.guardKey != nil { keepCircuits(at: clock.now) }
        await gate?.link.close()
        gate = nil
    }

    // MARK: - Requests

    package func send(_ request: CarrierRequest, deadline: TimeSpan) async throws(CarrierFailure) -> CarrierResponse {
        let message = try CarrierMessage.request(request).bytes
        guard !isClosed else { throw CarrierFailure("unreachable", "the carrier was shut down") }
        guard exchanges.count < options.exchangesLimit else {
            throw CarrierFailure("unreachable", "\(options.exchangesLimit) requests are under way, and no more can be")
        }
        start()
        let id = ExchangeID.random()
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                begin(id, message, isHello: false, deadline: clock.now + deadline, waiter)
            }
        } onCancel: {
            // The waiter waits for it.
            Task { await self.end(id, .failure(CarrierFailure("unreachable", "the request was given up"))) }
        }
        return try outcome.get()
    }

    func begin(
        _ id: ExchangeID, _ message: [UInt8], isHello: Bool, deadline: Timestamp,
        _ waiter: CheckedContinuation<Result<CarrierResponse, CarrierFailure>, Never>?
    ) {
        do throws(MixnetFailure) {
            let end = try AskingEnd(
                message, exchange: id, surbBytes: (paths?.view.suite ?? .k400).surbBytes, times: times)
            let exchange = Exchange(end, isHello: isHello, deadline: deadline)
            exchange.waiter = waiter
            exchanges[id] = exchange
            turns.append(id)
        } catch {
            waiter?.resume(returning: .failure(CarrierFailure("too_large", error.message)))
        }
    }

    /// Tells the waiter, once. Without an answer the service is told that nobody waits.
    func end(_ id: ExchangeID, _ outcome: Result<CarrierResponse, CarrierFailure>) {
        guard let exchange = exchanges[id], exchange.farewells == nil, let waiter = exchange.waiter else { return }
        exchange.waiter = nil
        waiter.resume(returning: outcome)
        guard case .failure = outcome else { return }
        if exchange.hasSent, !isClosed {
            exchange.farewells = 3
            exchange.end.cancel()
        } else {
            forget(id)
        }
    }

    func forget(_ id: ExchangeID) {
        exchanges[id] = nil
        turns.removeAll { $0 == id }
    }

    /// Fails all that wait.
    func fail(_ failure: CarrierFailure) { for id in Array(exchanges.keys) { end(id, .failure(failure)) } }

    /// Ends what is too late, and after a while what nothing can be sent for.
    func checkDeadlines(at now: Timestamp) {
        for (id, exchange) in exchanges {
            let over = exchange.deadline <= now
            guard over else { continue }
            if exchange.waiter == nil {
                forget(id)
            } else {
                let why = problem.map { ": \($0.failure.message)" } ?? ""
                end(id, .failure(CarrierFailure("timeout", "no answer in time\(why)")))
            }
        }
        guard let problem else { return }
        let isFinal = problem.failure.code == "set_too_small"
        if isFinal || problem.since + options.patience <= now {
            fail(CarrierFailure("unreachable", "nothing was sent: \(problem.failure.message)"))
        }
    }

    func note(_ failure: MixnetFailure?, at now: Timestamp) {
        guard let failure else { return problem = nil }
        problem = (failure, problem?.since ?? now)
    }
}
