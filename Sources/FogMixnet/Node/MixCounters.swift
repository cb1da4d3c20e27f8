/// Why a node let a packet go.
package enum DropCause: String, Sendable, Hashable, CaseIterable {
    case badPrefix = "bad_prefix"
    case badElement = "bad_element"
    case badMAC = "bad_mac"
    case replayed
    /// The replay set of the key is full; the key is rotated.
    case replaySetFull = "replay_set_full"
    /// The tags could not be written, so the packets did not leave.
    case replayLogFailed = "replay_log_failed"
    case rateLimit = "rate_limit"
    case queueFull = "queue_full"
    case poolEmpty = "pool_empty"
    case unknownNode = "unknown_node"
    case linkFull = "link_full"
    case linkDown = "link_down"
    /// A forward packet whose body was changed on its way, or a reply to no SURB that is open here.
    case unclaimed
    /// To rehearse bad links, in a test network.
    case rehearsed

    init(_ refusal: PacketRefusal) {
        switch refusal {
        case .badPrefix: self = .badPrefix
        case .badElement: self = .badElement
        case .badMAC: self = .badMAC
        }
    }
}

/// What a node, or one thread of it, has done since it began.
package struct MixCounters: Sendable, Hashable {
    package var received = 0
    package var forwarded = 0
    package var delivered = 0
    /// Loops of its own that it sent, and that came back.
    package var loopsSent = 0
    package var loopsReturned = 0
    package var dummies = 0
    /// Nanoseconds of delay that packets were given.
    package var delayed: Int64 = 0
    package var dropped: [DropCause: Int] = [:]

    package init() {}

    /// Packets that were opened, delayed and let go: what hides a packet among others.
    package var mixed: Int { forwarded + delivered + loopsReturned }

    mutating func drop(_ cause: DropCause) { dropped[cause, default: 0] += 1 }

    package static func + (first: MixCounters, second: MixCounters) -> MixCounters {
        var sum = first
        sum.received += second.received
        sum.forwarded += second.forwarded
        sum.delivered += second.delivered
        sum.loopsSent += second.loopsSent
        sum.loopsReturned += second.loopsReturned
        sum.dummies += second.dummies
        sum.delayed &+= second.delayed
        sum.dropped.merge(second.dropped, uniquingKeysWith: +)
        return sum
    }

    /// The text of a scrape (Prometheus exposition format 0.0.4).
    package func metrics(waiting: Int) -> String {
        var lines: [String] = []
        func add(_ name: String, _ help: String, _ kind: String, _ values: [(labels: String, value: String)]) {
            lines += ["# HELP fog_mix_\(name) \(help)", "# TYPE fog_mix_\(name) \(kind)"]
            lines += values.map { "fog_mix_\(name)\($0.labels) \($0.value)" }
        }
        add("packets_received_total", "Packets that links brought.", "counter", [("", "\(received)")])
        add("packets_forwarded_total", "Packets sent on to another node.", "counter", [("", "\(forwarded)")])
        add("packets_delivered_total", "Packets whose route ended here.", "counter", [("", "\(delivered)")])
        add(
            "packets_dropped_total", "Packets let go, by cause.", "counter",
            DropCause.allCases.map { ("{cause=\"\($0.rawValue)\"}", "\(dropped[$0] ?? 0)") })
        add("delay_seconds_total", "Delay that packets were given.", "counter", [("", "\(Double(delayed) / 1e9)")])
        add("loops_sent_total", "Loops of the node's own.", "counter", [("", "\(loopsSent)")])
        add("loops_returned_total", "Of them, those that came back.", "counter", [("", "\(loopsReturned)")])
        add("dummy_frames_total", "Frames that links sent to say they are there.", "counter", [("", "\(dummies)")])
        let sent = forwarded + loopsSent
        add(
            "cover_share", "Share of the packets sent that are the node's own loops.", "gauge",
            [("", "\(sent == 0 ? 0 : Double(loopsSent) / Double(sent))")])
        add("packets_waiting", "Packets in the delay queue.", "gauge", [("", "\(waiting)")])
        return lines.joined(separator: "\n") + "\n"
    }
}
