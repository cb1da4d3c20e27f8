internal import FogCore

/// Which cosignatures a checkpoint needs to be believed: C2SP tlog-policy.
///
/// Lines of `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME all|any|K MEMBER…` and `quorum NAME|none`. Who verifies
/// decides; nothing of it stands in the log.
package struct WitnessPolicy: Hashable, Sendable {
    private indirect enum Member: Hashable {
        case witness(NoteKey)
        case group(threshold: Int, [Member])
    }

    /// Logs that are believed; empty when the caller knows which.
    package private(set) var logs: [NoteKey] = []
    /// Each witness, also those that no group names.
    package private(set) var witnesses: [NoteKey] = []
    /// Nil wants none.
    private var quorum: Member?

    /// The longest policy that is read, in bytes.
    package static let maxBytes = 64 << 10

    /// So many of some witnesses.
    package init(_ witnesses: [NoteKey], quorum: Int) {
        for key in witnesses where !self.witnesses.contains(key) { self.witnesses.append(key) }
        self.quorum = quorum == 0 ? nil : .group(threshold: quorum, self.witnesses.map { .witness($0) })
    }

    /// - Throws: `bad_policy`, with the line.
    package init(_ text: String) throws(LedgerFailure) {
        guard text.utf8.count <= Self.maxBytes else {
            throw LedgerFailure("bad_policy", "a policy has at most \(Self.maxBytes) bytes, found \(text.utf8.count)")
        }
        guard !text.unicodeScalars.contains(where: { $0.value < 0x20 && $0 != "\n" && $0 != "\t" || $0.value == 0x7f })
        else { throw LedgerFailure("bad_policy", "a policy has no control characters but tabs and newlines") }
        var named: [String: Member] = [:]
        var used: Set<String> = []
        var hasQuorum = false
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            func failure(_ words: String) -> LedgerFailure {
                LedgerFailure("bad_policy", "line \(index + 1): \(words)")
            }
            func fresh(_ name: String) throws(LedgerFailure) {
                guard name != "none", named[name] == nil else { throw failure("`\(name.prefix(80))` is named already") }
            }
            func key(_ text: String, _ kind: NoteKey.Kind, among others: [NoteKey]) throws(LedgerFailure) -> NoteKey {
                let key: NoteKey
                do throws(LedgerFailure) { key = try NoteKey(text) } catch { throw failure(error.message) }
                guard key.kind == kind else {
                    throw failure("a key of type \(kind.rawValue), found \(key.kind.rawValue)")
                }
                guard !others.contains(where: { $0.key == key.key }) else { throw failure("the key stands twice") }
                return key
            }
            switch (first, words.count) {
            case ("log", 2...3): logs.append(try key(words[1], .note, among: logs))
            case ("witness", 3...4):
                try fresh(words[1])
                let witness = try key(words[2], .cosignature, among: witnesses)
                witnesses.append(witness)
                named[words[1]] = .witness(witness)
            case ("group", 4...):
                try fresh(words[1])
                var members: [Member] = []
                for name in words[3...] {
                    guard let member = named[name] else { throw failure("`\(name.prefix(80))` is not named before") }
                    guard used.insert(name).inserted else {
                        throw failure("`\(name.prefix(80))` is a member already")
                    }
                    members.append(member)
                }
                let threshold = words[2] == "all" ? members.count : words[2] == "any" ? 1 : (Int(words[2]) ?? 0)
                guard (1...members.count).contains(threshold) else {
                    throw failure("a threshold is all, any or 1 to \(members.count), found `\(words[2].prefix(40))`")
                }
                named[words[1]] = .group(threshold: threshold, members)
            case ("quorum", 2):
                guard !hasQuorum else { throw failure("there is one quorum") }
                hasQuorum = true
                guard words[1] != "none" else { continue }
                guard let member = named[words[1]] else {
                    throw failure("`\(words[1].prefix(80))` is not named before")
                }
                quorum = member
            default: throw failure("log, witness, group or quorum with its words, found `\(line.prefix(80))`")
            }
        }
        guard hasQuorum else { throw LedgerFailure("bad_policy", "there is no line `quorum`") }
    }

    /// The witnesses that cosigned a note.
    /// - Throws: `bad_signature` for a cosignature in the name of one of them that does not fit; `no_quorum`.
    @discardableResult
    package func check(_ note: SignedNote) throws(LedgerFailure) -> [NoteKey] {
        var found: [NoteKey] = []
        for key in witnesses where try !note.signatures(by: key).isEmpty { found.append(key) }
        guard quorum.map({ Self.holds($0, Set(found)) }) != false else {
            let names = found.map(\.name).sorted().joined(separator: ", ")
            throw LedgerFailure(
                "no_quorum",
                "\(found.count) of \(witnesses.count) witnesses cosigned the checkpoint, which is no quorum"
                    + (names.isEmpty ? "" : ": \(names)"))
        }
        return found
    }

    private static func holds(_ member: Member, _ found: Set<NoteKey>) -> Bool {
        switch member {
        case .witness(let key): found.contains(key)
        case .group(let threshold, let members): members.count { holds($0, found) } >= threshold
        }
    }
}
