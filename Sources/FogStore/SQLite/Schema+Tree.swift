extension Schema {
    /// The tree over the log, and what was signed of it. Leaf hashes stand beside the records; a row of `ledger_tiles` is
    /// the root of 256 hashes of the level below.
    ///
    /// The newest checkpoint is written again with each commit and then left behind, about once a minute.
    static let tree = """
        CREATE TABLE ledger_tiles (
            level INTEGER NOT NULL CHECK (level >= 0), number INTEGER NOT NULL CHECK (number >= 0),
            root BLOB NOT NULL CHECK (length(root) = 32), PRIMARY KEY (level, number)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE ledger_checkpoints (
            number INTEGER PRIMARY KEY CHECK (number >= 0), size INTEGER NOT NULL CHECK (size > 0), note BLOB NOT NULL
        ) STRICT;
        CREATE TRIGGER ledger_checkpoints_guard BEFORE UPDATE ON ledger_checkpoints
        WHEN new.number <> old.number OR new.size <= old.size
            OR old.number < (SELECT max(number) FROM ledger_checkpoints)
        BEGIN SELECT RAISE(ABORT, 'only the newest checkpoint grows'); END;
        """ + appendOnly("ledger_tiles") + undeletable("ledger_checkpoints")
}
