internal import CSodium
package import FogCore

/// The delays that a node owes to the packets of one epoch.
///
/// They follow from the node's VRF output for the epoch and each packet's replay tag, so a node has one possible delay a
/// packet and no choice. The output is secret while packets of the epoch may come; afterwards its proof is published, and
/// whoever sent packets of its own knows what they should have taken.
package struct DelayDraw: Sendable {
    /// Delays beyond so many means are drawn again. Never clamped: a clamp would make a spike that everybody knows again.
    package static let longest = 10.0

    private let output: [UInt8]

    /// - Parameter output: of the node's VRF, 64 bytes.
    package init(output: [UInt8]) { self.output = output }

    /// What the VRF is asked: "fog-mix-delay-v1" | network | node | epoch | shared randomness of the epoch. The node's
    /// VRF key was in the directory before the randomness was known, so nobody could choose a key for its delays.
    package static func input(network: Digest, node: PublicKey, epoch: UInt64, randomness: Digest) -> [UInt8] {
        var writer = CanonicalWriter()
        writer.write(raw: Array("fog-mix-delay-v1".utf8))
        writer.write(network)
        writer.write(raw: node.bytes)
        writer.write(epoch)
        writer.write(randomness)
        return writer.bytes
    }

    /// The delay of a packet: exponential, from 53 bits of BLAKE2b(output, tag), the tag followed by a counter when it is
    /// drawn again.
    /// - Parameter mean: in nanoseconds.
    package func nanoseconds(of tag: ReplayTag, mean: Int64) -> Int64 {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 8) { room in
            guard let words = room.baseAddress else { return 0 }
            let message = UnsafeMutableRawPointer(words).assumingMemoryBound(to: UInt8.self)
            let hash = UnsafeMutableRawPointer(words + 4).assumingMemoryBound(to: UInt8.self)
            words[0] = tag.high.bigEndian
            words[1] = tag.low.bigEndian
            var counter: UInt8 = 0
            while true {
                message[16] = counter
                crypto_generichash(hash, 32, message, counter == 0 ? 16 : 17, output, output.count)
                let bits = UInt64(bigEndian: words[4]) >> 11
                let means = -Logarithm.natural(1 - Double(bits) * 0x1p-53)
                if means <= Self.longest { return Int64(means * Double(mean)) }
                // 2^-14.4 each time: nobody sees the counter come round.
                counter &+= 1
            }
        }
    }
}
