/// Lines of a text that a person wrote.
package enum SourceText {
    /// The lines without their ends: LF, CRLF or CR. (Swift's `Character` takes CRLF for one, so a split at `"\n"` would
    /// leave such a text in one piece.)
    package static func lines(of text: String) -> [String] {
        let bytes = Array(text.utf8)
        var out: [String] = []
        var start = 0
        for index in bytes.indices where bytes[index] == 0x0a || bytes[index] == 0x0d {
            // The LF of a CRLF stands where the next line would begin.
            if bytes[index] == 0x0a, index == start, index > 0, bytes[index - 1] == 0x0d {
                start = index + 1
                continue
            }
            out.append(String(decoding: bytes[start..<index], as: UTF8.self))
            start = index + 1
        }
        return out + [String(decoding: bytes[start...], as: UTF8.self)]
    }

    /// Control characters of a file must not reach a terminal: each becomes `?`. Tabs stay, and newlines where asked.
    static func visible(_ text: some Sequence<Unicode.Scalar>, keepingLines: Bool = false) -> String {
        var out = String.UnicodeScalarView()
        for scalar in text {
            let isControl = scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value)
            let isKept = scalar == "\t" || keepingLines && scalar == "\n"
            out.append(isControl && !isKept ? "?" : scalar)
        }
        return String(out)
    }

    /// The beginning of a text on one line, for messages.
    static func clipped(_ text: String, to limit: Int = 60) -> String {
        let line =
            text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).first.map(String.init) ?? ""
        return line.count > limit || line.count < text.count ? line.prefix(limit) + "…" : line
    }
}

func clipped(_ text: String, to limit: Int = 60) -> String { SourceText.clipped(text, to: limit) }
