/// A layer under SQLite that counts what reaches the disk and can make it fail.
///
/// SQLite asks its VFS (https://www.sqlite.org/vfs.html) for every write and every sync. This one hands all of them to
/// the default VFS and counts on the way, so that `fog bench` can print how many syncs a run cost, and so that a test
/// can tell a store that flushes from one that only says so. A probe narrows both to the files below a path prefix and
/// can make the next operations there fail, as a full or broken disk would.
#ifndef FOG_SQLITE_H
#define FOG_SQLITE_H

#include <sqlite3.h>
#include <stdint.h>

/// How many probes there can be at once.
#define FOG_SQLITE_PROBES 64

/// Operations that reached the disk.
struct fog_sqlite_counts {
    int64_t syncs;
    int64_t wal_syncs;
    int64_t main_syncs;
    int64_t writes;
};

enum fog_sqlite_operation {
    FOG_SQLITE_WRITE = 0,
    FOG_SQLITE_SYNC = 1,
};

/// Codes beside SQLite's own for `fog_sqlite_probe_fail`: the process is killed (SIGKILL) before the operation, or in the
/// middle of a write, half of which has reached the file.
#define FOG_SQLITE_KILL (-1)
#define FOG_SQLITE_KILL_HALFWAY (-2)

/// Registers the layer as SQLite's default VFS. Safe to call again and from any thread; call it before the first
/// connection is opened. Gives SQLITE_OK or SQLite's error.
int fog_sqlite_install(void);

/// Everything since `fog_sqlite_install`, over all files.
struct fog_sqlite_counts fog_sqlite_totals(void);

/// Watches the files whose full path begins with `prefix` and which are opened after this call.
/// Gives the probe's number, or -1 when all probes are in use or the prefix is longer than 511 bytes.
int fog_sqlite_probe_start(const char *prefix);

struct fog_sqlite_counts fog_sqlite_probe_counts(int probe);

/// Lets `skip` operations pass, then fails the next `count` of them with `code` (SQLITE_FULL, SQLITE_IOERR_WRITE, …).
void fog_sqlite_probe_fail(int probe, enum fog_sqlite_operation operation, int64_t skip, int64_t count, int code);

/// Ends the probe. Its files stay open and work on.
void fog_sqlite_probe_stop(int probe);

/// SQLite's own marker for "copy what is bound", which Swift cannot import: it is a cast of -1.
static inline int fog_sqlite_bind_text(sqlite3_stmt *statement, int index, const char *text, int length) {
    // A null pointer would bind NULL, and an empty text or array may give one.
    return sqlite3_bind_text(statement, index, text ? text : "", length, SQLITE_TRANSIENT);
}

static inline int fog_sqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int length) {
    return sqlite3_bind_blob(statement, index, bytes ? bytes : "", length, SQLITE_TRANSIENT);
}

/// Bytes that outlive the statement's run, so that they need no copy.
static inline int fog_sqlite_bind_lent(sqlite3_stmt *statement, int index, const void *bytes, int length) {
    return sqlite3_bind_blob(statement, index, bytes ? bytes : "", length, SQLITE_STATIC);
}

#endif
