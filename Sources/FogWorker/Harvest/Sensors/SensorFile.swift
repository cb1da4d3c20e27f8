import Glibc

/// Small files of the kernel: read once, never longer than a bound, never waited for.
enum SensorFile {
    /// What is beyond it is cut off.
    static let limit = 4096

    /// Without white space around it; nil when there is nothing to be read.
    static func text(_ path: String, limit: Int = limit) -> String? {
        // O_NONBLOCK: whatever lies under this name, opening it does not wait for a writer.
        let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
        guard file >= 0 else { return nil }
        defer { close(file) }
        return withUnsafeTemporaryAllocation(byteCount: limit, alignment: 1) { buffer in
            var filled = 0
            while filled < limit {
                let count = read(file, buffer.baseAddress?.advanced(by: filled), limit - filled)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                filled += count
            }
            var bytes = buffer[..<filled]
            while let last = bytes.last, last <= 0x20 { bytes.removeLast() }
            while let first = bytes.first, first <= 0x20 { bytes.removeFirst() }
            return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
        }
    }

    static func bytes(_ path: String, limit: Int) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
        guard file >= 0 else { return nil }
        defer { close(file) }
        return try? Disk.read(file, at: 0, count: limit)
    }

    static func number(_ path: String) -> Int64? { text(path, limit: 64).flatMap { Int64($0) } }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Names in a folder, sorted by their number at the end where they have one; at most `max`.
    static func names(_ folder: String, prefix: String = "", max: Int = 256) -> [String] {
        let names = Disk.names(folder).filter { $0.hasPrefix(prefix) }
        return Array(names.sorted { ($0.utf8.count, $0) < ($1.utf8.count, $1) }.prefix(max))
    }

    /// The last part of what a link points to.
    static func linkName(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 1) { buffer in
            guard let bytes = buffer.baseAddress?.assumingMemoryBound(to: CChar.self) else { return nil }
            let count = readlink(path, bytes, buffer.count)
            guard count > 0 else { return nil }
            let target = String(decoding: buffer[..<count], as: UTF8.self)
            return target.split(separator: "/").last.map(String.init)
        }
    }
}
