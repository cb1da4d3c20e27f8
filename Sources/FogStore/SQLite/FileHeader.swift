internal import FogCore
internal import Glibc

/// What the first 100 bytes of a database file say, held against what Fog leaves there
/// (https://www.sqlite.org/fileformat.html section 1.3).
///
/// SQLite itself passes over most of these bytes, so nothing else would tell that somebody changed them.
struct FileHeader {
    static let length = 100

    private let bytes: [UInt8]
    /// Bytes of the whole file.
    private let fileSize: Int64
    /// Whether a write-ahead log lies beside the file: then the newest header may still be in there.
    private let hasLog: Bool

    /// Nil for a file shorter than a header: a new one, whose pages are all in the log.
    init?(path: String) throws(StoreFailure) {
        hasLog = (try Folder.status(path + "-wal")?.size ?? 0) > 0
        let file = try File(path, O_RDONLY)
        fileSize = try file.size
        bytes = try file.read(at: 0, count: Self.length)
        guard bytes.count == Self.length else { return nil }
    }

    private func number(_ offset: Int, _ width: Int = 4) -> UInt64 {
        bytes[offset..<offset + width].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The versions of SQLite that know STRICT tables, up to the end of its third major version.
    private static let writers: ClosedRange<UInt64> = 3_037_000...3_999_999

    /// Far above what all steps of the schema and a life of copies come to.
    private static let schemaChanges: UInt64 = 1_000_000

    var complaints: [String] {
        var words: [String] = []
        func expect(_ name: String, _ found: UInt64, _ wanted: Set<UInt64>) {
            guard !wanted.contains(found) else { return }
            let list = wanted.sorted().map { "\($0)" }.joined(separator: " or ")
            words.append("the file's \(name) is \(found), wanted \(list)")
        }
        expect("page size", number(16, 2), [4096])
        // 1 = rollback journal, as in a copy; 2 = write-ahead log.
        expect("write version", number(18, 1), [1, 2])
        expect("read version", number(19, 1), [number(18, 1)])
        expect("reserved bytes of a page", number(20, 1), [0])
        for (name, offset, wanted) in [
            ("largest payload fraction", 21, 64), ("smallest payload fraction", 22, 32),
            ("leaf payload fraction", 23, 32),
        ] as [(String, Int, UInt64)] {
            expect(name, number(offset, 1), [wanted])
        }
        // Both are 0 until the first table reaches the file itself.
        expect("schema format", number(44), hasLog ? [0, 4] : [4])
        expect("text encoding", number(56), hasLog ? [0, 1] : [1])
        expect("default page cache", number(48), [0])
        expect("largest root page", number(52), [0])
        expect("incremental vacuum mode", number(64), [0])
        if number(40) > Self.schemaChanges {
            words.append("the file's schema changed \(number(40)) times, at most \(Self.schemaChanges) are believed")
        }
        if bytes[72..<92].contains(where: { $0 != 0 }) { words.append("the file's reserved header bytes are not 0") }
        expect("version-valid-for number", number(92), [number(24)])
        if !Self.writers.contains(number(96)), !hasLog || number(96) != 0 {
            words.append("the file was last written by SQLite \(number(96)), wanted \(Self.writers)")
        }
        return words + (hasLog ? [] : sizeComplaints)
    }

    /// Without a log the file is as long as it says.
    private var sizeComplaints: [String] {
        let wanted = Int64(number(28)) * Int64(number(16, 2))
        return fileSize == wanted ? [] : ["the file has \(fileSize) bytes, its header says \(wanted)"]
    }
}
