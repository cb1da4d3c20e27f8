import FogCore
import Glibc

@testable import FogStore

/// Backups, as `fog coordinator restore` unpacks them: the file as it is, one whose header checksums are mended, or one
/// whose entries the input holds. The first byte chooses.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzBackup(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = input(data, size)
    guard let kind = bytes.first else { return 0 }
    let rest = Array(bytes.dropFirst())
    switch kind % 3 {
    case 0: unpack(rest)
    case 1: unpack(mended(rest))
    default: unpack(archive(rest))
    }
    return 0
}

/// Unpacks and looks at what came. What was refused is refused as a backup that is none; what was taken is, file by
/// file, what its list of digests says, and nothing lies elsewhere.
private func unpack(_ archive: [UInt8]) {
    defer { Place.empty() }
    Place.write(archive)
    do throws(StoreFailure) {
        let summary = try BackupReader(path: Place.archive).unpack(into: Place.root)
        var listed: [String: String] = [:]
        for line in String(decoding: list(in: archive), as: UTF8.self).split(separator: "\n") {
            let digest = String(line.prefix(64))
            hold(listed.updateValue(digest, forKey: String(line.dropFirst(66))) == nil, "a file is listed twice")
        }
        var count = 0
        for (name, content) in Place.files() {
            hold(TarHeader.isName(name), "`\(name)` is no name")
            hold(listed[name] == Digest.blake2b(content).description, "`\(name)` is not what the list says")
            count += 1
        }
        hold(count == summary.files && count == listed.count, "\(count) files, \(summary.files) told of")
        hold(listed["fog.db"] != nil, "a backup without a database")
    } catch {
        hold(
            ["bad_archive", "newer_schema", "io", "not_found"].contains(error.code),
            "a backup is refused as \(error.code): \(error.message)")
    }
    hold(Place.names == ["archive", "root"], "a backup left something outside: \(Place.names)")
}

/// The list of digests, found without the reader's help: the last entry's content.
private func list(in archive: [UInt8]) -> [UInt8] {
    var offset = 0
    while offset + 512 <= archive.count {
        guard let header = try? TarHeader.read(Array(archive[offset..<offset + 512])) else { return [] }
        let start = offset + 512
        guard header.size <= archive.count - start else { return [] }
        if header.name == "digests.txt" { return Array(archive[start..<start + Int(header.size)]) }
        offset = start + Int(header.size) + header.padding
    }
    return []
}

/// Each block that reads `ustar` where a header does gets a checksum that holds.
private func mended(_ bytes: [UInt8]) -> [UInt8] {
    var mended = bytes
    for start in stride(from: 0, to: bytes.count - 511, by: 512)
    where mended[(start + 257)..<(start + 262)].elementsEqual("ustar".utf8) {
        for place in 148..<156 { mended[start + place] = 0x20 }
        let digits = String(mended[start..<start + 512].reduce(0) { $0 + Int($1) }, radix: 8)
        let text = String(repeating: "0", count: 6 - digits.count) + digits + "\0 "
        for (offset, byte) in text.utf8.enumerated() { mended[start + 148 + offset] = byte }
    }
    return mended
}

/// An archive of the input's parts, which a byte of 255 divides: each a line with the entry's name and then its content.
/// `#` and a digit within stands for a list's line of that part.
private func archive(_ bytes: [UInt8]) -> [UInt8] {
    var entries: [(name: String, content: [UInt8])] = []
    for part in bytes.split(separator: 255, maxSplits: 7, omittingEmptySubsequences: false) {
        let line = part.prefix { $0 != 0x0a }
        let name = String(decoding: line.prefix(100), as: UTF8.self)
        var content: [UInt8] = []
        var rest = part.dropFirst(line.count + 1)
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "#"), let digit = rest.first, entries.indices.contains(Int(digit) - 0x30) else {
                content.append(byte)
                continue
            }
            rest.removeFirst()
            let entry = entries[Int(digit) - 0x30]
            content += Array("\(Digest.blake2b(entry.content))  \(entry.name)\n".utf8)
        }
        entries.append((name, content))
    }
    return entries.reduce(into: []) { archive, entry in
        guard entry.name.utf8.count <= TarHeader.nameLimit else { return }
        let header = TarHeader(name: entry.name, size: Int64(entry.content.count))
        archive += header.bytes + entry.content + [UInt8](repeating: 0, count: header.padding)
    } + [UInt8](repeating: 0, count: 1024)
}

