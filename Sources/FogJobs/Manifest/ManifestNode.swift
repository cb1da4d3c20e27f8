package import FogCore

/// A manifest as it was written: values with their places, before anything is known about keys.
///
/// The adapter from JSON is here; the one from YAML is in `FogManifestFile`, so this module needs no YAML library.
/// Values stay text until the parser knows what type a key wants: `no` is never false, `10:00` never 600.
package struct ManifestNode: Hashable, Sendable {
    package enum Content: Hashable, Sendable {
        /// `quoted`: written in quotes or as a block, so never a number, a truth value or nothing.
        case scalar(String, quoted: Bool)
        case sequence([ManifestNode])
        /// As written; a name may stand twice, which the parser reports.
        case mapping([Entry])
    }

    package struct Entry: Hashable, Sendable {
        package let key: String
        package let keyMark: SourceMark?
        package let value: ManifestNode

        package init(key: String, keyMark: SourceMark?, value: ManifestNode) {
            self.key = key
            self.keyMark = keyMark
            self.value = value
        }
    }

    package var content: Content
    /// Nil when the document has no lines that a person wrote (JSON from a client).
    package var mark: SourceMark?

    package init(_ content: Content, at mark: SourceMark? = nil) {
        self.content = content
        self.mark = mark
    }

    package static func text(_ text: String, at mark: SourceMark? = nil) -> ManifestNode {
        ManifestNode(.scalar(text, quoted: true), at: mark)
    }
}

/// Bounds of a manifest's outer form.
package enum ManifestLimits {
    package static let maxBytes = 1 << 20
    package static let maxDepth = 32
    package static let maxTasks = 1_000_000
    package static let maxSteps = 1024
    /// Inputs, outputs, environment variables and arguments of one step, and members of any other list or map.
    package static let maxInputs = 1000
    package static let maxOutputs = 1000
    package static let maxVariables = 256
    package static let maxArguments = 4096
    package static let maxListed = 64
    package static let maxParameters = 64
    /// Concrete local paths of one job, after substitution.
    package static let maxLocalInputs = 100_000
    /// Linux takes at most 128 KiB, the final zero included, for one argument or variable (MAX_ARG_STRLEN).
    package static let maxTextBytes = 131_071
    /// A value that goes into the environment beside its name.
    package static let maxValueBytes = 65_536
    package static let maxNameBytes = 63
    package static let maxPathBytes = 4096
    package static let maxComponentBytes = 255
    package static let maxTableBytes = 256 << 20
    /// Problems told at once; what comes after is noise.
    package static let maxProblems = 100
}

// MARK: - From JSON

extension ManifestNode {
    /// The same tree without marks. Numbers, truth values and null become unquoted text.
    /// - Throws: `manifest_too_deep` beyond ``ManifestLimits/maxDepth``.
    package init(_ json: JSON) throws(JobsFailure) {
        try self.init(json, depth: 1)
    }

    private init(_ json: JSON, depth: Int) throws(JobsFailure) {
        guard depth <= ManifestLimits.maxDepth else {
            throw JobsFailure("manifest_too_deep", "a manifest nests at most \(ManifestLimits.maxDepth) levels")
        }
        switch json {
        case .null: self.init(.scalar("", quoted: false))
        case .bool, .integer, .double: self.init(.scalar(json.compact, quoted: false))
        case .string(let text): self.init(.scalar(text, quoted: true))
        case .array(let elements):
            var nodes: [ManifestNode] = []
            nodes.reserveCapacity(elements.count)
            for element in elements { nodes.append(try ManifestNode(element, depth: depth + 1)) }
            self.init(.sequence(nodes))
        case .object(let members):
            var entries: [Entry] = []
            entries.reserveCapacity(members.count)
            for member in members {
                let value = try ManifestNode(member.value, depth: depth + 1)
                entries.append(Entry(key: member.name, keyMark: nil, value: value))
            }
            self.init(.mapping(entries))
        }
    }
}

// MARK: - Looking at a node

extension ManifestNode {
    /// For messages: `` `four` ``, `a list`, `a map`, `nothing`.
    var summary: String {
        switch content {
        case .scalar("", quoted: false): "nothing"
        case .scalar(let text, _): "`" + clipped(text) + "`"
        case .sequence: "a list"
        case .mapping: "a map"
        }
    }

    /// Columns to underline, from the mark on.
    var width: Int {
        switch content {
        case .scalar(let text, let quoted):
            text.contains("\n") ? 1 : max(1, text.unicodeScalars.count + (quoted ? 2 : 0))
        case .sequence, .mapping: 1
        }
    }

    var isNothing: Bool { content == .scalar("", quoted: false) }

    /// `{index}` without quotes is a map of one key without a value: what it was meant to say.
    var unquotedBraces: String? {
        guard case .mapping(let entries) = content, entries.count == 1, entries[0].value.isNothing else { return nil }
        return "{\(entries[0].key)}"
    }
}
