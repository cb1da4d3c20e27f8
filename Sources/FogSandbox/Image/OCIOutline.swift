import FogCore

/// What of an archive makes it an OCI image layout (image-spec 1.0, "image-layout.md"): where its blobs lie.
struct OCIOutline {
    private var blobs: [String: ImageArchive.Part] = [:]
    private var index: ImageArchive.Part?
    private var hasMarker = false

    /// Of an index or manifest.
    private static let maxDocumentBytes: Int64 = 4 << 20
    /// Indexes within indexes.
    private static let maxNesting = 4

    var isLayout: Bool { hasMarker && index != nil }

    mutating func add(_ entry: TarEntry) {
        guard case .file(let size) = entry.kind else { return }
        let part = ImageArchive.Part(offset: entry.offset, size: size)
        switch entry.path.count {
        case 1 where entry.path[0] == Array("oci-layout".utf8): hasMarker = true
        case 1 where entry.path[0] == Array("index.json".utf8): index = part
        case 3 where entry.path[0] == Array("blobs".utf8) && entry.path[1] == Array("sha256".utf8):
            blobs[String(decoding: entry.path[2], as: UTF8.self)] = part
        default: break
        }
    }

    /// The layers of the image for an architecture, the lowest first, each checked by its digest.
    /// - Parameter architecture: nil = of the first machine that the image is for.
    func layers(
        in archive: borrowing ImageArchive, architecture: String?
    ) throws(SandboxFailure) -> [ImageArchive.Part] {
        guard let index else { throw TarReader.refused("it has no index.json") }
        var document = try json(index, "index.json", in: archive)
        var nesting = 0
        while let choices = document["manifests"]?.array {
            nesting += 1
            guard nesting <= Self.maxNesting else { throw TarReader.refused("indexes lie within indexes") }
            let chosen = try Self.choice(among: choices, architecture: architecture)
            document = try json(try blob(chosen, in: archive), "a manifest", in: archive)
        }
        guard let layers = document["layers"]?.array else { throw TarReader.refused("its manifest names no layers") }
        guard layers.count <= archive.limits.layers else {
            throw TarReader.refused("it has \(layers.count) layers, at most \(archive.limits.layers)")
        }
        var parts: [ImageArchive.Part] = []
        for layer in layers { parts.append(try blob(layer, in: archive)) }
        return parts
    }

    private static func choice(among manifests: [JSON], architecture: String?) throws(SandboxFailure) -> JSON {
        guard let architecture else {
            let known = manifests.first { $0["platform"]?["architecture"]?.string ?? "unknown" != "unknown" }
            guard let first = known ?? manifests.first else { throw TarReader.refused("its index names no image") }
            return first
        }
        let names = ["x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"]
        let wanted = names[architecture] ?? architecture
        if let fitting = manifests.first(where: { $0["platform"]?["architecture"]?.string == wanted }) {
            return fitting
        }
        // Attestations carry `unknown`; an image that names no platform is for whom it may concern.
        if let plain = manifests.first(where: { $0["platform"] == nil }) { return plain }
        let found = manifests.compactMap { $0["platform"]?["architecture"]?.string }.map {
            TarEntry.shown(Array($0.utf8))
        }
        throw TarReader.refused("it is for \(found.joined(separator: ", ")), not for \(wanted)")
    }

    private func blob(_ descriptor: JSON, in archive: borrowing ImageArchive) throws(SandboxFailure)
        -> ImageArchive.Part
    {
        guard let text = descriptor["digest"]?.string, text.hasPrefix("sha256:"),
            let digest = try? Digest(text.dropFirst(7))
        else { throw TarReader.refused("a descriptor has no sha256 digest") }
        guard let part = blobs[digest.description] else { throw TarReader.refused("the blob \(text) is not in it") }
        guard descriptor["size"]?.integer == part.size else {
            throw TarReader.refused("the blob \(text) has another size than its descriptor says")
        }
        guard try archive.sha256(of: part) == digest else {
            throw TarReader.refused("the blob \(text) has other content than its name says")
        }
        return part
    }

    private func json(
        _ part: ImageArchive.Part, _ name: String, in archive: borrowing ImageArchive
    ) throws(SandboxFailure) -> JSON {
        guard part.size <= Self.maxDocumentBytes else {
            throw TarReader.refused("\(name) has \(part.size) bytes, at most \(Self.maxDocumentBytes)")
        }
        let bytes = try archive.bytes(of: part, at: 0, count: Int(part.size))
        do throws(CoreFailure) {
            return try JSON(parsing: bytes, maxDepth: 16)
        } catch {
            throw TarReader.refused("\(name) does not read: \(error.message)")
        }
    }
}
