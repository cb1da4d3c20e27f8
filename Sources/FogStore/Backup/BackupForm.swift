/// What stands where in a backup.
enum BackupForm {
    /// The entry that tells what the archive is; comes first.
    static let aboutName = "backup.json"
    static let databaseName = "fog.db"
    /// The entry of digests, a line a file as `b2sum -l 256 --check` reads it; comes last.
    static let digestsName = "digests.txt"
    static let version: Int64 = 1
}
