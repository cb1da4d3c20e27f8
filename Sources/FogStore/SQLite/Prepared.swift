internal import CFogSQLite
internal import FogCore
internal import GRDB

/// An error of SQLite itself, with its extended result code (https://www.sqlite.org/rescode.html).
struct SQLError: Error {
    let code: Int32
    let message: String

    /// A guard of the schema said no: CHECK, UNIQUE, a foreign key, a type, or a trigger's RAISE.
    var isRefusal: Bool { code & 0xff == SQLITE_CONSTRAINT }
}

/// A cached statement at work: values are bound in order, then it runs.
///
/// GRDB opens, pools and migrates; the statements themselves go straight to SQLite. Its argument and row types box every
/// value, which on the path of a commit costs more than the b-tree does.
struct Prepared {
    private let statement: Statement
    private let handle: OpaquePointer
    private var bound: Int32 = 0
    private var failure: Int32 = SQLITE_OK

    init(_ database: Database, _ sql: String) throws {
        statement = try database.cachedStatement(sql: sql)
        handle = statement.sqliteStatement
        sqlite3_reset(handle)
    }

    /// Makes ready for another row of values, so that a statement for many rows is looked up once.
    mutating func rewind() {
        bound = 0
        failure = SQLITE_OK
    }

    // MARK: Binding

    private mutating func note(_ code: Int32) { if code != SQLITE_OK { failure = code } }

    private mutating func next() -> Int32 {
        bound += 1
        return bound
    }

    mutating func bindNull() { note(sqlite3_bind_null(handle, next())) }
    mutating func bind(_ value: Int64) { note(sqlite3_bind_int64(handle, next(), value)) }
    mutating func bind(_ value: Int) { bind(Int64(value)) }
    mutating func bind(_ value: UInt32) { bind(Int64(value)) }
    mutating func bind(_ value: Bool) { bind(Int64(value ? 1 : 0)) }
    mutating func bind(_ value: Double) { note(sqlite3_bind_double(handle, next(), value)) }
    mutating func bind(_ value: Timestamp) { bind(value.microseconds) }
    mutating func bind(_ value: Credits) { bind(value.micro) }

    /// Sequence numbers count up from 0 by one a record, so they fit 63 bits.
    mutating func bind(_ value: UInt64) { bind(Int64(clamping: value)) }

    mutating func bind(_ value: String) {
        var copy = value
        let index = next()
        note(
            copy.withUTF8 { text in
                text.withMemoryRebound(to: CChar.self) {
                    fog_sqlite_bind_text(handle, index, $0.baseAddress, Int32($0.count))
                }
            })
    }

    mutating func bind(_ value: [UInt8]) {
        let index = next()
        note(value.withUnsafeBytes { fog_sqlite_bind_blob(handle, index, $0.baseAddress, Int32($0.count)) })
    }

    mutating func bind(_ value: Digest) {
        let index = next()
        note(value.withUnsafeBytes { fog_sqlite_bind_blob(handle, index, $0.baseAddress, Int32($0.count)) })
    }

    /// Bytes that stay where they are until the statement has run; the next row binds others.
    mutating func bind(lent value: UnsafeRawBufferPointer) {
        note(fog_sqlite_bind_lent(handle, next(), value.baseAddress, Int32(value.count)))
    }

    mutating func bind(_ value: PublicKey) { bind(value.bytes) }

    mutating func bind<Subject>(_ value: Identifier<Subject>) {
        let index = next()
        let raw = (value.high.bigEndian, value.low.bigEndian)
        note(withUnsafeBytes(of: raw) { fog_sqlite_bind_blob(handle, index, $0.baseAddress, 16) })
    }

    mutating func bind(_ value: Int?) { if let value { bind(value) } else { bindNull() } }
    mutating func bind(_ value: Int64?) { if let value { bind(value) } else { bindNull() } }
    mutating func bind(_ value: UInt64?) { if let value { bind(value) } else { bindNull() } }
    mutating func bind(_ value: UInt32?) { if let value { bind(value) } else { bindNull() } }
    mutating func bind(_ value: String?) { if let value { bind(value) } else { bindNull() } }
    mutating func bind(_ value: [UInt8]?) { if let value { bind(value) } else { bindNull() } }
    mutating func bind(_ value: Timestamp?) { if let value { bind(value) } else { bindNull() } }
    mutating func bind(_ value: Digest?) { if let value { bind(value) } else { bindNull() } }
    mutating func bind<Subject>(_ value: Identifier<Subject>?) { if let value { bind(value) } else { bindNull() } }

