internal import FogCore
package import FogJobs
internal import Glibc

/// A manifest or script read from disk: the job, or all that is wrong with it.
package struct ManifestFile: Sendable {
    /// As the person named it.
    package let path: String
    /// The folder that sources are relative to.
    package let folder: String
    package let lines: [String]
    package let outcome: ManifestOutcome

    /// The problems for people; empty when there are none.
    package var report: String { outcome.problems.rendered(file: path, lines: lines) }

    /// Reads and checks a file: YAML, JSON, or a script with `#FOG` lines.
    /// - Throws: `not_found`, `unreadable`, `manifest_too_large`, `not_utf8`: what kept the file from being looked at.
    package init(path: String) throws(JobsFailure) {
        let bytes = try LocalFile.read(path, limit: ManifestLimits.maxBytes)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw JobsFailure("not_utf8", "`\(path)` is not text in UTF-8")
        }
        let parts = path.split(separator: "/")
        let parent = parts.dropLast().joined(separator: "/")
        let folder = path.hasPrefix("/") ? "/" + parent : parent.isEmpty ? "." : parent
        self.init(text: text, path: path, folder: folder)
    }

    /// The same for a text that is at hand.
    /// - Parameter folder: nil = look at no file beside it.
    package init(text: String, path: String, folder: String?) {
        self.path = path
        self.folder = folder ?? "."
        lines = SourceText.lines(of: text)
        let resolver = folder.map { LocalFile.resolver(folder: $0) } ?? .none
        let name = ManifestParser.name(ofFile: path)
        guard ScriptManifest.isScript(text) else {
            let (node, problems) = YAMLManifest.node(text)
            outcome = Self.outcome(node, problems, name, resolver)
            return
        }
        let script = ScriptManifest(text, fileName: path.split(separator: "/").last.map(String.init) ?? path)
        let (parsed, problems) = YAMLManifest.node(script.yaml)
        let (node, more) = script.node(with: parsed)
        outcome = Self.outcome(node, problems.filter { $0.code != "empty" } + more, name, resolver)
    }

    private static func outcome(
        _ node: ManifestNode?, _ problems: [ManifestProblem], _ name: String?, _ resolver: ManifestResolver
    ) -> ManifestOutcome {
        // A tree with holes would be told of twice.
        guard let node, !problems.contains(where: { holes.contains($0.code) }) else {
            return ManifestOutcome(spec: nil, problems: problems)
        }
        let parsed = ManifestParser.parse(node, defaultName: name, resolver: resolver)
        return ManifestOutcome(spec: problems.hasErrors ? nil : parsed.spec, problems: problems + parsed.problems)
    }

    private static let holes: Set<String> = [
        "alias", "tag", "bad_key", "manifest_too_deep", "syntax", "many_documents",
    ]
}

/// Files beside a manifest.
package enum LocalFile {
    /// The whole content of a regular file.
    /// - Throws: `not_found` with the nearest name, `unreadable`, `manifest_too_large`.
    package static func read(_ path: String, limit: Int) throws(JobsFailure) -> [UInt8] {
        // Not blocking, so that a pipe of that name is refused below and not waited for.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            guard errno == ENOENT else {
                throw JobsFailure("unreadable", "`\(path)` cannot be read: \(String(cString: strerror(errno)))")
            }
            let near = nearestName(to: path).map { ": did you mean `\($0)`?" } ?? ""
            throw JobsFailure("not_found", "there is no `\(path)`\(near)")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw JobsFailure("unreadable", "`\(path)` is not a file")
        }
        guard status.st_size <= limit else {
            throw JobsFailure(
                "manifest_too_large", "`\(path)` has \(status.st_size) bytes, wanted at most \(limit)")
        }
        return try readAll(descriptor, path, limit: limit, expected: Int(status.st_size))
    }

    private static func readAll(
        _ descriptor: Int32, _ path: String, limit: Int, expected: Int
    ) throws(JobsFailure) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(expected)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw JobsFailure("unreadable", "`\(path)` cannot be read: \(String(cString: strerror(errno)))")
            }
            guard count > 0 else { return out }
            out.append(contentsOf: buffer[..<count])
            // A file may grow while it is read.
            guard out.count <= limit else {
                throw JobsFailure("manifest_too_large", "`\(path)` has more than \(limit) bytes")
            }
        }
    }

    /// Looks at the files in a folder, as `fog job submit` does.
    package static func resolver(folder: String) -> ManifestResolver {
        ManifestResolver { path throws(JobsFailure) in
            if path.hasPrefix("blob:") {
                throw JobsFailure("bad_path", "a sweep is the path of a CSV file here, found `\(path.prefix(80))`")
            }
            return try SweepTable(csv: read(place(of: path, in: folder), limit: ManifestLimits.maxTableBytes))
        } presence: { path in
            presence(of: path, in: folder)
        } imageMistake: { path in
            ImageHead.mistake(in: place(of: path, in: folder))
        }
    }

    package static func place(of path: String, in folder: String) -> String {
        path.hasPrefix("/") || folder == "." ? path : "\(folder)/\(path)"
    }

    private static func presence(of path: String, in folder: String) -> ManifestResolver.Presence {
        var status = stat()
        let place = place(of: path, in: folder)
        guard stat(place, &status) == 0 else {
            return .missing(
                nearest: nearestName(to: place).map { near in
                    let parent = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
                    return (parent + [near[...]]).joined(separator: "/")
                })
        }
        return status.st_mode & S_IFMT == S_IFDIR ? .directory : .file
    }

    /// Names looked at in a folder when one is missing.
    private static let maxNames = 10_000

    /// The name in the same folder that is nearest to a missing one.
    private static func nearestName(to path: String) -> String? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard let wanted = parts.last else { return nil }
        let parent = parts.dropLast().joined(separator: "/")
        guard let folder = opendir(parent.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : parent) else { return nil }
        defer { closedir(folder) }
        var names: [String] = []
        while names.count < maxNames, let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return nearest(to: String(wanted), among: names)
    }
}
