internal import CSodium
internal import FogCore

/// Buffers of 4 KiB for packets, given out and taken back without allocating.
///
/// A buffer keeps its packet from the socket to its departure; nothing is copied between. Slabs of 1,024 are made as they
/// are needed, up to a limit, and stay.
///
/// One thread uses a pool at a time.
package final class PacketPool {
    package static let bufferBytes = 4096
    package static let slab = 1024

    /// The most buffers there will be.
    package let limit: Int
    private var slabs: [UnsafeMutablePointer<UInt8>] = []
    private var free: [PacketBuffer] = []

    package init(limit: Int = 11 * slab) {
        self.limit = limit
        free.reserveCapacity(limit)
    }

    deinit {
        for slab in slabs {
            sodium_memzero(slab, Self.slab * Self.bufferBytes)
            slab.deallocate()
        }
    }

    /// Buffers that are out.
    package var used: Int { slabs.count * Self.slab - free.count }

    /// Nil when all buffers are out.
    package func take() -> PacketBuffer? {
        if let buffer = free.popLast() { return buffer }
        guard (slabs.count + 1) * Self.slab <= limit else { return nil }
        let first = slabs.count * Self.slab
        let memory = UnsafeMutableRawPointer.allocate(byteCount: Self.slab * Self.bufferBytes, alignment: 4096)
        slabs.append(memory.bindMemory(to: UInt8.self, capacity: Self.slab * Self.bufferBytes))
        for index in (0..<Self.slab).reversed() { free.append(PacketBuffer(index: Int32(first + index))) }
        return free.popLast()
    }

    package func give(back buffer: PacketBuffer) { free.append(buffer) }

    package func bytes(of buffer: PacketBuffer) -> UnsafeMutablePointer<UInt8> {
        let index = Int(buffer.index)
        return slabs[index / Self.slab] + index % Self.slab * Self.bufferBytes
    }
}

/// A buffer that a ``PacketPool`` gave out.
package struct PacketBuffer: Hashable, Sendable {
    let index: Int32
}
