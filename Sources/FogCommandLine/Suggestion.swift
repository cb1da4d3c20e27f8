internal import FogCore

/// The commands as a tree of names, to tell what a mistyped word was meant to be.
package struct CommandNames: Sendable {
    package let name: String
    package let children: [CommandNames]

    package init(_ name: String, _ children: [CommandNames] = []) {
        self.name = name
        self.children = children
    }

    /// The first word that names no command where only a command can stand; nil when there is none.
    package func mistake(in words: some Sequence<String>) -> CommandLineFailure? {
        var place = self
        var path = name
        for word in words {
            guard !place.children.isEmpty, !word.hasPrefix("-"), word != "help" else { return nil }
            guard let next = place.children.first(where: { $0.name == word }) else {
                let near = nearest(to: word, among: place.children.map(\.name))
                let help =
                    near.map { "did you mean `\(path) \($0)`?" } ?? place.elsewhere(word)
                    ?? "`\(path) --help` lists them"
                return CommandLineFailure(
                    "unknown_command", "there is no command `\(path) \(DisplayText.clean(word.prefix(80)))`",
                    help: help,
                    status: .usage)
            }
            place = next
            path += " " + next.name
        }
        return nil
    }

    /// A command of that name below another noun: `fog drain` is `fog node drain`.
    private func elsewhere(_ word: String) -> String? {
        for child in children where child.children.contains(where: { $0.name == word }) {
            return "did you mean `\(name) \(child.name) \(word)`?"
        }
        return nil
    }
}
