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

// MARK: - CSV

extension SweepTable {
    /// Reads RFC 4180: quoted fields, `""` for a quote, LF or CRLF, a header. Empty lines are passed over; a byte order
    /// mark is too.
    /// - Throws: `bad_table` with the line of the first mistake.
    package init(csv bytes: [UInt8]) throws(JobsFailure) {
        guard bytes.count <= ManifestLimits.maxTableBytes else {
            throw JobsFailure(
                "bad_table", "the table has \(bytes.count) bytes, wanted at most \(ManifestLimits.maxTableBytes)")
        }
        var scanner = CSVScanner(bytes: bytes)
        guard let columns = try scanner.nextRecord() else {
            throw JobsFailure("bad_table", "the table is empty, wanted a header and a row a task")
        }
        guard columns.count <= ManifestLimits.maxParameters else {
            throw JobsFailure(
                "bad_table", "the header has \(columns.count) columns, wanted at most \(ManifestLimits.maxParameters)")
        }
        var rows: [[String]] = []
        while let row = try scanner.nextRecord() {
            guard row.count == columns.count else {
                throw JobsFailure(
                    "bad_table",
                    "line \(scanner.recordLine) has \(row.count) values, the header has \(columns.count) names")
            }
            guard rows.count < ManifestLimits.maxTasks else {
                throw JobsFailure("bad_table", "the table has more than \(ManifestLimits.maxTasks) rows")
            }
            rows.append(row)
        }
        self.init(columns: columns, rows: rows)
    }

    /// The one CSV of these values: LF, quotes only where they must be. Its digest names the table.
    package var csv: [UInt8] {
        var out: [UInt8] = []
        for record in [columns] + rows { Self.write(record, into: &out) }
        return out
    }

    private static func write(_ record: [String], into out: inout [UInt8]) {
        for (index, field) in record.enumerated() {
            if index > 0 { out.append(0x2c) }
            // A record of one empty field would be an empty line, which readers pass over.
            let mustQuote =
                field.utf8.contains { [0x22, 0x2c, 0x0a, 0x0d].contains($0) } || record.count == 1 && field.isEmpty
                || field.hasPrefix("\u{feff}")
            guard mustQuote else {
                out.append(contentsOf: field.utf8)
                continue
            }
            out.append(0x22)
            for byte in field.utf8 {
                if byte == 0x22 { out.append(0x22) }
                out.append(byte)
            }
            out.append(0x22)
        }
        out.append(0x0a)
    }
}

private struct CSVScanner {
    let bytes: [UInt8]
    var index = 0
    var line = 1
    /// Where the record that was read last begins.
    var recordLine = 1

    init(bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { index = 3 }
    }

    /// The fields of the next line that is not empty; nil at the end.
    mutating func nextRecord() throws(JobsFailure) -> [String]? {
        while index < bytes.count, bytes[index] == 0x0a || bytes[index] == 0x0d {
            if bytes[index] == 0x0a { line += 1 }
            index += 1
        }
        guard index < bytes.count else { return nil }
        recordLine = line
        var fields: [String] = []
        while true {
            fields.append(try nextField())
            guard index < bytes.count else { return fields }
            let separator = bytes[index]
            index += 1
            if separator == 0x2c { continue }
            // What ends a field is a comma, LF or CRLF.
            if separator == 0x0d { index += 1 }
            line += 1
            return fields
        }
    }

    private mutating func nextField() throws(JobsFailure) -> String {
        if index < bytes.count, bytes[index] == 0x22 { return try quotedField() }
        let start = index
        while index < bytes.count {
            let byte = bytes[index]
            if byte == 0x2c || byte == 0x0a || isLineEnd { break }
            guard byte != 0x22 else {
                throw JobsFailure("bad_table", "line \(line) has a quote within a value: quote the whole value")
            }
            guard byte >= 0x20 || byte == 0x09 else { throw control() }
            index += 1
        }
        return try text(bytes[start..<index])
    }

    private var isLineEnd: Bool {
        bytes[index] == 0x0d && index + 1 < bytes.count && bytes[index + 1] == 0x0a
    }

    private mutating func quotedField() throws(JobsFailure) -> String {
        let first = line
        index += 1
        var out: [UInt8] = []
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            guard byte == 0x22 else {
                guard byte != 0 else { throw control() }
                if byte == 0x0a { line += 1 }
                out.append(byte)
                continue
            }
            if index < bytes.count, bytes[index] == 0x22 {
                out.append(0x22)
                index += 1
                continue
            }
            guard index == bytes.count || bytes[index] == 0x2c || bytes[index] == 0x0a || isLineEnd else {
                throw JobsFailure("bad_table", "line \(line) goes on after a closing quote, wanted a comma")
            }
            return try text(out[...])
        }
        throw JobsFailure("bad_table", "line \(first) opens a quote that is never closed")
    }

    private func control() -> JobsFailure {
        JobsFailure("bad_table", "line \(line) has a control character outside quotes or a zero byte")
    }

    private func text(_ bytes: ArraySlice<UInt8>) throws(JobsFailure) -> String {
        guard bytes.count <= ManifestLimits.maxValueBytes else {
            throw JobsFailure(
                "bad_table",
                "line \(line) has a value of \(bytes.count) bytes, wanted at most \(ManifestLimits.maxValueBytes)")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw JobsFailure("bad_table", "line \(line) is not UTF-8")
        }
        return text
    }
}
