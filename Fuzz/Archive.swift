import FogCore
import FogSandbox
import Glibc

/// Images: a plain archive or layout as it is, one whose header checksums are mended, what a gzip unpacks to, and a
/// layout whose documents the input holds. The first byte chooses; the second is the size of the pieces.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzArchive(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = input(data, size)
    guard bytes.count >= 2 else { return 0 }
    let rest = Array(bytes.dropFirst(2))
    switch bytes[0] % 4 {
    case 0: unpack(rest)
    case 1:
        let archive = Tar.mended(rest)
        comparePieces(archive, of: Int(bytes[1]) + 1)
        unpack(archive)
    case 2: unpack([0x1f, 0x8b] + rest)
    default: unpack(layout(rest))
    }
    return 0
}

/// Whether an archive comes whole or in pieces, its entries are the same, and so is what is refused.
private func comparePieces(_ archive: [UInt8], of count: Int) {
    let (whole, refusal) = events(archive, in: max(1, archive.count))
    let (pieces, other) = events(archive, in: count)
    hold(whole == pieces && refusal == other, "pieces of \(count) bytes read another archive")
}

private func events(_ archive: [UInt8], in count: Int) -> ([TarEntry], String?) {
    var reader = TarReader()
    var entries: [TarEntry] = []
    var left: Int64 = 0
    do throws(SandboxFailure) {
        for start in stride(from: 0, to: archive.count, by: count) {
            try reader.read(archive[start..<min(archive.count, start + count)]) { event throws(SandboxFailure) in
                switch event {
                case .entry(let entry):
                    hold(left == 0, "an entry within the content of another")
                    entries.append(entry)
                    if case .file(let size) = entry.kind { left = size }
                    checkName(entry)
                case .content(let piece): left -= Int64(piece.count)
                case .endOfContent: hold(left == 0, "content of another size than its entry's")
                }
            }
        }
        try reader.finish()
        return (entries, nil)
    } catch {
        hold(error.code == "bad_image", "an archive is refused as \(error)")
        return (entries, error.message)
    }
}

/// A name that came through leads nowhere but down.
private func checkName(_ entry: TarEntry) {
    for part in entry.path {
        hold(
            !part.isEmpty && part != [0x2e] && part != [0x2e, 0x2e] && !part.contains(0x2f) && !part.contains(0)
                && part.count <= 255, "`\(entry.name)` is no name")
    }
    hold(entry.path.count <= TarEntry.maxDepth && entry.mode <= 0o777, "`\(entry.name)` is out of bounds")
}

/// Reads an image as a worker does, and lays it out when it is small. Nothing may come to lie outside.
private func unpack(_ archive: [UInt8]) {
    Place.write(archive)
    var limits = ImageLimits()
    (limits.entries, limits.bytes, limits.layers) = (200, 1 << 20, 8)
    do throws(SandboxFailure) {
        let plan = try ImagePlan(try ImageArchive(path: Place.archive, limits: limits), architecture: "x86_64")
        hold(plan.entries <= limits.entries && plan.bytes <= limits.bytes, "an image beyond its limits was planned")
        defer { Place.empty() }
        try ImageUnpacker.unpack(plan, from: try ImageArchive(path: Place.archive, limits: limits), into: Place.root)
    } catch {
        hold(error.code == "bad_image", "an image is refused as \(error)")
    }
    hold(Place.names == ["archive", "root"], "an image left something outside: \(Place.names)")
}

/// A layout of the input's parts, which a byte of 255 divides: the first is `index.json`, each a blob under its right
/// name; `#` and a digit stands for the descriptor of that part.
private func layout(_ bytes: [UInt8]) -> [UInt8] {
    var documents = bytes.split(separator: 255, maxSplits: 5, omittingEmptySubsequences: false).map(Array.init)
    // A part can name those behind it, since a digest is known only of what is finished.
    for place in documents.indices.reversed() {
        var made: [UInt8] = []
        var rest = documents[place][...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "#"), let digit = rest.first, (0x30...0x39).contains(digit),
                documents.indices.contains(Int(digit) - 0x30), Int(digit) - 0x30 > place
            else {
                made.append(byte)
                continue
            }
            rest.removeFirst()
            let part = documents[Int(digit) - 0x30]
            made += Array(#""digest":"sha256:\#(Digest.sha256(part))","size":\#(part.count)"#.utf8)
        }
        documents[place] = documents.count > 1 && made.count > 512 ? Tar.mended(made) : made
    }
    var archive = Tar.file("oci-layout", Array("{}".utf8)) + Tar.file("index.json", documents[0])
    for document in documents.dropFirst() {
        archive += Tar.file("blobs/sha256/\(Digest.sha256(document))", document)
    }
    return archive + Tar.end
}

/// Writes what a reader of archives wants to see before it looks further.
private enum Tar {
    static let end = [UInt8](repeating: 0, count: 1024)

    /// Each block that reads `ustar` where a header does gets a checksum that holds.
    static func mended(_ bytes: [UInt8]) -> [UInt8] {
        var mended = bytes
        for start in stride(from: 0, to: bytes.count - 511, by: 512)
        where mended[(start + 257)..<(start + 262)].elementsEqual("ustar".utf8) {
            mend(&mended, at: start)
        }
        return mended
    }

