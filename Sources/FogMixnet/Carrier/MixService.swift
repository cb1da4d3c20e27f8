package import FogCore
package import FogNet

/// Receives requests out of the mixnet, hands them to an endpoint, and answers by SURBs.
///
/// It is the program behind a node of the role `service`: forward packets to that node come over its link. It sends at a
/// rate that follows from the network alone, an answer in the place of cover.
package actor MixService {
    package struct Options: Sendable {
        /// Exchanges at once.
        package var exchangesLimit = 2048
        /// Bytes of requests that may be on their way in at once; more are refused.
        package var requestBytesLimit = 256 << 20
        /// An exchange of which nothing was heard for so long is over. Who waits speaks once a minute.
        package var idleTime = TimeSpan.minutes(5)

        package init() {}
    }

    final class Exchange {
        var end: AnsweringEnd
        let isHello: Bool
        var handler: Task<Void, Never>?
        /// Bytes of the request that are counted for it.
        var counted = 0
        var refusals: Int?

        init(_ end: AnsweringEnd, isHello: Bool) {
            self.end = end
            self.isHello = isHello
        }
    }

    /// Of nodes, to which links are held at once.
    static let linksLimit = 256

    package nonisolated let address: MixServiceAddress
    let options: Options
    let source: any MixNetworkSource
    let endpoint: any CarrierEndpoint
    let clock: any FogClock
    /// Of the link to the own node, which takes forward packets for it.
    let linkKey: NoiseKey
    let instance: UInt64
    var ring: ServiceKeyRing
    var paths: MixPaths?
    /// By the low byte of their epoch: SURBs name nodes as they were when they were made.
    var views: [UInt8: (epoch: UInt64, view: MixNetworkView)] = [:]
    var links: [PublicKey: MixClient] = [:]
    var retryAt: [PublicKey: Timestamp] = [:]
    var times = DeliveryTimes(hops: 3, meanDelay: .milliseconds(50))
    var stream: PoissonStream?
    var streamMean: Int64 = 0
    var exchanges: [ExchangeID: Exchange] = [:]
    var turns: [ExchangeID] = []
    var requestBytes = 0
    /// Why nothing can be received now.
    package private(set) var problem: MixnetFailure?
    private var tasks: [Task<Void, Never>] = []

    /// - Parameters:
    ///   - node: the node that it is the service of.
    ///   - secret: the lasting key, 32 bytes.
    ///   - linkKey: the key that the node was told (`--service`).
    /// - Throws: `bad_key`.
    package init(
        node: PublicKey, secret: [UInt8], linkKey: NoiseKey, over source: any MixNetworkSource,
        to endpoint: any CarrierEndpoint, options: Options = Options(), clock: any FogClock = SystemClock()
    ) throws(MixnetFailure) {
        ring = try ServiceKeyRing(lasting: secret)
        address = try MixServiceAddress(node: node, key: ring.publicKey)
        self.linkKey = linkKey
        self.source = source
        self.endpoint = endpoint
        self.options = options
        self.clock = clock
        instance = ExchangeID.random().number
    }

    package func start() {
        guard tasks.isEmpty else { return }
        // They end with ``shutDown()``, which waits for them.
        tasks = [Task { await self.keep() }, Task { await self.turn() }]
    }

    package func shutDown() async {
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
        for exchange in exchanges.values { exchange.handler?.cancel() }
        exchanges = [:]
        turns = []
        for link in links.values { await link.close() }
        links = [:]
    }

    /// Whether the own node hands over what comes.
    package var isReady: Bool { paths != nil && links[address.node] != nil }

    func note(_ failure: MixnetFailure?) { problem = failure }

    // MARK: - Exchanges

    func forget(_ id: ExchangeID) {
        guard let exchange = exchanges.removeValue(forKey: id) else { return }
        exchange.handler?.cancel()
        requestBytes -= exchange.counted
        turns.removeAll { $0 == id }
        ring.end(id)
    }

    func expire(at now: Timestamp) {
        ring.expire(at: now)
        for (id, exchange) in exchanges where exchange.end.heardAt + options.idleTime <= now { forget(id) }
    }

    func begin(_ frame: MessageFrame, isHello: Bool, at now: Timestamp) -> Exchange? {
        switch frame.kind {
        case .data, .parity, .surbOffer: break
        case .acknowledgement, .control, .loop, .drop: return nil
        }
        guard exchanges.count < options.exchangesLimit else { return nil }
        let exchange = Exchange(
            AnsweringEnd(exchange: frame.exchange, times: times, at: now), isHello: isHello)
        exchanges[frame.exchange] = exchange
        turns.append(frame.exchange)
        return exchange
    }

    func asked(_ bytes: [UInt8], _ id: ExchangeID, _ exchange: Exchange, at now: Timestamp) {
        switch (try? CarrierMessage(bytes: bytes), exchange.isHello) {
        case (.hello, true):
            guard let key = try? ring.current(at: now),
                let answer = try? CarrierMessage.key(instance: instance, key).bytes
            else { return exchange.end.refuse() }
            try? exchange.end.answer(answer)
        case (.request(let request), false):
            // Waited for by nobody: it ends with the exchange, which ``forget(_:)`` cancels.
            exchange.handler = Task { [endpoint] in
                let response = await endpoint.handle(request)
                self.answer(response, id)
            }
        default: exchange.end.refuse()
        }
    }

    private func answer(_ response: CarrierResponse, _ id: ExchangeID) {
        guard let exchange = exchanges[id] else { return }
        exchange.handler = nil
        do {
            try exchange.end.answer(CarrierMessage.response(response).bytes)
        } catch {
            exchange.end.refuse()
        }
    }
}
