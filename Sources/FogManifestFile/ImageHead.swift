internal import Glibc

/// The first bytes of an image's file: cheap to look at, and enough to see what is no image at all. The whole is read
/// before it is sent.
enum ImageHead {
    private static let blockBytes = 512
    /// Where a header has its checksum (POSIX.1-2001, `ustar`).
    private static let checksum = 148..<156

    /// What keeps a file from being an image; nil when nothing does so far.
    static func mistake(in path: String) -> String? {
        // Not blocking, so that a pipe of that name is refused and not waited for.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return "cannot be read: \(String(cString: strerror(errno)))" }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return "is not a file" }
        var bytes = [UInt8](repeating: 0, count: blockBytes)
        let count = pread(descriptor, &bytes, blockBytes, 0)
        guard count >= 0 else { return "cannot be read: \(String(cString: strerror(errno)))" }
        return mistake(in: bytes[..<count])
    }

    /// - Parameter head: the first 512 bytes, or all there are.
    static func mistake(in head: ArraySlice<UInt8>) -> String? {
        if head.isEmpty { return "is empty" }
        if head.starts(with: [0x1f, 0x8b]) { return nil }
        let others: [(String, [UInt8])] = [
            ("zstd", [0x28, 0xb5, 0x2f, 0xfd]), ("xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]), ("bzip2", [0x42, 0x5a, 0x68]),
        ]
        for (name, start) in others where head.starts(with: start) { return "is compressed by \(name)" }
        guard head.count == blockBytes else { return "has \(head.count) bytes, less than an archive's first block" }
        // An archive of nothing.
        guard head.contains(where: { $0 != 0 }) else { return nil }
        let digits = head[checksum].drop { $0 == 0x20 }.prefix { (0x30...0x37).contains($0) }
        let wanted = Int(String(decoding: digits, as: UTF8.self), radix: 8)
        // With the checksum itself taken as blanks.
        let sum = head.indices.reduce(0) { $0 + (checksum.contains($1) ? 0x20 : Int(head[$1])) }
        return wanted == sum ? nil : "is no archive"
    }
}
