package import FogCore

/// An audit's report as it came, online or from a file.
package struct AuditDocument: Sendable {
    private let report: JSON

    package init(_ report: JSON) { self.report = report }

    private var verdict: String { report["verdict"]?.string ?? "unreadable" }

    /// 0 clean, 1 tampered, 2 for anything that cannot be judged.
    package var status: ExitStatus {
        switch verdict {
        case "clean": .success
        case "tampered": .failure
        default: .unreadable
        }
    }

    package var sentence: String {
        let records = report["records"]?.integer.map { Human.count(Int(clamping: $0), "record") } ?? "no records"
        let since = report["since"]?.integer.map { ", judged from \($0) on" } ?? ""
        let place = report["first_bad_sequence"]?.integer.map { ", first bad record \($0)" } ?? ""
        let head = report["head"]?.string.map { ", head \(DisplayText.clean($0.prefix(16)))…" } ?? ""
        return "\(DisplayText.clean(verdict)): \(records)\(since)\(place)\(head)\(older)"
    }

    /// What nobody can say of records that older software wrote.
    private var older: String {
        guard let silent = report["silent_records"]?.integer, silent > 0 else { return "" }
        let until = report["attributed_since"]?.integer.map { ", all below record \($0)," } ?? ""
        return
            "; \(Human.count(Int(clamping: silent), "record")) of older software\(until) do not say who answers for them"
    }

    package var table: Table {
        var table = Table([
            .init("CHECK"), .init("VERDICT"), .init("RECORD", right: true), .init("EXPECTED", yields: true),
            .init("FOUND", yields: true),
        ])
        for check in report["checks"]?.array ?? [] {
            let verdict = check["verdict"]?.string ?? ""
            let tone: Tone =
                switch verdict {
                case "ok": .good
                case "absent": .faint
                case "failed": .bad
                default: .warning
                }
            table.add([
                Table.Cell(check["name"]?.string ?? ""), Table.Cell(verdict, tone),
                Table.Cell(check["first_bad_sequence"]?.integer.map(String.init) ?? ""),
                Table.Cell(check["expected"]?.string ?? ""), Table.Cell(check["found"]?.string ?? ""),
            ])
        }
        return table
    }
}