    // MARK: Running

    /// Whether there is a row.
    private func step() throws -> Bool {
        guard failure == SQLITE_OK else { throw error(failure) }
        let code = sqlite3_step(handle)
        switch code {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default: throw error(sqlite3_extended_errcode(sqlite3_db_handle(handle)))
        }
    }

    private func error(_ code: Int32) -> SQLError {
        SQLError(code: code, message: String(cString: sqlite3_errmsg(sqlite3_db_handle(handle))))
    }

    /// Runs to the end and gives how many rows it changed.
    @discardableResult
    func run() throws -> Int {
        defer { sqlite3_reset(handle) }
        while try step() {}
        return Int(sqlite3_changes64(sqlite3_db_handle(handle)))
    }

    func each(_ body: (inout Columns) throws -> Void) throws {
        defer { sqlite3_reset(handle) }
        while try step() {
            var columns = Columns(handle)
            try body(&columns)
        }
    }

    func all<Value>(_ read: (inout Columns) throws -> Value) throws -> [Value] {
        defer { sqlite3_reset(handle) }
        var values: [Value] = []
        while try step() {
            var columns = Columns(handle)
            values.append(try read(&columns))
        }
        return values
    }

    func first<Value>(_ read: (inout Columns) throws -> Value) throws -> Value? {
        defer { sqlite3_reset(handle) }
        guard try step() else { return nil }
        var columns = Columns(handle)
        return try read(&columns)
    }

    var exists: Bool { get throws { try first { _ in true } ?? false } }
}

/// A row's columns, read in order.
struct Columns {
    private let handle: OpaquePointer
    private var position: Int32 = 0

    init(_ handle: OpaquePointer) { self.handle = handle }

    private mutating func next() -> Int32 {
        defer { position += 1 }
        return position
    }

    /// Nil, and past it, when the column is NULL; otherwise what `read` makes of it.
    mutating func optional<Value>(_ read: (inout Columns) throws -> Value) rethrows -> Value? {
        guard sqlite3_column_type(handle, position) != SQLITE_NULL else {
            position += 1
            return nil
        }
        return try read(&self)
    }

    mutating func int64() -> Int64 { sqlite3_column_int64(handle, next()) }
    mutating func int() -> Int { Int(int64()) }
    mutating func bool() -> Bool { int64() != 0 }
    mutating func double() -> Double { sqlite3_column_double(handle, next()) }
    mutating func time() -> Timestamp { Timestamp(microseconds: int64()) }
    mutating func credits() -> Credits { Credits(micro: int64()) }

    mutating func int32() throws -> Int32 { try fitting(int64()) }
    mutating func uint32() throws -> UInt32 { try fitting(int64()) }
    mutating func uint64() throws -> UInt64 { try fitting(int64()) }

    private func fitting<Number: FixedWidthInteger>(_ value: Int64) throws -> Number {
        guard let number = Number(exactly: value) else {
            throw StoreFailure("corrupt", "column \(position - 1) holds \(value), outside its range")
        }
        return number
    }

    mutating func text() -> String {
        let index = next()
        guard let start = sqlite3_column_text(handle, index) else { return "" }
        let count = Int(sqlite3_column_bytes(handle, index))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    mutating func bytes() -> [UInt8] {
        let index = next()
        guard let start = sqlite3_column_blob(handle, index) else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, index))))
    }

    mutating func id<Subject>(_: Subject.Type = Subject.self) throws -> Identifier<Subject> {
        let index = next()
        guard let start = sqlite3_column_blob(handle, index), sqlite3_column_bytes(handle, index) == 16 else {
            throw StoreFailure("corrupt", "column \(index) holds no id")
        }
        let high = start.loadUnaligned(as: UInt64.self), low = start.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        return Identifier(high: UInt64(bigEndian: high), low: UInt64(bigEndian: low))
    }

    mutating func digest() throws -> Digest {
        let index = next()
        guard let start = sqlite3_column_blob(handle, index) else { return try Digest(bytes: []) }
        return try Digest(
            bytes: UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, index))))
    }

    mutating func key() throws -> PublicKey { try PublicKey(bytes: bytes()) }

    /// A word of a closed set.
    mutating func word<Value: RawRepresentable<String>>(_: Value.Type = Value.self) throws -> Value {
        let text = text()
        guard let value = Value(rawValue: text) else {
            throw StoreFailure("corrupt", "`\(text)` is no \(Value.self)")
        }
        return value
    }
}
