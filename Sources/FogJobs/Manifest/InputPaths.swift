package import FogCore

/// Where an input's content comes from.
package enum InputSource: Hashable, Sendable {
    /// A path beside the manifest.
    case local(String)
    case blob(Digest)
    case volume(VolumeReference)

    /// - Throws: `bad_path` for a digest or path that cannot be one.
    package init(_ text: String) throws(JobsFailure) {
        if text.hasPrefix("blob:") {
            guard let digest = try? Digest(text.dropFirst(5)) else {
                throw JobsFailure("bad_path", "`\(clipped(text))` must be blob: and 64 hexadecimal digits")
            }
            self = .blob(digest)
        } else if let volume = VolumeReference(source: text) {
            if let mistake = volume.mistake { throw JobsFailure("bad_path", "`\(clipped(text))` \(mistake)") }
            self = .volume(volume)
        } else {
            if let mistake = WorkPath.mistakeOfSource(text) {
                throw JobsFailure("bad_path", "`\(clipped(text))` \(mistake)")
            }
            self = .local(Self.normalised(text))
        }
    }

    /// One spelling a path: without `./`, doubled and final slashes. Other sources stay as they are.
    static func normalised(_ text: String) -> String {
        if text.hasPrefix("blob:") || text.hasPrefix("volume:") { return text }
        guard needsNormalising(text) else { return text }
        let components = text.split(separator: "/").filter { $0 != "." }
        let joined = components.joined(separator: "/")
        if text.hasPrefix("/") { return "/" + joined }
        return joined.isEmpty ? "." : joined
    }

    /// One pass over the bytes: a sweep asks this of a million paths, and nearly all are plain.
    private static func needsNormalising(_ text: String) -> Bool {
        var atStart = true
        var before: UInt8 = 0
        for byte in text.utf8 {
            if atStart, byte == UInt8(ascii: ".") || byte == UInt8(ascii: "/") { return true }
            atStart = byte == UInt8(ascii: "/")
            before = byte
        }
        return before == UInt8(ascii: "/") || before == 0
    }
}

/// Rules of names below the work folder.
enum WorkPath {
    /// What is wrong with the name of an input or output, to be put behind it; nil when nothing is.
    static func mistake(in name: String) -> String? {
        if let mistake = mistakeOfSource(name) { return mistake }
        if name.hasPrefix("/") { return "is absolute; wanted a name below the work folder" }
        let plain = name.hasSuffix("/") ? name.dropLast() : name[...]
        for component in plain.split(separator: "/", omittingEmptySubsequences: false) {
            switch component {
            case "": return "has an empty component"
            case "..": return "leaves the work folder by `..`"
            case ".": return "has the component `.`"
            default: continue
            }
        }
        return nil
    }

    /// What no path may have.
    static func mistakeOfSource(_ path: String) -> String? {
        if path.isEmpty { return "is empty" }
        var length = 0
        var component = 0
        var before: UInt8 = 0
        for byte in path.utf8 {
            length += 1
            component = byte == UInt8(ascii: "/") ? 0 : component + 1
            // C0, DEL, and C1, which is 0xc2 0x80...0x9f in UTF-8.
            let isControl = byte < 0x20 || byte == 0x7f || before == 0xc2 && (0x80...0x9f).contains(byte)
            if isControl { return "has a control character" }
            if component > ManifestLimits.maxComponentBytes {
                return "has a component longer than \(ManifestLimits.maxComponentBytes) bytes"
            }
            before = byte
        }
        if path.hidesSlash { return "has a combining mark behind a slash" }
        return length > ManifestLimits.maxPathBytes ? "is longer than \(ManifestLimits.maxPathBytes) bytes" : nil
    }

    /// Whether a value put into a name by `{param}` leaves it a name: whatever stands around it.
    static func isSafePart(_ value: String) -> Bool {
        mistakeOfSource(value) == nil && !value.contains("/") && !value.allSatisfy { $0 == "." }
    }

    /// `./x` as `x`: how people write it.
    static func withoutDot(_ name: String) -> String {
        var rest = name[...]
        while rest.hasPrefix("./"), rest.count > 2 { rest = rest.dropFirst(2) }
        return String(rest)
    }
}
