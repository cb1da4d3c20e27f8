internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogManifestFile
internal import FogWorker

/// The rules of a machine's owner as they lie on disk.
enum PolicyFile {
    /// The word that asks for no sensor: for tests, benches and a cloud on one machine.
    static let always = "always"
    private static let words = HarvestPolicy.Word.allCases.map(\.rawValue)

    /// Where `fog worker policy edit` keeps the policy of a worker's folder.
    static func own(_ folder: String) -> String { "\(folder)/\(ownName)" }
    private static let ownName = "policy.yaml"

    /// The policy of a word or a file.
    /// - Throws: `bad_policy` with the place and the field, `not_found`.
    static func load(_ source: String) throws -> HarvestPolicy {
        if let word = HarvestPolicy.Word(rawValue: source) { return HarvestPolicy(word) }
        guard source.contains("/") || source.contains(".") || Disk.exists(source) else {
            throw CommandLineFailure(
                "bad_policy",
                "a policy is \(words.joined(separator: ", ")) or a file, found `\(DisplayText.clean(source))`",
                help: nearest(to: source, among: words).map { "did you mean `\($0)`?" }, status: .usage)
        }
        let bytes = try LocalFile.read(source, limit: ManifestLimits.maxBytes)
        let name = source.split(separator: "/").last.map(String.init) ?? source
        var policy = try read(String(decoding: bytes, as: UTF8.self), name: name, file: source)
        if name == ownName { policy.name = "\(policy.base.rawValue), edited" }
        return policy
    }

    /// The worker's own file, or what suits a machine of this kind.
    static func usual(_ folder: String) throws -> HarvestPolicy {
        let own = own(folder)
        guard !Disk.exists(own) else { return try load(own) }
        return HarvestPolicy.usual(hasBattery: MachineFacts.isMobile())
    }

    private static func read(_ text: String, name: String, file: String?) throws -> HarvestPolicy {
        let (node, problems) = YAMLManifest.node(text)
        guard let node, problems.isEmpty else { throw failure(problems, file) }
        let read = HarvestPolicy.read(node, name: name)
        guard let policy = read.policy else { throw failure(read.problems, file) }
        return policy
    }

    private static func failure(_ problems: [ManifestProblem], _ file: String?) -> CommandLineFailure {
        let first = problems.first
        let place = file.map { file in first?.mark.map { "\(file):\($0.line): " } ?? "\(file): " } ?? ""
        let more = problems.count > 1 ? " (and \(Human.count(problems.count - 1, "other mistake")))" : ""
        return CommandLineFailure(
            "bad_policy", DisplayText.clean("\(place)\(first?.message ?? "no policy")\(more)"), help: first?.help,
            status: .badData)
    }

    // MARK: Changing it

    /// The text of a policy with some keys changed, checked as a whole.
    static func changing(_ policy: HarvestPolicy, _ changes: [String: String]) throws -> String {
        var lines: [(key: String, text: String)] = []
        // Another base replaces all that was said before.
        if changes[HarvestPolicyKey.base.rawValue] == nil {
            lines = policy.file.split(separator: "\n").compactMap { line in
                line.split(separator: ":", maxSplits: 1).first.map { (String($0), String(line)) }
            }
        }
        let hours: Set = [HarvestPolicyKey.window.rawValue, HarvestPolicyKey.schedule.rawValue]
        lines.removeAll { changes[$0.key] != nil || hours.contains($0.key) && !hours.isDisjoint(with: changes.keys) }
        for (key, value) in changes.sorted(by: { $0.key < $1.key }) {
            guard !value.contains(where: \.isNewline) else {
                throw CommandLineFailure("bad_policy", "`\(key)` must be one line", status: .usage)
            }
            lines.append((key, "\(key): \(value)"))
        }
        return try read(lines.map(\.text).joined(separator: "\n") + "\n", name: "", file: nil).file
    }
}
