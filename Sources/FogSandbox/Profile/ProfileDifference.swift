import FogCore

/// What a second profile says otherwise than a first.
package struct ProfileDifference: Sendable, Hashable {
    package struct Change: Sendable, Hashable {
        /// The key: `limits.pids`, `syscalls.ptrace`.
        package let place: String
        /// Nil where the profile has nothing there.
        package let first: String?
        package let second: String?
    }

    package let changes: [Change]

    package init(_ first: SandboxProfile, _ second: SandboxProfile) {
        let (before, after) = (Self.facts(first), Self.facts(second))
        changes = Set(before.keys).union(after.keys).sorted().compactMap { place in
            before[place] == after[place] ? nil : Change(place: place, first: before[place], second: after[place])
        }
    }

    private static func facts(_ profile: SandboxProfile) -> [String: String] {
        var facts: [String: String] = [
            "isolation": profile.isolated ? "full" : "none", "network": profile.network.rawValue,
            "limits.pids": "\(profile.limits.pids)", "limits.nofile": "\(profile.limits.descriptors)",
            "limits.files": "\(profile.limits.files)", "limits.stdout_bytes": "\(profile.limits.standardOutputBytes)",
            "limits.tmp_bytes": "\(profile.limits.temporaryBytes)",
            "require": profile.require.sorted().map(\.rawValue).joined(separator: ", "),
            "defaultAction": profile.filter.defaultAction.words,
        ]
        for rule in profile.fileRules { facts["landlock.\(rule.path)"] = rule.access.rawValue }
        for mount in profile.mounts { facts["mounts.\(mount.target)"] = mount.source }
        for (name, value) in profile.environment { facts["env.\(name)"] = value }
        for (name, rules) in Dictionary(grouping: profile.filter.rules, by: \.name) {
            // In the order of the text, which does not matter, two equal sets would differ.
            let words = rules.map { rule in
                rule.action.words
                    + (rule.comparisons.isEmpty
                        ? "" : " if " + rule.comparisons.map(\.words).joined(separator: " and "))
            }
            facts["syscalls.\(name)"] = Set(words).sorted().joined(separator: "; or ")
        }
        return facts
    }
}
