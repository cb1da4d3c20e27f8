/// Rows under titles, lined up.
package struct Table: Sendable {
    package struct Column: Sendable {
        let title: String
        let isRight: Bool
        /// Gives way first when the terminal is too narrow.
        let yields: Bool

        package init(_ title: String, right: Bool = false, yields: Bool = false) {
            self.title = title
            isRight = right
            self.yields = yields
        }
    }

    package struct Cell: Sendable, ExpressibleByStringInterpolation {
        package let text: String
        let tone: Tone

        package init(_ text: String, _ tone: Tone = .plain) {
            self.text = DisplayText.clean(text)
            self.tone = tone
        }

        package init(stringLiteral value: String) { self.init(value) }
    }

    private static let gap = 2
    /// A column that yields keeps at least so much.
    private static let narrowest = 8

    private let columns: [Column]
    private var rows: [[Cell]] = []

    package init(_ columns: [Column]) { self.columns = columns }

    package var isEmpty: Bool { rows.isEmpty }

    /// A row has a cell a column; missing ones are empty.
    package mutating func add(_ row: [Cell]) {
        precondition(row.count <= columns.count, "a row has no more cells than the table has columns")
        rows.append(row + Array(repeating: "", count: columns.count - row.count))
    }

    /// Lines with their ends, no space behind the last word.
    /// - Parameter width: columns of the terminal; nil = as wide as the content.
    package func text(width: Int? = nil, style: Style = Style(usesColor: false)) -> String {
        let widths = self.widths(within: width)
        var out = line(columns.map { Cell($0.title, .faint) }, widths, style)
        for row in rows { out += line(row, widths, style) }
        return out
    }

    private func widths(within limit: Int?) -> [Int] {
        var widths = columns.indices.map { index in
            rows.reduce(DisplayText.width(columns[index].title)) { max($0, DisplayText.width($1[index].text)) }
        }
        guard let limit else { return widths }
        var excess = widths.reduce(0, +) + Self.gap * (columns.count - 1) - limit
        while excess > 0 {
            let yielding = columns.indices.filter { columns[$0].yields && widths[$0] > Self.narrowest }
            guard let widest = yielding.max(by: { widths[$0] < widths[$1] }) else { break }
            let cut = min(excess, widths[widest] - Self.narrowest)
            widths[widest] -= cut
            excess -= cut
        }
        return widths
    }

    private func line(_ cells: [Cell], _ widths: [Int], _ style: Style) -> String {
        var out = ""
        for (index, cell) in cells.enumerated() {
            let shown = DisplayText.clipped(cell.text, to: widths[index])
            let space = String(repeating: " ", count: widths[index] - DisplayText.width(shown))
            let coloured = style.apply(cell.tone, to: shown)
            out += columns[index].isRight ? space + coloured : coloured + space
            if index < cells.count - 1 { out += String(repeating: " ", count: Self.gap) }
        }
        while out.last == " " { out.removeLast() }
        return out + "\n"
    }
}

/// Names and values, one a line, the values lined up: for one thing shown whole.
package struct Sheet: Sendable {
    private var lines: [(name: String, value: Table.Cell)] = []

    package init() {}

    /// A value that is nil or empty is left out.
    package mutating func add(_ name: String, _ value: String?, _ tone: Tone = .plain) {
        guard let value, !value.isEmpty else { return }
        lines.append((name, Table.Cell(value, tone)))
    }

    package func text(style: Style = Style(usesColor: false)) -> String {
        let width = lines.map { DisplayText.width($0.name) }.max() ?? 0
        return lines.map { line in
            style.apply(.faint, to: DisplayText.padded(line.name, to: width)) + "  "
                + style.apply(line.value.tone, to: line.value.text) + "\n"
        }.joined()
    }
}
