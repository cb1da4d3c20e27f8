internal import FogCommandLine
import Foundation

/// The lines of a file, one after another, without their ends.
final class LineReader {
    private let path: String
    private let handle: FileHandle
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false
    /// Bytes read so far, and of the whole file.
    private(set) var offset: Int64 = 0
    let size: Int64

    private static let pieceBytes = 1 << 20
    /// The longest line that is read, in bytes.
    private static let lineLimit = 1 << 20

    init(_ path: String) throws {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw CommandLineFailure("unreadable", "\(path): \(Disk.words())", status: .usage)
        }
        self.path = path
        self.handle = handle
        size = Int64(Disk.status(path)?.st_size ?? 0)
    }

    /// Nil at the end. A last line without an end is a line.
    func next() throws -> ArraySlice<UInt8>? {
        while true {
            if let end = buffer[start...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { start = end + 1 }
                return buffer[start..<end]
            }
            guard buffer.count - start <= Self.lineLimit else {
                throw CommandLineFailure(
                    "unreadable", "\(path): a line has over \(Self.lineLimit) bytes", status: .unreadable)
            }
            guard !isAtEnd else {
                defer { start = buffer.count }
                return start < buffer.count ? buffer[start...] : nil
            }
            buffer.removeFirst(start)
            start = 0
            let piece = try handle.read(upToCount: Self.pieceBytes) ?? Data()
            isAtEnd = piece.isEmpty
            offset += Int64(piece.count)
            buffer += piece
        }
    }
}
