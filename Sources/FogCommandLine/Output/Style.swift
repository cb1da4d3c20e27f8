/// When colours are used.
package enum ColorChoice: String, Sendable, CaseIterable {
    case auto, always, never
}

/// What a piece of text says, beside its words: colour never stands alone.
package enum Tone: Sendable {
    case plain, good, warning, bad, faint, strong
}

/// Puts colours to text, or leaves it as it is.
package struct Style: Sendable {
    package let usesColor: Bool

    package init(usesColor: Bool) { self.usesColor = usesColor }

    /// `--color` is stronger than the environment; then CLICOLOR_FORCE, NO_COLOR (no-color.org: set and not empty) and
    /// a terminal that can.
    package init(choice: ColorChoice, environment: [String: String], isTerminal: Bool) {
        func isSet(_ name: String) -> Bool { environment[name].map { !$0.isEmpty && $0 != "0" } ?? false }
        switch choice {
        case .always: usesColor = true
        case .never: usesColor = false
        case .auto:
            if environment["NO_COLOR"].map({ !$0.isEmpty }) ?? false {
                usesColor = false
            } else if isSet("CLICOLOR_FORCE") {
                usesColor = true
            } else {
                usesColor = isTerminal && environment["TERM"] != "dumb"
            }
        }
    }

    package func apply(_ tone: Tone, to text: String) -> String {
        guard usesColor, !text.isEmpty else { return text }
        let code =
            switch tone {
            case .plain: ""
            case .good: "32"
            case .warning: "33"
            case .bad: "31"
            case .faint: "2"
            case .strong: "1"
            }
        return code.isEmpty ? text : "\u{1b}[\(code)m\(text)\u{1b}[0m"
    }
}
