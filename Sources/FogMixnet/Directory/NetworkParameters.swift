package import FogCore

/// What all parties of a network have in common; authorities vote on it, so that nobody tunes it by own traffic.
package struct NetworkParameters: Hashable, Sendable {
    package enum Kind: UInt8, Sendable, CaseIterable {
        /// Refuses a privacy level that it is too small for.
        case live = 1
        /// Refuses none, and promises no anonymity. Its documents are none of a live network.
        case test = 2
    }

    package static let nameLimit = 64
    private static let layersRange = 1...7
    /// A mean time between packets, or in a mix.
    private static let timeRange = TimeSpan.milliseconds(1)...TimeSpan.minutes(10)

    /// Letters, digits and hyphens.
    package var name: String
    package var kind: Kind
    package var suite: PacketSuite
    package var epochLength: TimeSpan
    package var layers: Int
    /// That a mix holds a packet for.
    package var meanDelay: TimeSpan
    /// Between two packets of a client, real or not.
    package var payloadInterval: TimeSpan
    /// Between two loops of a client.
    package var loopInterval: TimeSpan
    /// Between two loops of a mix.
    package var mixLoopInterval: TimeSpan

    package init(
        name: String, kind: Kind, suite: PacketSuite = .k400, epochLength: TimeSpan = .minutes(20), layers: Int = 3,
        meanDelay: TimeSpan = .milliseconds(50), payloadInterval: TimeSpan = .milliseconds(20),
        loopInterval: TimeSpan = .milliseconds(200), mixLoopInterval: TimeSpan = .milliseconds(200)
    ) throws(MixnetFailure) {
        self.name = name
        self.kind = kind
        self.suite = suite
        self.epochLength = epochLength
        self.layers = layers
        self.meanDelay = meanDelay
        self.payloadInterval = payloadInterval
        self.loopInterval = loopInterval
        self.mixLoopInterval = mixLoopInterval
        try check()
    }

    /// Names the network in everything that is signed for it: live and test documents never mix.
    package var networkID: Digest {
        var writer = CanonicalWriter()
        writer.write("fog-mix-network-v1")
        writer.write(name)
        writer.write(kind.rawValue)
        return .blake2b(writer.bytes)
    }

    /// The schedule; the length was checked when the parameters were made.
    package var schedule: EpochSchedule {
        guard let schedule = try? EpochSchedule(length: epochLength) else {
            preconditionFailure("an epoch's length was not checked")
        }
        return schedule
    }

    private func check() throws(MixnetFailure) {
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
            default: false
            }
        }
        guard (1...Self.nameLimit).contains(name.utf8.count), isPlain else {
            throw Self.bad("a network's name has 1 to \(Self.nameLimit) small letters, digits and hyphens")
        }
        _ = try EpochSchedule(length: epochLength)
        guard Self.layersRange.contains(layers) else { throw Self.bad("1 to 7 layers, found \(layers)") }
        let times = [
            ("mean_delay", meanDelay), ("payload_interval", payloadInterval), ("loop_interval", loopInterval),
            ("mix_loop_interval", mixLoopInterval),
        ]
        for (field, time) in times where !Self.timeRange.contains(time) {
            throw Self.bad("\(field) is 1 ms to 10 min, found \(time)")
        }
    }

    private static func bad(_ message: String) -> MixnetFailure { MixnetFailure("bad_parameters", message) }

    // MARK: - Bytes

    package func write(to writer: inout CanonicalWriter) {
        writer.write(name)
        writer.write(kind.rawValue)
        writer.write(suite.rawValue)
        writer.write(UInt8(layers))
        for time in [epochLength, meanDelay, payloadInterval, loopInterval, mixLoopInterval] {
            writer.write(time.milliseconds)
        }
    }

    package init(from reader: inout CanonicalReader) throws(MixnetFailure) {
        do {
            let name = try reader.readString(limit: Self.nameLimit)
            let (kindByte, suiteByte, layers): (UInt8, UInt8, UInt8) = (
                try reader.read(), try reader.read(), try reader.read()
            )
            guard let kind = Kind(rawValue: kindByte) else { throw Self.bad("kind \(kindByte) is not known") }
            guard let suite = PacketSuite(rawValue: suiteByte) else {
                throw Self.bad("suite \(suiteByte) is not known")
            }
            var times: [TimeSpan] = []
            for _ in 0..<5 { times.append(TimeSpan(milliseconds: try reader.read())) }
            try self.init(
                name: name, kind: kind, suite: suite, epochLength: times[0], layers: Int(layers), meanDelay: times[1],
                payloadInterval: times[2], loopInterval: times[3], mixLoopInterval: times[4])
        } catch {
            throw MixnetFailure.wrapping(error)
        }
    }
}

extension MixnetFailure {
    /// What a parser throws, whichever layer found it.
    static func wrapping(_ error: any Error) -> MixnetFailure {
        switch error {
        case let failure as MixnetFailure: failure
        case let failure as CoreFailure: MixnetFailure(failure.code, failure.message)
        default: MixnetFailure("bad_encoding", "\(error)")
        }
    }
}
