import FogCore
import Glibc

/// A file that a task left as its result.
package struct CollectedFile: Hashable, Sendable {
    /// Relative to the work folder, names joined by `/`.
    package let name: String
    package let path: String
    package let size: ByteCount
    package let isExecutable: Bool
}

/// Finds a task's outputs in its work folder once it has ended.
///
/// Whatever the task left there, only regular files are taken, no link is followed, and no name leads elsewhere.
package enum OutputCollector {
    package struct Limits: Sendable {
        package var files = 10_000
        package var bytes = ByteCount.gibibytes(10)
        /// Files and folders looked at.
        package var entries = 200_000

        package init() {}
    }

    /// The files that the patterns mean, sorted by name, without the task's inputs.
    /// - Parameter inputs: names below the work folder; of a folder, everything in it.
    /// - Throws: `missing_output`, `bad_output` (a link or a device by name, or a name that other systems would
    ///   stumble on), `too_many_outputs`, `outputs_too_large`, `bad_output_pattern`, `bad_work_folder`.
    package static func collect(
        workFolder: String, patterns: [String], excluding inputs: Set<String> = [], limits: Limits = Limits()
    ) throws(SandboxFailure) -> [CollectedFile] {
        var parsed: [OutputPattern] = []
        for pattern in patterns { parsed.append(try OutputPattern(pattern)) }
        let root = open(workFolder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard root >= 0 else { throw SandboxFailure("bad_work_folder", "\(workFolder): \(Files.words(errno))") }
        var walk = Walk(root: workFolder, patterns: parsed, inputs: inputs, limits: limits)
        try walk.visit(root, [])
        for pattern in parsed where pattern.kind != .glob && !walk.found.contains(pattern.text) {
            throw SandboxFailure("missing_output", "the output `\(pattern.text)` was not written")
        }
        return walk.files.sorted { $0.name < $1.name }
    }
}

private struct Walk {
    let root: String
    let patterns: [OutputPattern]
    let inputs: Set<String>
    let limits: OutputCollector.Limits
    var files: [CollectedFile] = []
    /// Texts of the names and trees that exist.
    var found: Set<String> = []
    private var entries = 0
    private var bytes: Int64 = 0

    init(root: String, patterns: [OutputPattern], inputs: Set<String>, limits: OutputCollector.Limits) {
        (self.root, self.patterns, self.inputs, self.limits) = (root, patterns, inputs, limits)
    }

    /// Takes the descriptor over.
    mutating func visit(_ folder: Int32, _ path: [[UInt8]]) throws(SandboxFailure) {
        guard let stream = fdopendir(folder) else {
            close(folder)
            throw SandboxFailure("bad_work_folder", "\(show(path)): \(Files.words(errno))")
        }
        defer { closedir(stream) }
        let names = Folder.names(stream, max: limits.entries - entries + 1)
        entries += names.count
        guard entries <= limits.entries else {
            throw SandboxFailure("too_many_outputs", "more than \(limits.entries) files in the work folder")
        }
        for name in names { try consider(name, in: folder, path + [name]) }
    }

    private mutating func consider(_ name: [UInt8], in folder: Int32, _ path: [[UInt8]]) throws(SandboxFailure) {
        let text = show(path)
        guard !inputs.contains(text) else { return }
        var status = stat()
        guard Folder.withName(name, { fstatat(folder, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0 else { return }
        switch status.st_mode & S_IFMT {
        case S_IFDIR:
            for pattern in patterns where pattern.kind != .glob && pattern.path == text { found.insert(pattern.text) }
            guard path.count < OutputPattern.maxDepth else {
                if isMeant(path) { throw bad(text, "lies deeper than \(OutputPattern.maxDepth) folders") }
                return
            }
            let child = Folder.open(folder, name)
            // A folder the task closed to everybody is not part of its results.
            if child >= 0 { try visit(child, path) }
        case S_IFREG:
            if isMeant(path) { try take(path, text, status) }
        default:
            // In trees and globs other kinds are passed over; asked for by name they are a mistake to report.
            if patterns.contains(where: { $0.kind == .name && $0.path == text }) {
                throw bad(text, "is not a regular file; links, pipes and sockets are not collected")
            }
        }
    }

    private func isMeant(_ path: [[UInt8]]) -> Bool { patterns.contains { $0.matches(path) } }

    private mutating func take(_ path: [[UInt8]], _ text: String, _ status: stat) throws(SandboxFailure) {
        for name in path {
            guard let valid = String(validating: name, as: UTF8.self), name.count <= 255, valid != "..",
                !("/" + valid).hidesSlash,
                valid.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control && $0 != "\\" })
            else { throw bad(text, "has a name that not every system can write; rename it") }
        }
        for pattern in patterns where pattern.kind != .glob && pattern.path == text && pattern.kind == .name {
            found.insert(pattern.text)
        }
        bytes += Int64(status.st_size)
        guard files.count < limits.files else {
            throw SandboxFailure("too_many_outputs", "more than \(limits.files) output files")
        }
        guard bytes <= limits.bytes.bytes else {
            throw SandboxFailure("outputs_too_large", "outputs exceed \(limits.bytes)")
        }
        files.append(
            CollectedFile(
                name: text, path: root + "/" + text, size: ByteCount(Int64(status.st_size)),
                isExecutable: status.st_mode & S_IXUSR != 0))
    }

    private func show(_ path: [[UInt8]]) -> String {
        path.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/")
    }

    private func bad(_ name: String, _ words: String) -> SandboxFailure {
        // Control characters would play tricks in a terminal or a log.
        let clean = String(name.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : Character($0) })
        return SandboxFailure("bad_output", "the output `\(clean.prefix(200))` \(words)")
    }
}
