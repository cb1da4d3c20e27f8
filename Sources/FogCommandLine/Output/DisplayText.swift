/// Text as a terminal shows it: how many columns it takes, and without what could play tricks there.
package enum DisplayText {
    /// Columns of a terminal that the text takes: 0 for combining marks, 2 for East Asian wide characters and emoji.
    ///
    /// Ranges of Unicode Standard Annex 11 (wide and fullwidth), grouped: good for names of people and files, not for
    /// every script's joining rules.
    package static func width(_ text: some StringProtocol) -> Int {
        text.reduce(0) { $0 + width(of: $1) }
    }

    private static func width(of character: Character) -> Int {
        guard let first = character.unicodeScalars.first else { return 0 }
        let properties = first.properties
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format, .control: return 0
        default: break
        }
        // A variation selector makes a picture of a sign that is narrow by itself.
        if character.unicodeScalars.contains("\u{fe0f}") { return 2 }
        return wide.contains { $0.contains(first.value) } ? 2 : 1
    }

    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115f, 0x2e80...0x303e, 0x3041...0x33ff, 0x3400...0x4dbf, 0x4e00...0x9fff, 0xa000...0xa4cf,
        0xa960...0xa97f, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60, 0xffe0...0xffe6,
        0x1f300...0x1f64f, 0x1f680...0x1f6ff, 0x1f900...0x1f9ff, 0x1fa70...0x1faff, 0x20000...0x3fffd,
    ]

    /// The text on one line, control characters as `?`: names come from others, and an escape sequence in one could
    /// rewrite what stands on the screen.
    package static func clean(_ text: some StringProtocol) -> String {
        var out = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator: out.append("?")
            // Marks that turn the direction of writing hide what a name really is.
            case .format where (0x202a...0x202e).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value):
                out.append("?")
            default: out.append(scalar)
            }
        }
        return String(out)
    }

    /// At most so many columns; a text that is cut ends in `…`.
    package static func clipped(_ text: String, to columns: Int) -> String {
        guard width(text) > columns else { return text }
        guard columns > 0 else { return "" }
        var out = ""
        var used = 0
        for character in text {
            let next = width(of: character)
            guard used + next <= columns - 1 else { break }
            out.append(character)
            used += next
        }
        return out + "…"
    }

    /// Filled up with spaces to so many columns.
    package static func padded(_ text: String, to columns: Int, right: Bool = false) -> String {
        let spaces = String(repeating: " ", count: max(0, columns - width(text)))
        return right ? spaces + text : text + spaces
    }
}
