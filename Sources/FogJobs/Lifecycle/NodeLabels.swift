package import FogCore

/// Labels that the operator or the owner gives to a machine, beside those that its worker reports.
///
/// A label has a name and may have a value; a manifest asks for `label:NAME` or `label:NAME=VALUE`.
package enum NodeLabels {
    package static let limit = 64
    private static let longest = 63

    /// Letters, digits, `.`, `-`, `_` and `/`; 1 to 63 of them.
    package static func isWord(_ text: some StringProtocol) -> Bool {
        (1...longest).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x2f, 0x5f: true
                default: false
                }
            }
    }

    /// Both forms of every label, as a requirement looks for them.
    package static func words(_ labels: [String: String]) -> [String] {
        labels.sorted { $0.key < $1.key }.flatMap { $0.value.isEmpty ? [$0.key] : [$0.key, "\($0.key)=\($0.value)"] }
    }

    /// - Parameter changes: a value sets (empty: a name alone), nil removes.
    /// - Throws: `bad_label`, `too_many` beyond 64.
    package static func changed(_ labels: [String: String], by changes: [String: String?]) throws(JobsFailure)
        -> [String: String]
    {
        var labels = labels
        for (name, value) in changes {
            guard isWord(name), value.map({ $0.isEmpty || isWord($0) }) ?? true else {
                throw JobsFailure(
                    "bad_label",
                    "a label is a name, or NAME=VALUE, of letters, digits, `.`, `-`, `_` and `/`, each at most 63; found `\(name.prefix(80))\(value.map { "=\($0.prefix(80))" } ?? "")`"
                )
            }
            labels[name] = value
        }
        guard labels.count <= limit else {
            throw JobsFailure("too_many", "a machine has at most \(limit) labels, found \(labels.count)")
        }
        return labels
    }
}

extension NodeRow {
    /// The report as placement reads it: with the labels that were given here.
    package var labelledReport: NodeReport {
        guard !labels.isEmpty else { return report }
        var report = report
        report.labels += NodeLabels.words(labels).filter { !report.labels.contains($0) }
        return report
    }
}
