import Glibc

/// Small files, read whole.
enum Files {
    /// Nil when it cannot be read or is longer than `max`.
    static func read(_ path: String, max: Int) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return read(descriptor: descriptor, max: max)
    }

    static func text(_ path: String, max: Int = 1 << 20) -> String? {
        read(path, max: max).map { String(decoding: $0, as: UTF8.self) }
    }

    static func read(descriptor: Int32, max: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16384)
        while true {
            let length = Glibc.read(descriptor, &chunk, chunk.count)
            if length < 0, errno == EINTR { continue }
            guard length >= 0, bytes.count + length <= max else { return nil }
            if length == 0 { return bytes }
            bytes += chunk.prefix(length)
        }
    }

    /// 0 or errno.
    static func write(_ path: String, _ text: String) -> Int32 {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        return Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count ? 0 : errno
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func words(_ error: Int32) -> String { String(cString: strerror(error)) }
}

/// Reading folders without following links.
enum Folder {
    /// Names but `.` and `..`, as bytes without NUL; at most `max`.
    static func names(_ stream: OpaquePointer, max: Int) -> [[UInt8]] {
        var names: [[UInt8]] = []
        while names.count < max, let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: UInt8.self, capacity: 256) { bytes in
                    Array(
                        UnsafeBufferPointer(
                            start: bytes,
                            count: strnlen(UnsafeRawPointer(bytes).assumingMemoryBound(to: CChar.self), 256)))
                }
            }
            if name != [0x2e], name != [0x2e, 0x2e] { names.append(name) }
        }
        return names
    }

    /// Opens a folder of `parent` by name, not through a link; -1 with errno.
    static func open(_ parent: Int32, _ name: [UInt8]) -> Int32 {
        withName(name) { openat(parent, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
    }

    /// O_PATH of asm-generic/fcntl.h, which Glibc's module leaves out.
    private static let pathOnly: Int32 = 0o10000000

    /// Opens a folder that its owner, who is this user too, has closed to himself: what cannot be seen cannot be
    /// measured. Its mode is changed by descriptor, so that nothing else can be put in its place meanwhile.
    static func openClosed(_ parent: Int32, _ name: [UInt8]) -> Int32 {
        let folder = withName(name) { openat(parent, $0, pathOnly | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
        guard folder >= 0 else { return -1 }
        defer { close(folder) }
        var status = stat()
        guard fstat(folder, &status) == 0, status.st_uid == geteuid(),
            chmod("/proc/self/fd/\(folder)", status.st_mode & 0o7777 | 0o500) == 0
        else { return -1 }
        return openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }

    static func withName<Result>(_ name: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        (name + [0]).withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { preconditionFailure("a name ends in NUL, so it is not empty") }
            return body(base.assumingMemoryBound(to: CChar.self))
        }
    }
}
