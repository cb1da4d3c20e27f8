internal import CFogSQLite
internal import FogCore
internal import GRDB

extension StoreFailure {
    /// What an error of SQLite or of reading a row means to the store's user.
    init(storage error: any Error, path: String) {
        switch error {
        case let failure as StoreFailure: self = failure.message.contains(path) ? failure : failure.naming(path)
        case let failure as CoreFailure: self.init("corrupt", "\(path): a row does not decode: \(failure.message)")
        case let failure as any CodedFailure:
            self.init("corrupt", "\(path): a record does not decode: \(failure.message)")
        case let error as SQLError: self.init(code: error.code, message: error.message, path: path)
        case let error as DatabaseError:
            self.init(code: error.extendedResultCode.rawValue, message: error.message ?? "no message", path: path)
        default: self.init("unexpected", "\(path): \(error)")
        }
    }

    private func naming(_ path: String) -> StoreFailure { StoreFailure(code, "\(path): \(message)") }

    private init(code: Int32, message: String, path: String) {
        switch code & 0xff {
        case SQLITE_FULL:
            self.init("disk_full", "\(path): the disk is full; nothing of the commit was kept; free some space there")
        case SQLITE_READONLY, SQLITE_PERM:
            self.init("read_only", "\(path): may not be written (\(message)); look at the folder's owner and mode")
        case SQLITE_CORRUPT, SQLITE_NOTADB:
            self.init("corrupt", "\(path): is damaged or no database (\(message)); restore it from a backup")
        case SQLITE_BUSY, SQLITE_LOCKED:
            self.init("locked", "\(path): another program holds it (\(message))")
        case SQLITE_IOERR, SQLITE_CANTOPEN:
            self.init("io", "\(path): the storage failed (\(message), SQLite code \(code))")
        default:
            self.init("unexpected", "\(path): \(message) (SQLite code \(code))")
        }
    }
}
