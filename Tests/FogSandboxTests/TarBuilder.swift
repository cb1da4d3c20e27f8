import CZlib
import FogCore

/// Writes tar archives, honest and hostile ones.
struct TarBuilder {
    private(set) var bytes: [UInt8] = []

    /// - Parameter size: what the header says; nil = the content's.
    mutating func add(
        _ name: String, _ content: [UInt8] = [], kind: Character = "0", link: String = "", mode: UInt32 = 0o644,
        size: Int64? = nil, modified: Int64 = 1_000_000_000
    ) {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ text: some Sequence<UInt8>, at place: Int, max: Int) {
            for (offset, byte) in text.prefix(max).enumerated() { block[place + offset] = byte }
        }
        func octal(_ value: Int64, _ digits: Int) -> [UInt8] {
            let text = String(value, radix: 8)
            return Array((String(repeating: "0", count: Swift.max(0, digits - text.count)) + text).utf8)
        }
        put(name.utf8, at: 0, max: 100)
        put(octal(Int64(mode), 7), at: 100, max: 7)
        put(octal(0, 7), at: 108, max: 7)
        put(octal(0, 7), at: 116, max: 7)
        put(octal(size ?? Int64(content.count), 11), at: 124, max: 11)
        put(octal(modified, 11), at: 136, max: 11)
        block[156] = kind.asciiValue ?? 0
        put(link.utf8, at: 157, max: 100)
        put("ustar\0".utf8, at: 257, max: 6)
        put("00".utf8, at: 263, max: 2)
        let sum = block.indices.reduce(0) { $0 + ((148..<156).contains($1) ? 32 : Int(block[$1])) }
        put(octal(Int64(sum), 6) + [0, 0x20], at: 148, max: 8)
        bytes += block
        append(content)
    }

    mutating func file(_ name: String, _ text: String, mode: UInt32 = 0o644) { add(name, Array(text.utf8), mode: mode) }
    mutating func folder(_ name: String) { add(name, kind: "5", mode: 0o755) }
    mutating func link(_ name: String, to target: String) { add(name, kind: "2", link: target) }

    /// A pax header for the next entry.
    mutating func pax(_ records: [(String, String)], isGlobal: Bool = false) {
        let text = records.map { key, value in
            let rest = " \(key)=\(value)\n"
            var length = rest.utf8.count + 1
            while String(length).utf8.count + rest.utf8.count != length { length += 1 }
            return "\(length)\(rest)"
        }
        add("pax", Array(text.joined().utf8), kind: isGlobal ? "g" : "x")
    }

    /// GNU's long name (`L`) or long link (`K`) for the next entry.
    mutating func long(_ kind: Character, _ text: String) {
        add("././@LongLink", Array(text.utf8) + [0], kind: kind)
    }

    private mutating func append(_ content: [UInt8]) {
        bytes += content
        bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }

    mutating func raw(_ more: [UInt8]) { bytes += more }

    /// With the two empty blocks of its end.
    var archive: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    static func make(_ build: (inout TarBuilder) -> Void) -> [UInt8] {
        var tar = TarBuilder()
        build(&tar)
        return tar.archive
    }

    /// As gzip, in stored blocks (RFC 1951, section 3.2.4).
    static func gzip(_ bytes: [UInt8]) -> [UInt8] {
        var out: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]
        var rest = bytes[...]
        repeat {
            let piece = rest.prefix(65_535)
            rest = rest.dropFirst(piece.count)
            let (low, high) = (UInt8(piece.count & 0xff), UInt8(piece.count >> 8))
            out += [rest.isEmpty ? 1 : 0, low, high, ~low, ~high] + piece
        } while !rest.isEmpty
        let sum = UInt32(truncatingIfNeeded: crc32(0, bytes, UInt32(bytes.count)))
        for value in [sum, UInt32(truncatingIfNeeded: bytes.count)] {
            out += (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
        }
        return out
    }

    /// An OCI layout of layers, the lowest first.
    static func layout(
        _ layers: [[UInt8]], architecture: String = "amd64", change: (inout [String: [UInt8]]) -> Void = { _ in }
    ) -> [UInt8] {
        var blobs: [String: [UInt8]] = [:]
        func put(_ bytes: [UInt8], _ type: String) -> String {
            let digest = Digest.sha256(bytes).description
            blobs[digest] = bytes
            return #"{"mediaType": "\#(type)", "digest": "sha256:\#(digest)", "size": \#(bytes.count)"#
        }
        let layerType = "application/vnd.oci.image.layer.v1.tar"
        let descriptors = layers.map { put($0, layerType) + "}" }
        let manifest = put(
            Array(#"{"schemaVersion": 2, "layers": [\#(descriptors.joined(separator: ", "))]}"#.utf8),
            "application/vnd.oci.image.manifest.v1+json")
        let index = """
            {"schemaVersion": 2, "manifests": [\(manifest), "platform": {"architecture": "\(architecture)", "os": "linux"}}]}
            """
        change(&blobs)
        return make { tar in
            tar.file("oci-layout", #"{"imageLayoutVersion": "1.0.0"}"#)
            tar.file("index.json", index)
            for (digest, bytes) in blobs.sorted(by: { $0.key < $1.key }) { tar.add("blobs/sha256/\(digest)", bytes) }
        }
    }
}
