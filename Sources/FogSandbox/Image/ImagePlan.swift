import FogCore

/// An image that was read once from end to end, without writing anything: what unpacking it will make.
package struct ImagePlan: Sendable, Hashable {
    struct Layer: Sendable, Hashable {
        var part: ImageArchive.Part
        var whiteouts: [Whiteout] = []
    }

    /// Something that a layer takes away from those below it.
    enum Whiteout: Sendable, Hashable {
        case one([[UInt8]])
        /// All that lies in a folder.
        case contents([[UInt8]])
    }

    var layers: [Layer] = []
    /// Whether `.wh.` names take things away.
    private(set) var isLayered = false
    /// On disk, about: files in whole blocks, folders and links as well.
    package private(set) var bytes: Int64 = 0
    package private(set) var entries = 0

    private static let blockBytes: Int64 = 4096
    /// Names at the top of an image: each is bound into the root of a task by itself.
    package static let maxTopNames = 128

    /// - Parameter architecture: of this machine, as `uname -m` has it; chooses among an OCI index's images. Nil where it
    ///   is not known on which machine the image will lie.
    /// - Throws: `bad_image` with the entry's name.
    package init(
        _ archive: borrowing ImageArchive, architecture: String?
    ) throws(SandboxFailure) {
        var plain = LayerSurvey(isLayer: false)
        var outline = OCIOutline()
        let limits = archive.limits
        try archive.read(archive.whole) { event throws(SandboxFailure) in
            guard case .entry(let entry) = event else { return }
            outline.add(entry)
            try plain.add(entry)
            guard plain.entries <= limits.entries, plain.bytes <= limits.bytes else {
                throw Self.tooMuch(entry, limits)
            }
        }
        guard outline.isLayout else {
            try plain.checkTop()
            (bytes, entries) = (plain.bytes, plain.entries)
            layers = [Layer(part: archive.whole)]
            return
        }
        guard try !archive.isCompressed(archive.whole) else {
            throw TarReader.refused("an OCI layout's own tar must not be compressed; its layers may be")
        }
        isLayered = true
        let parts = try outline.layers(in: archive, architecture: architecture)
        for part in parts {
            var survey = LayerSurvey(isLayer: true)
            let (before, counted) = (bytes, entries)
            try archive.read(part) { event throws(SandboxFailure) in
                guard case .entry(let entry) = event else { return }
                try survey.add(entry)
                guard counted + survey.entries <= limits.entries, before + survey.bytes <= limits.bytes else {
                    throw Self.tooMuch(entry, limits)
                }
            }
            bytes += survey.bytes
            entries += survey.entries
            layers.append(Layer(part: part, whiteouts: survey.whiteouts))
        }
    }

    private static func tooMuch(_ entry: TarEntry, _ limits: ImageLimits) -> SandboxFailure {
        TarReader.refused(
            "with `\(entry.name)` it has more than \(limits.entries) entries or \(ByteCount(limits.bytes).brief)")
    }

    static func room(for size: Int64) -> Int64 { (size + blockBytes - 1) / blockBytes * blockBytes }
}

/// The names of one archive, held against each other.
struct LayerSurvey {
    /// Whether `.wh.` names take things away, as OCI layers have it.
    let isLayer: Bool
    private(set) var whiteouts: [ImagePlan.Whiteout] = []
    private(set) var bytes: Int64 = 0
    private(set) var entries = 0
    private var named: Set<[UInt8]> = []
    private var folders: Set<[UInt8]> = []
    private var files: Set<[UInt8]> = []
    private var links: Set<[UInt8]> = []
    private var tops: Set<[UInt8]> = []

    private static let whiteoutPrefix = Array(".wh.".utf8)
    private static let opaque = Array(".wh..wh..opq".utf8)
    private static let slash = [UInt8(ascii: "/")]

    init(isLayer: Bool) { self.isLayer = isLayer }

    static func isWhiteout(_ entry: TarEntry) -> Bool { entry.path.last?.starts(with: whiteoutPrefix) ?? false }

    mutating func add(_ entry: TarEntry) throws(SandboxFailure) {
        entries += 1
        guard let last = entry.path.last else { return }
        if isLayer, Self.isWhiteout(entry) { return try addWhiteout(entry, last) }
        let key = Array(entry.path.joined(separator: Self.slash))
        guard named.insert(key).inserted else { throw TarReader.refused("`\(entry.name)` stands twice") }
        tops.insert(entry.path[0])
        try addParents(of: entry)
        switch entry.kind {
        case .folder:
            guard !files.contains(key), !links.contains(key) else { throw Self.clash(entry) }
            folders.insert(key)
            bytes += ImagePlan.room(for: 1)
        case .file(let size):
            guard !folders.contains(key) else { throw Self.clash(entry) }
            files.insert(key)
            let sum = bytes.addingReportingOverflow(ImagePlan.room(for: min(size, 1 << 60)))
            bytes = sum.overflow ? .max : sum.partialValue
        case .link:
            guard !folders.contains(key) else { throw Self.clash(entry) }
            links.insert(key)
            bytes += 256
        case .hardLink(let target):
            guard !folders.contains(key) else { throw Self.clash(entry) }
            // In a layer the file may lie below; then it shows when the link is made.
            let wanted = Array(target.joined(separator: Self.slash))
            guard files.contains(wanted) || isLayer && !named.contains(wanted) else {
                throw TarReader.refused(
                    "the hard link `\(entry.name)` is to `\(TarEntry.shown(wanted))`, which is no earlier file")
            }
            files.insert(key)
            bytes += 256
        }
    }

    private static func clash(_ entry: TarEntry) -> SandboxFailure {
        TarReader.refused("`\(entry.name)` is a folder and something else")
    }

    private mutating func addParents(of entry: TarEntry) throws(SandboxFailure) {
        var key: [UInt8] = []
        for part in entry.path.dropLast() {
            key += (key.isEmpty ? [] : Self.slash) + part
            guard !files.contains(key), !links.contains(key) else {
                throw TarReader.refused("`\(entry.name)` lies behind `\(TarEntry.shown(key))`, which is no folder")
            }
            if folders.insert(key).inserted { bytes += ImagePlan.room(for: 1) }
        }
    }

    private mutating func addWhiteout(_ entry: TarEntry, _ last: [UInt8]) throws(SandboxFailure) {
        guard case .file(0) = entry.kind else {
            throw TarReader.refused("the whiteout `\(entry.name)` is no empty file")
        }
        let parent = Array(entry.path.dropLast())
        if last == Self.opaque {
            whiteouts.append(.contents(parent))
        } else if !last.starts(with: Self.whiteoutPrefix + Self.whiteoutPrefix) {
            let name = Array(last.dropFirst(Self.whiteoutPrefix.count))
            guard !name.isEmpty, name != Array(".".utf8), name != Array("..".utf8) else {
                throw TarReader.refused("the whiteout `\(entry.name)` names nothing")
            }
            whiteouts.append(.one(parent + [name]))
        }
    }

    /// - Throws: `bad_image` for too many names at the top.
    func checkTop() throws(SandboxFailure) {
        guard tops.count <= ImagePlan.maxTopNames else {
            throw TarReader.refused("it has \(tops.count) names at its top, at most \(ImagePlan.maxTopNames)")
        }
    }
}