    private static func mend(_ bytes: inout [UInt8], at start: Int) {
        for place in 148..<156 { bytes[start + place] = 0x20 }
        let sum = bytes[start..<start + 512].reduce(0) { $0 + Int($1) }
        let digits = String(sum, radix: 8)
        put(String(repeating: "0", count: 6 - digits.count) + digits + "\0 ", at: start + 148, in: &bytes)
    }

    private static func put(_ text: String, at place: Int, in bytes: inout [UInt8]) {
        for (offset, byte) in text.utf8.enumerated() { bytes[place + offset] = byte }
    }

    static func file(
        _ name: String, _ content: [UInt8], kind: Character = "0", link: String = "", mode: String = "0000644"
    ) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        let octal = String(content.count, radix: 8)
        put(String(name.prefix(100)), at: 0, in: &block)
        put(mode, at: 100, in: &block)
        put(String(repeating: "0", count: 11 - octal.count) + octal, at: 124, in: &block)
        put("00000000000", at: 136, in: &block)
        block[156] = kind.asciiValue ?? 0
        put(link, at: 157, in: &block)
        put("ustar\u{0}00", at: 257, in: &block)
        mend(&block, at: 0)
        return block + content + [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }
}

/// A folder in memory that goes when the process is asked to end by itself.
private enum Place {
    private static let folder: String = {
        let folder = "/dev/shm/fog-fuzz-\(getpid())"
        guard mkdir(folder, 0o700) == 0, mkdir(folder + "/root", 0o700) == 0 else { fatalError("no \(folder)") }
        atexit { Place.remove(Place.text(Place.folder)) }
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

    static var names: [String] {
        names(in: text(folder)).map { String(decoding: $0.map(UInt8.init(bitPattern:)), as: UTF8.self) }.sorted()
    }

    static func empty() {
        for name in names(in: text(root)) { remove(text(root) + slash + name) }
    }

    private static let slash = text("/")
    private static func text(_ text: String) -> [CChar] { text.utf8.map { CChar(bitPattern: $0) } }

    /// As bytes, for an archive's names need not be UTF-8.
    private static func names(in folder: [CChar]) -> [[CChar]] {
        guard let stream = opendir(folder + [0]) else { return [] }
        defer { closedir(stream) }
        var names: [[CChar]] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { $0.prefix { $0 != 0 }.map(CChar.init(bitPattern:)) }
            if name != text("."), name != text("..") { names.append(name) }
        }
        return names
    }

    /// Whatever it is, and all that lies in it; no link is followed.
    private static func remove(_ path: [CChar]) {
        if unlink(path + [0]) == 0 { return }
        for name in names(in: path) { remove(path + slash + name) }
        rmdir(path + [0])
    }
}

/// Seeds: archives and layouts of every kind of entry.
@_cdecl("LLVMFuzzerInitialize")
public func seedArchive(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    let tree =
        Tar.file("usr/bin/", [], kind: "5", mode: "0000755")
        + Tar.file("usr/bin/tool", Array("tool".utf8), mode: "0004755")
        + Tar.file("bin", [], kind: "2", link: "usr/bin") + Tar.file("usr/same", [], kind: "1", link: "./usr/bin/tool")
    let long = Tar.file("././@LongLink", Array("usr/long\0".utf8), kind: "L") + Tar.file("short", [1, 2, 3])
    let pax =
        Tar.file("pax", Array("12 path=a/b\n21 mtime=1234567.500\n10 size=3\n".utf8), kind: "x")
        + Tar.file("c", [1, 2, 3])
    let link = Tar.file("././@LongLink", Array("target\0".utf8), kind: "K") + Tar.file("l", [], kind: "2", link: "x")
    for (name, archive) in [("tree", tree), ("long", long), ("pax", pax), ("link", link)] {
        writeSeed("plain-\(name)", [0, 0] + archive + Tar.end)
        writeSeed("mended-\(name)", [1, 100] + archive + Tar.end)
    }
    writeSeed("device", [1, 0] + Tar.file("dev/null", [], kind: "3") + Tar.end)
    writeSeed("out", [1, 0] + Tar.file("../x", [1]) + Tar.end)
    let index = #"{"manifests":[{#1,"platform":{"architecture":"amd64"}}]}"#
    for (name, layer) in [("tree", tree), ("whiteout", Tar.file(".wh.a", []) + Tar.file("d/.wh..wh..opq", []))] {
        let documents = [Array(index.utf8), Array(#"{"layers":[{#2},{#3}]}"#.utf8), tree + Tar.end, layer + Tar.end]
        writeSeed("layout-\(name)", [3, 0] + Array(documents.joined(separator: [255])))
    }
    // Deflate of nothing much (RFC 1951), by hand: a stored block, and one of the fixed codes that repeats a zero.
    let header: [UInt8] = [8, 0, 0, 0, 0, 0, 0, 255]
    writeSeed("gzip-stored", [2, 0] + header + [1, 4, 0, 251, 255, 1, 2, 3, 4, 0xcd, 0xfb, 0x3c, 0xb6, 4, 0, 0, 0])
    writeSeed("gzip-zeros", [2, 0] + header + [0x63, 0, 0, 0x8d, 0xef, 2, 0xd2, 1, 0, 0, 0])
    return 0
}
