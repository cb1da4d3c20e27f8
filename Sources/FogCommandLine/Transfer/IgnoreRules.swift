/// What a `.fogignore` leaves out of a folder that is sent along: the patterns of gitignore(5), told in the Manifest
/// article, and no others.
package struct IgnoreRules: Sendable {
    package static let fileName = ".fogignore"
    package static let maxBytes = 64 << 10
    package static let maxRules = 4096

    /// Of all files read so far, the weakest first: the last one that matches decides.
    private var rules: [Rule] = []

    package init() {}

    private struct Rule: Sendable {
        /// The folder of the file, as parts below the root; empty = the root.
        let base: [[UInt8]]
        let parts: [Part]
        /// Matches only at its base, not below it.
        let isAnchored: Bool
        let onlyFolders: Bool
        let keeps: Bool
    }

    private enum Part: Sendable {
        /// `**`: any number of folders.
        case anything
        case name([Token])
    }

    private enum Token: Sendable {
        case byte(UInt8)
        case one
        case many
        case set([ClosedRange<UInt8>], negated: Bool)

        func matches(_ byte: UInt8) -> Bool {
            switch self {
            case .byte(let own): own == byte
            case .one, .many: true
            case .set(let ranges, let negated): ranges.contains { $0.contains(byte) } != negated
            }
        }
    }

    /// Takes a `.fogignore` in; those of deeper folders come later and are stronger.
    /// - Parameter folder: the folder it lies in, below the root; "" = the root.
    /// - Throws: `bad_ignore_file` beyond the bounds.
    package mutating func add(_ text: [UInt8], in folder: String, path: String) throws {
        guard text.count <= Self.maxBytes else {
            throw CommandLineFailure(
                "bad_ignore_file", "\(path) has \(text.count) bytes, at most \(Self.maxBytes)", status: .badData)
        }
        let base = Self.split(Array(folder.utf8))
        for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true) {
            guard let rule = Self.rule(line, base: base) else { continue }
            rules.append(rule)
            guard rules.count <= Self.maxRules else {
                throw CommandLineFailure(
                    "bad_ignore_file", "\(path): more than \(Self.maxRules) patterns", status: .badData)
            }
        }
    }

    /// Whether a file or folder is left out. Asked of a folder before anything in it, which goes with it.
    package func leavesOut(_ path: String, isFolder: Bool) -> Bool {
        guard !rules.isEmpty else { return false }
        let parts = Self.split(Array(path.utf8))
        for rule in rules.reversed() where Self.matches(rule, parts, isFolder: isFolder) { return !rule.keeps }
        return false
    }

    // MARK: - Reading

    private static func rule(_ line: ArraySlice<UInt8>, base: [[UInt8]]) -> Rule? {
        var text = line
        if text.last == UInt8(ascii: "\r") { text.removeLast() }
        while text.last == UInt8(ascii: " "), text.dropLast().last != UInt8(ascii: "\\") { text.removeLast() }
        if text.first == UInt8(ascii: "#") { return nil }
        let keeps = text.first == UInt8(ascii: "!")
        if keeps { text.removeFirst() }
        let onlyFolders = text.last == UInt8(ascii: "/")
        if onlyFolders { text.removeLast() }
        let isAnchored = text.contains(UInt8(ascii: "/"))
        if text.first == UInt8(ascii: "/") { text.removeFirst() }
        guard !text.isEmpty else { return nil }
        let parts = split(Array(text)).map { $0 == Array("**".utf8) ? Part.anything : .name(tokens($0)) }
        return parts.isEmpty
            ? nil : Rule(base: base, parts: parts, isAnchored: isAnchored, onlyFolders: onlyFolders, keeps: keeps)
    }

    private static func split(_ path: [UInt8]) -> [[UInt8]] {
        path.split(separator: UInt8(ascii: "/")).map(Array.init)
    }

    private static func tokens(_ part: [UInt8]) -> [Token] {
        var tokens: [Token] = []
        var place = 0
        while place < part.count {
            let byte = part[place]
            place += 1
            switch byte {
            case UInt8(ascii: "\\") where place < part.count:
                tokens.append(.byte(part[place]))
                place += 1
            case UInt8(ascii: "?"): tokens.append(.one)
            case UInt8(ascii: "*"):
                if case .many? = tokens.last { continue }
                tokens.append(.many)
            case UInt8(ascii: "["):
                if let (set, end) = bracket(part, from: place) {
                    tokens.append(set)
                    place = end
                } else {
                    tokens.append(.byte(byte))
                }
            default: tokens.append(.byte(byte))
            }
        }
        return tokens
    }

    /// `[a-z]`, `[!0-9]`; nil without an end: then the bracket is a plain character.
    private static func bracket(_ part: [UInt8], from start: Int) -> (Token, end: Int)? {
        var place = start
        let negated = place < part.count && [UInt8(ascii: "!"), UInt8(ascii: "^")].contains(part[place])
        if negated { place += 1 }
        let first = place
        var ranges: [ClosedRange<UInt8>] = []
        while place < part.count, part[place] != UInt8(ascii: "]") || place == first {
            let low = part[place]
            if place + 2 < part.count, part[place + 1] == UInt8(ascii: "-"), part[place + 2] != UInt8(ascii: "]") {
                let high = part[place + 2]
                if low <= high { ranges.append(low...high) }
                place += 3
            } else {
                ranges.append(low...low)
                place += 1
            }
        }
        return place < part.count ? (.set(ranges, negated: negated), place + 1) : nil
    }

    // MARK: - Matching

    private static func matches(_ rule: Rule, _ path: [[UInt8]], isFolder: Bool) -> Bool {
        guard !rule.onlyFolders || isFolder, path.count > rule.base.count, path.starts(with: rule.base) else {
            return false
        }
        let below = path[rule.base.count...]
        guard rule.isAnchored else {
            // A pattern without a slash is looked for at every depth: it must be the last name.
            guard case .name(let tokens)? = rule.parts.first, let last = below.last else { return true }
            return matches(tokens, last)
        }
        return matches(rule.parts[...], below)
    }

    private static func matches(_ parts: ArraySlice<Part>, _ names: ArraySlice<[UInt8]>) -> Bool {
        // One row of a table, from the last part to the first: no pattern takes more than parts x names steps.
        var row = [Bool](repeating: false, count: names.count + 1)
        row[names.count] = true
        let names = Array(names)
        for (number, part) in parts.reversed().enumerated() {
            var next = [Bool](repeating: false, count: names.count + 1)
            switch part {
            case .anything:
                // Behind the last slash it stands for everything inside, not for the folder itself.
                var any = false
                for place in stride(from: names.count, through: 0, by: -1) {
                    if number == 0 {
                        next[place] = place < names.count
                    } else {
                        any = any || row[place]
                        next[place] = any
                    }
                }
            case .name(let tokens):
                for place in names.indices { next[place] = row[place + 1] && matches(tokens, names[place]) }
            }
            row = next
        }
        return row[0]
    }

    /// Goes back to the last `*` only, which is enough: time is at most tokens x bytes.
    private static func matches(_ tokens: [Token], _ name: [UInt8]) -> Bool {
        var (token, byte) = (0, 0)
        var retry: (token: Int, byte: Int)?
        while byte < name.count {
            if token < tokens.count, case .many = tokens[token] {
                retry = (token, byte)
                token += 1
            } else if token < tokens.count, tokens[token].matches(name[byte]) {
                token += 1
                byte += 1
            } else if let last = retry {
                retry = (last.token, last.byte + 1)
                (token, byte) = (last.token + 1, last.byte + 1)
            } else {
                return false
            }
        }
        return tokens[token...].allSatisfy { if case .many = $0 { true } else { false } }
    }
}
