internal import CSodium
internal import FogCore

/// A node's X25519 key for the packets of one epoch.
///
/// The secret lies in locked memory of its own and is erased with the last reference: then nobody can open packets of
/// the epoch any more, the node itself included.
// Unchecked: the memory is written before `init` returns and read only afterwards.
package final class MixKey: @unchecked Sendable {
    package static let byteCount = 32

    package let epoch: UInt64
    package let publicKey: [UInt8]
    let secret: UnsafePointer<UInt8>
    /// The public key again, where no array has to be opened for it.
    let publicBytes: UnsafePointer<UInt8>
    private let memory: UnsafeMutableRawPointer

    /// - Throws: `bad_key` unless the secret has 32 bytes.
    package init(secret: [UInt8], epoch: UInt64) throws(MixnetFailure) {
        guard secret.count == Self.byteCount else {
            throw MixnetFailure("bad_key", "a mix key has \(Self.byteCount) bytes, found \(secret.count)")
        }
        Sodium.start()
        guard let memory = sodium_malloc(64) else {
            throw MixnetFailure("no_memory", "the system gave no locked memory for a mix key (RLIMIT_MEMLOCK)")
        }
        let bytes = memory.assumingMemoryBound(to: UInt8.self)
        for (index, byte) in secret.enumerated() { bytes[index] = byte }
        crypto_scalarmult_curve25519_base(bytes + 32, bytes)
        self.memory = memory
        self.secret = UnsafePointer(bytes)
        publicBytes = UnsafePointer(bytes + 32)
        publicKey = Array(UnsafeBufferPointer(start: bytes + 32, count: Self.byteCount))
        self.epoch = epoch
        sodium_mprotect_readonly(memory)
    }

    package static func generate(epoch: UInt64) throws(MixnetFailure) -> MixKey {
        try MixKey(secret: SecureRandom.bytes(byteCount), epoch: epoch)
    }

    // sodium_free overwrites the memory before it gives it back.
    deinit { sodium_free(memory) }
}
