/// What `volume:NAME/sub` names: a folder that a node's owner shares, or something in it.
package struct VolumeReference: Hashable, Sendable {
    package let name: String
    /// Below the volume; "" = the whole of it. `{param}` allowed until it is filled.
    package let path: String

    private static let scheme = "volume:"

    /// Nil for a source that is no volume's; without a look at the names.
    init?(source: String) {
        guard source.hasPrefix(Self.scheme) else { return nil }
        let rest = source.dropFirst(Self.scheme.count)
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        name = String(rest[..<end])
        path = String(rest[end...].dropFirst())
    }

    /// What is wrong with it, to be put behind the source; nil when nothing is.
    var mistake: String? {
        if name.contains("{") { return "has a place in the volume's name: only what lies below may differ" }
        guard VolumeReference.isName(name) else {
            return "needs a volume's name of a-z, 0-9 and -, at most \(ManifestLimits.maxNameBytes) long"
        }
        let plain = path.hasSuffix("/") ? String(path.dropLast()) : path
        return plain.isEmpty ? nil : WorkPath.mistake(in: plain)
    }

    package static func isName(_ text: String) -> Bool { ManifestReader.isName(text) }
}
