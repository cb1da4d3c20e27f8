extension Schema {
    /// Who may get in: invitations, keys that wait for approval, and keys that are suspended.
    static let enrolment = """
        ALTER TABLE principals ADD COLUMN suspended_at INTEGER;
        CREATE TABLE invitations (
            secret_hash BLOB PRIMARY KEY CHECK (length(secret_hash) = 32), roles TEXT NOT NULL, uses INTEGER NOT NULL,
            uses_left INTEGER NOT NULL CHECK (uses_left > 0 AND uses_left <= uses), owner BLOB,
            credits INTEGER NOT NULL CHECK (credits >= 0), needs_approval INTEGER NOT NULL, inviter BLOB NOT NULL,
            created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TRIGGER invitations_guard BEFORE UPDATE ON invitations
        WHEN new.uses_left > old.uses_left OR new.uses <> old.uses OR new.roles <> old.roles
            OR new.owner IS NOT old.owner OR new.credits <> old.credits OR new.needs_approval < old.needs_approval
            OR new.expires_at > old.expires_at
        BEGIN SELECT RAISE(ABORT, 'an invitation only ever loses uses'); END;
        CREATE TABLE applicants (
            key BLOB PRIMARY KEY CHECK (length(key) = 32), name TEXT NOT NULL, roles TEXT NOT NULL, owner BLOB,
            credits INTEGER NOT NULL CHECK (credits >= 0), inviter BLOB NOT NULL, asked_at INTEGER NOT NULL,
            refused_at INTEGER
        ) STRICT, WITHOUT ROWID;
        """
}
