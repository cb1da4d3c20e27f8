/// The rows of a CSV sweep (RFC 4180): a header of parameter names, a task a row.
package struct SweepTable: Hashable, Sendable, Codable {
    package var columns: [String]
    package var rows: [[String]]

    package init(columns: [String], rows: [[String]]) {
        self.columns = columns
        self.rows = rows
    }

    package var rowCount: Int { rows.count }
}
