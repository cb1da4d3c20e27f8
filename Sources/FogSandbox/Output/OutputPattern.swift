import FogCore

/// One line of a manifest's `outputs`: a name, `dir/` for a whole tree, or a glob.
///
/// In a glob `*`, `?` and `[a-z]` (`[!a-z]` for none of them) stay within one name and do not match a leading dot, as in
/// a shell; `**` stands for any number of folders.
package struct OutputPattern: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// Must exist; a folder is taken whole.
        case name
        /// A folder that must exist, taken whole.
        case tree
        /// May match nothing.
        case glob
    }

    package let text: String
    package let kind: Kind
    private let components: [[UInt8]]

    static let maxBytes = 1024
    static let maxDepth = 32

    /// - Throws: `bad_output_pattern`.
    package init(_ text: String) throws(SandboxFailure) {
        var body = Substring(text)
        let isTree = body.hasSuffix("/")
        if isTree { body = body.dropLast() }
        if body.hasPrefix("./") { body = body.dropFirst(2) }
        let parts = body.split(separator: "/", omittingEmptySubsequences: false)
        guard text.utf8.count <= Self.maxBytes, parts.count <= Self.maxDepth, !text.hidesSlash,
            parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }),
            text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f })
        else {
            throw SandboxFailure(
                "bad_output_pattern", "an output is a path below the work folder, found `\(text.prefix(120))`")
        }
        self.text = text
        components = parts.map { Array($0.utf8) }
        kind = isTree ? .tree : body.contains { "*?[".contains($0) } ? .glob : .name
    }

    var path: String { components.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/") }

    /// Whether a file, by the names of its path, is meant.
    package func matches(_ path: [[UInt8]]) -> Bool {
        switch kind {
        case .name, .tree: path.count >= components.count && path.prefix(components.count).elementsEqual(components)
        case .glob: matchesGlob(path)
        }
    }

    /// Row by row over the pattern, so that many `**` cost no more than components x path.
    private func matchesGlob(_ path: [[UInt8]]) -> Bool {
        var reached = [Bool](repeating: false, count: path.count + 1)
        reached[0] = true
        for component in components {
            var next = [Bool](repeating: false, count: path.count + 1)
            if component == Array("**".utf8) {
                var seen = false
                for index in 0...path.count {
                    seen = seen || reached[index]
                    next[index] = seen
                }
            } else {
                for index in 0..<path.count where reached[index] && Self.matches(path[index], component) {
                    next[index + 1] = true
                }
            }
            reached = next
        }
        return reached[path.count]
    }

    /// One name against one component, with a single point to go back to: the last `*`.
    static func matches(_ name: [UInt8], _ pattern: [UInt8]) -> Bool {
        if name.first == UInt8(ascii: "."), pattern.first != UInt8(ascii: ".") { return false }
        var (at, mark) = (0, 0)
        var star: (pattern: Int, name: Int)?
        while mark < name.count {
            if at < pattern.count, pattern[at] == UInt8(ascii: "*") {
                star = (at, mark)
                at += 1
            } else if let next = step(name[mark], pattern, at) {
                (at, mark) = (next, mark + 1)
            } else if let (lastStar, lastName) = star {
                star = (lastStar, lastName + 1)
                (at, mark) = (lastStar + 1, lastName + 1)
            } else {
                return false
            }
        }
        return pattern[at...].allSatisfy { $0 == UInt8(ascii: "*") }
    }

    /// The place after the pattern's element when that takes the character.
    private static func step(_ character: UInt8, _ pattern: [UInt8], _ at: Int) -> Int? {
        guard at < pattern.count else { return nil }
        if pattern[at] == UInt8(ascii: "?") { return at + 1 }
        guard pattern[at] == UInt8(ascii: "["),
            let end = pattern[(at + 1)...].dropFirst().firstIndex(of: UInt8(ascii: "]"))
        else { return pattern[at] == character ? at + 1 : nil }
        var set = pattern[(at + 1)..<end]
        let isNegated = set.first == UInt8(ascii: "!")
        if isNegated { set = set.dropFirst() }
        var isIn = false
        var index = set.startIndex
        while index < set.endIndex {
            if index + 2 < set.endIndex, set[index + 1] == UInt8(ascii: "-") {
                isIn = isIn || (set[index] <= character && character <= set[index + 2])
                index += 3
            } else {
                isIn = isIn || set[index] == character
                index += 1
            }
        }
        return isIn != isNegated ? end + 1 : nil
    }
}
