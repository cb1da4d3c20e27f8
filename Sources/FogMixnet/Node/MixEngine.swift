/// A mix without its sockets: packets in, packets out at their times. One thread uses an engine; each core has one.
///
/// Packets come in batches for the sake of caches and of the log of tags; each leaves by its own delay. Nothing is
/// allocated for a packet between its coming and its going.
package final class MixEngine {
    /// Packets that are opened together at most.
    package static let batch = 128
    /// Where in its buffer a packet begins; a link's frame has its kind in the byte before.
    package static let packetPlace = 16
    private static let idPlace = 4064

    package let suite: PacketSuite
    package let pool: PacketPool
    package private(set) var counters = MixCounters()
    /// Of the delay at each node, in nanoseconds.
    package var meanDelay: Int64
    /// Lets packets go at once, whatever delay they are owed: to rehearse the audit.
    package var isHasty = false

    private let processor: HopProcessor
    private var queue: DelayQueue<Waiting>
    private var keys: [(keys: EpochKeys, log: ReplayLog?)] = []
    private var batch: [PacketBuffer] = []
    private var opened: [Waiting] = []

    private struct Waiting {
        let buffer: PacketBuffer
        /// Index of the next node; nil at the end of the route.
        let next: UInt16?
        let delay: Int64
    }

    /// What leaves the engine; the buffer is the caller's to give back.
    package enum Departure {
        case forward(PacketBuffer, next: UInt16)
        case delivery(PacketBuffer)
    }

    package init(suite: PacketSuite, meanDelay: Int64, limit: Int = 10_000) {
        self.suite = suite
        self.meanDelay = meanDelay
        processor = HopProcessor(suite: suite)
        queue = DelayQueue(limit: limit)
        pool = PacketPool(limit: (limit / PacketPool.slab + 2) * PacketPool.slab)
        batch.reserveCapacity(Self.batch)
        opened.reserveCapacity(Self.batch)
    }

    // MARK: - Keys

    /// Takes the keys that are live from now on; those that are not among them are let go, and erased with the last
    /// thread's reference.
    /// - Parameter log: opens this thread's log of tags for an epoch that is new here.
    package func use(_ live: [EpochKeys], log: (EpochKeys) throws -> ReplayLog?) rethrows {
        keys = try live.map { entry in
            if let known = keys.first(where: { $0.keys === entry }) { return known }
            return (entry, try log(entry))
        }
    }

    package func syncLogs() throws(MixnetFailure) { for entry in keys { try entry.log?.syncIfNeeded() } }

    /// Writes the clean end of the logs: nothing is taken any more.
    package func endLogs() throws(MixnetFailure) {
        for entry in keys { try entry.log?.end() }
        keys = []
    }

    // MARK: - In

    package func count(_ change: (inout MixCounters) -> Void) { change(&counters) }
    package func drop(_ cause: DropCause) { counters.drop(cause) }

    /// A buffer for a packet that has come; nil, and counted, when there is none.
    package func take() -> PacketBuffer? {
        if let buffer = pool.take() { return buffer }
        counters.received += 1
        counters.drop(.poolEmpty)
        return nil
    }

    /// Where the packet of a buffer is.
    package func packet(in buffer: PacketBuffer) -> UnsafeMutablePointer<UInt8> {
        pool.bytes(of: buffer) + Self.packetPlace
    }

    /// Takes a packet; a full batch is processed at once.
    package func accept(_ buffer: PacketBuffer, at now: Int64) {
        counters.received += 1
        batch.append(buffer)
        if batch.count >= Self.batch { process(at: now) }
    }

    /// Opens what has come. Tags are on disk before any of its packets can leave.
    package func process(at now: Int64) {
        for buffer in batch {
            switch open(buffer) {
            case .success(let waiting): opened.append(waiting)
            case .failure(let cause): drop(buffer, cause)
            }
        }
        batch.removeAll(keepingCapacity: true)
        do {
            for entry in keys { try entry.log?.flush() }
        } catch {
            for waiting in opened { drop(waiting.buffer, .replayLogFailed) }
            opened.removeAll(keepingCapacity: true)
            return
        }
        for waiting in opened {
            if queue.push(waiting, due: now + waiting.delay) {
                counters.delayed &+= waiting.delay
            } else {
                drop(waiting.buffer, .queueFull)
            }
        }
        opened.removeAll(keepingCapacity: true)
    }

    private struct Cause: Error { let value: DropCause }

    private func open(_ buffer: PacketBuffer) -> Result<Waiting, Cause> {
        let packet = packet(in: buffer)
        guard let (keys, log) = keys.first(where: { UInt8(truncatingIfNeeded: $0.keys.epoch) == packet[1] }) else {
            return .failure(Cause(value: .badPrefix))
        }
        if let refusal = processor.open(packet, with: keys.key) { return .failure(Cause(value: DropCause(refusal))) }
        let tag = processor.tag
        switch keys.replays.insert(tag) {
        case .fresh: break
        case .replayed: return .failure(Cause(value: .replayed))
        case .full: return .failure(Cause(value: .replaySetFull))
        }
        log?.append(tag)
        let delay = isHasty ? 0 : keys.draw.nanoseconds(of: tag, mean: meanDelay)
        switch processor.strip(packet) {
        case .forward(let next): return .success(Waiting(buffer: buffer, next: next, delay: delay))
        case .final:
            processor.copySURBID(to: pool.bytes(of: buffer) + Self.idPlace)
            return .success(Waiting(buffer: buffer, next: nil, delay: delay))
        }
    }

    private func drop(_ buffer: PacketBuffer, _ cause: Cause) { drop(buffer, cause.value) }

    private func drop(_ buffer: PacketBuffer, _ cause: DropCause) {
        counters.drop(cause)
        pool.give(back: buffer)
    }

    // MARK: - Out

    package var waiting: Int { queue.count }
    /// When the next packet is to leave, in nanoseconds.
    package var next: Int64? { queue.next }

    /// The next packet whose time has come.
    package func departure(at now: Int64) -> Departure? {
        guard let waiting = queue.pop(at: now) else { return nil }
        if let next = waiting.next {
            counters.forwarded += 1
            return .forward(waiting.buffer, next: next)
        }
        counters.delivered += 1
        return .delivery(waiting.buffer)
    }

    /// A packet that has departed and could not be sent.
    package func fail(_ buffer: PacketBuffer, _ cause: DropCause) {
        counters.forwarded -= 1
        drop(buffer, cause)
    }

    /// The SURB's id and the payload of a packet whose route ended here; the id is all zero in a forward packet.
    package func delivery(in buffer: PacketBuffer) -> (id: [UInt8], payload: [UInt8]) {
        let start = pool.bytes(of: buffer)
        return (
            Array(UnsafeBufferPointer(start: start + Self.idPlace, count: PacketSuite.surbIDBytes)),
            Array(
                UnsafeBufferPointer(
                    start: start + Self.packetPlace + suite.headerBytes, count: PacketSuite.payloadBytes))
        )
    }
}
