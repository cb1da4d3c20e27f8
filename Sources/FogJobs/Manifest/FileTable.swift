package import FogCore

/// What the submitter's local inputs hold: for each source path its files, by digest.
///
/// Made by the client when it uploads, read by the coordinator and the worker; travels as a blob of its own.
package struct FileTable: Hashable, Sendable {
    package struct Entry: Hashable, Sendable {
        /// Below the source; "" for a source that is a plain file.
        package let path: String
        package let digest: Digest
        package let size: ByteCount
        package let isExecutable: Bool
        /// The machine that a program was built for (``MachineType``); nil for everything else.
        package let machine: String?

        package init(path: String, digest: Digest, size: ByteCount, isExecutable: Bool, machine: String? = nil) {
            self.path = path
            self.digest = digest
            self.size = size
            self.isExecutable = isExecutable
            self.machine = machine
        }
    }

    /// Files and empty folders of all sources together.
    package static let maxEntries = 1_000_000

    private let files: [String: [Entry]]
    private let folders: [String: [String]]
    /// Whether any file is a program for a machine.
    package let hasMachines: Bool

    /// - Parameter folders: the empty folders below each source; a source that is empty itself needs no entry.
    /// - Throws: `bad_file_table` for a path that leaves its source, a name twice, or too many files.
    package init(_ files: [String: [Entry]], folders: [String: [String]] = [:]) throws(JobsFailure) {
        var count = 0
        var sorted: [String: [Entry]] = [:]
        for (source, entries) in files {
            count += entries.count
            guard count <= Self.maxEntries else {
                throw JobsFailure("bad_file_table", "the inputs have more than \(Self.maxEntries) files")
            }
            try Self.check(source, entries)
            sorted[source] = entries.sorted { $0.path < $1.path }
        }
        self.files = sorted
        hasMachines = sorted.values.contains { $0.contains { $0.machine != nil } }
        self.folders = try Self.checked(folders, among: sorted, leaving: Self.maxEntries - count)
    }

    private static func checked(
        _ folders: [String: [String]], among files: [String: [Entry]], leaving room: Int
    ) throws(JobsFailure) -> [String: [String]] {
        var room = room
        var sorted: [String: [String]] = [:]
        for (source, paths) in folders where !paths.isEmpty {
            room -= paths.count
            guard room >= 0, let entries = files[source], Set(paths).count == paths.count else {
                throw JobsFailure("bad_file_table", "the folders of `\(clipped(source))` stand twice or are too many")
            }
            let names = Set(entries.map(\.path))
            for path in paths {
                if let mistake = path.hasSuffix("/") ? "ends in /" : WorkPath.mistake(in: path) {
                    throw JobsFailure("bad_file_table", "`\(clipped(path))` in `\(clipped(source))` \(mistake)")
                }
                guard !names.contains(path), !names.contains("") else {
                    throw JobsFailure(
                        "bad_file_table", "`\(clipped(path))` in `\(clipped(source))` is a file and a folder")
                }
            }
            sorted[source] = paths.sorted()
        }
        return sorted
    }

    private static func check(_ source: String, _ entries: [Entry]) throws(JobsFailure) {
        var seen: Set<String> = []
        for entry in entries {
            let isPlain = entry.path.isEmpty && entries.count == 1
            if !isPlain, let mistake = entry.path.hasSuffix("/") ? "ends in /" : WorkPath.mistake(in: entry.path) {
                throw JobsFailure("bad_file_table", "`\(clipped(entry.path))` in `\(clipped(source))` \(mistake)")
            }
            guard entry.machine.map(MachineType.isName) ?? true else {
                throw JobsFailure(
                    "bad_file_table",
                    "`\(clipped(entry.path))` in `\(clipped(source))` is for no machine that has a name")
            }
            guard seen.insert(entry.path).inserted, entry.size.bytes >= 0 else {
                throw JobsFailure(
                    "bad_file_table", "`\(clipped(entry.path))` in `\(clipped(source))` stands twice or has no size")
            }
        }
        try checkParents(source, entries, seen)
    }

    /// A file holds no other.
    private static func checkParents(_ source: String, _ entries: [Entry], _ names: Set<String>) throws(JobsFailure) {
        var folders: Set<Substring> = []
        for entry in entries {
            var parent = entry.path[...]
            while let slash = parent.lastIndex(of: "/") {
                parent = parent[..<slash]
                guard folders.insert(parent).inserted else { break }
                guard !names.contains(String(parent)) else {
                    throw JobsFailure(
                        "bad_file_table",
                        "`\(clipped(entry.path))` in `\(clipped(source))` lies behind a file, `\(clipped(String(parent)))`"
                    )
                }
            }
        }
    }

    /// Sorted by path; nil for a source that was not uploaded. An empty list is an empty directory.
    package subscript(_ source: String) -> [Entry]? { files[source] }

    /// The empty folders below a source, sorted; "" is the source itself.
    package func emptyFolders(in source: String) -> [String] {
        if let below = folders[source] { return below }
        return files[source]?.isEmpty == true ? [""] : []
    }

    package var sources: [String] { files.keys.sorted() }
    package var isEmpty: Bool { files.isEmpty }

    /// Every content that the table names, once, sorted.
    package var digests: [Digest] { Set(files.values.joined().map(\.digest)).sorted() }

    package func presence(of source: String) -> ManifestResolver.Presence {
        guard let entries = files[source] else { return .missing(nearest: nearest(to: source, among: files.keys)) }
        return entries.count == 1 && entries[0].path.isEmpty ? .file : .directory
    }

    package var json: JSON {
        .object(
            sources.map { source in
                JSON.Member(
                    source,
                    .array(
                        (files[source] ?? []).map(Self.json(of:))
                            + (folders[source] ?? []).map { .object(["path": .string($0 + "/")]) }))
            })
    }

    private static func json(of entry: Entry) -> JSON {
        .object([
            "path": .string(entry.path), "digest": .string(entry.digest.description),
            "size": .integer(entry.size.bytes), "executable": entry.isExecutable ? true : nil,
            "machine": entry.machine.map { .string($0) },
        ])
    }

    /// The bytes of the blob.
    package var bytes: [UInt8] { Array(json.canonical.utf8) }
    package var digest: Digest { .blake2b(bytes) }

    /// - Throws: `bad_file_table`.
    package init(json: JSON) throws(JobsFailure) {
        guard let members = json.members else { throw JobsFailure("bad_file_table", "a file table is an object") }
        var files: [String: [Entry]] = [:]
        var folders: [String: [String]] = [:]
        for member in members {
            var entries: [Entry] = []
            for element in member.value.array ?? [] {
                if let path = element["path"]?.string, path.hasSuffix("/"), element["digest"] == nil {
                    folders[member.name, default: []].append(String(path.dropLast()))
                    continue
                }
                guard let path = element["path"]?.string, let digest = try? Digest(element["digest"]?.string ?? ""),
                    let size = element["size"]?.integer
                else {
                    throw JobsFailure(
                        "bad_file_table", "a file of `\(clipped(member.name))` lacks its path, digest or size")
                }
                let isExecutable = element["executable"]?.bool ?? false
                entries.append(
                    Entry(
                        path: path, digest: digest, size: ByteCount(size), isExecutable: isExecutable,
                        machine: element["machine"]?.string))
            }
            files[member.name] = entries
        }
        try self.init(files, folders: folders)
    }
}