/// A folder in memory that goes when the process is asked to end by itself.
private enum Place {
    private static let folder: String = {
        let folder = "/dev/shm/fog-fuzz-\(getpid())"
        guard mkdir(folder, 0o700) == 0 else { fatalError("no \(folder)") }
        atexit {
            Place.remove(Place.folder)
        }
        return folder
    }()
    static let archive = folder + "/archive"
    static let root = folder + "/root"

    static func write(_ bytes: [UInt8]) {
        let file = open(archive, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { fatalError("no \(archive)") }
        defer { close(file) }
        guard bytes.withUnsafeBytes({ Glibc.write(file, $0.baseAddress, $0.count) }) == bytes.count else {
            fatalError("\(archive) could not be written")
        }
    }

    static var names: [String] { names(in: folder).sorted() }

    /// Every regular file below the root; anything else that lies there is a finding.
    static func files(below: String = "") -> [(name: String, content: [UInt8])] {
        names(in: root + "/" + below).flatMap { name -> [(name: String, content: [UInt8])] in
            let path = below.isEmpty ? name : "\(below)/\(name)"
            var status = stat()
            guard lstat("\(root)/\(path)", &status) == 0 else { fatalError("property broken: \(path) is gone") }
            if status.st_mode & S_IFMT == S_IFDIR { return files(below: path) }
            hold(status.st_mode & S_IFMT == S_IFREG && status.st_mode & 0o777 == 0o600, "\(path) is no private file")
            return [(path, read("\(root)/\(path)", Int(status.st_size)))]
        }
    }

    private static func read(_ path: String, _ size: Int) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        defer { close(file) }
        return [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
            filled = max(0, pread(file, buffer.baseAddress, size, 0))
        }
    }

    static func empty() { remove(root) }

    private static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Whatever it is, and all that lies in it; no link is followed.
    private static func remove(_ path: String) {
        if unlink(path) == 0 { return }
        for name in names(in: path) { remove("\(path)/\(name)") }
        rmdir(path)
    }
}

/// Seeds: a whole backup, and such as leave something out, list it twice or name it otherwise.
@_cdecl("LLVMFuzzerInitialize")
public func seedBackup(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    let about = Array(#"{"format":1,"made_at":"2026-01-01T00:00:00Z","software":"1"}"#.utf8)
    func parts(_ entries: [(String, [UInt8])]) -> [UInt8] {
        Array(entries.map { Array("\($0)\n".utf8) + $1 }.joined(separator: [255]))
    }
    let files: [(String, [UInt8])] = [("backup.json", about), ("fog.db", [1, 2, 3]), ("content/blobs/ab/abcd", [4])]
    let all: [(String, [(String, [UInt8])])] = [
        ("whole", files + [("digests.txt", Array("#1#2".utf8))]),
        ("unlisted", files + [("digests.txt", Array("#1#1".utf8))]),
        ("missing", Array(files.prefix(2)) + [("digests.txt", Array("#1\n0  x".utf8))]),
        ("folder", files + [("fog.db/x", []), ("digests.txt", Array("#1#2#3".utf8))]),
        ("outside", files + [("../x", [5]), ("digests.txt", Array("#1#2#3".utf8))]),
        ("twice", files + [("fog.db", [5]), ("digests.txt", Array("#1#2#3".utf8))]),
        ("early", Array(files.reversed()) + [("digests.txt", Array("#1#0".utf8))]),
    ]
    for (name, entries) in all {
        writeSeed("parts-\(name)", [2] + parts(entries))
        writeSeed("plain-\(name)", [0] + archive(parts(entries)))
        writeSeed("mended-\(name)", [1] + archive(parts(entries)))
    }
    return 0
}
