internal import FogCore
internal import Glibc

/// The write-ahead log beside a database file (https://www.sqlite.org/fileformat.html section 4).
///
/// SQLite reads it up to the first frame that does not hold and says nothing of what follows, so damage there takes
/// back what was committed after it.
struct WriteAheadLog {
    private static let headerLength = 32
    private static let frameHeaderLength = 24

    /// The running checksum of two words: Fletcher's, over words of 8 bytes.
    private struct Checksum: Equatable {
        var first: UInt32 = 0
        var second: UInt32 = 0

        mutating func add(_ bytes: ArraySlice<UInt8>, bigEndian: Bool) {
            bytes.withUnsafeBytes { raw in
                for offset in stride(from: 0, to: raw.count - 7, by: 8) {
                    let low = raw.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
                    let high = raw.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                    first &+= (bigEndian ? UInt32(bigEndian: low) : UInt32(littleEndian: low)) &+ second
                    second &+= (bigEndian ? UInt32(bigEndian: high) : UInt32(littleEndian: high)) &+ first
                }
            }
        }
    }

    /// Commits that SQLite no longer sees, because a frame before them does not hold.
    ///
    /// A process that was killed leaves nothing after the frame it was writing. A machine that lost its power may leave a
    /// gap in its last commit, the only one that was not flushed; so one commit may be lost, and a second one never is.
    static func lostCommits(path: String) throws(StoreFailure) -> Int {
        guard try (Folder.status(path + "-wal")?.size ?? 0) > Int64(headerLength) else { return 0 }
        let file = try File(path + "-wal", O_RDONLY)
        let header = try file.read(at: 0, count: headerLength)
        guard header.count == headerLength else { return 0 }
        func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
            bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
        let page = Int(word(header, 8))
        guard word(header, 0) & 0xffff_fffe == 0x377f_0682, (512...65_536).contains(page) else { return 0 }
        let bigEndian = word(header, 0) & 1 == 1
        var sum = Checksum()
        sum.add(header[0..<24], bigEndian: bigEndian)
        var holds = sum == Checksum(first: word(header, 24), second: word(header, 28))
        var lost = 0
        var offset = Int64(headerLength)
        while true {
            let frame = try file.read(at: offset, count: frameHeaderLength + page)
            // Frames of the log's last turn carry its two salts; others are left over from an earlier turn.
            guard frame.count == frameHeaderLength + page, frame[8..<16] == header[16..<24] else { break }
            if holds {
                sum.add(frame[0..<8], bigEndian: bigEndian)
                sum.add(frame[frameHeaderLength...], bigEndian: bigEndian)
                holds = sum == Checksum(first: word(frame, 16), second: word(frame, 20))
            }
            if !holds, word(frame, 4) != 0 { lost += 1 }
            offset += Int64(frame.count)
        }
        return lost
    }
}
