#include "CFogSQLite.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

struct counters {
    _Atomic int64_t syncs, wal_syncs, main_syncs, writes;
};

struct fault {
    _Atomic int64_t skip, count;
    _Atomic int code;
};

struct probe {
    // Guarded by `probes_lock`, like `users`: a slot is used again only when no open file points at it.
    bool active;
    int users;
    char prefix[512];
    struct counters counters;
    struct fault faults[2];
};

// SQLite allocates `szOsFile` bytes a file: ours first, then the real VFS's own.
struct fog_file {
    sqlite3_file base;
    int open_flags;
    struct probe *probe;
    sqlite3_file *real;
};

static struct counters totals;
static struct probe probes[FOG_SQLITE_PROBES];
static pthread_mutex_t probes_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t install_once = PTHREAD_ONCE_INIT;
static int install_result = SQLITE_ERROR;
static sqlite3_vfs *real_vfs;
static sqlite3_vfs fog_vfs;

static struct fog_file *fog(sqlite3_file *file) { return (struct fog_file *)file; }
static sqlite3_file *real(sqlite3_file *file) { return fog(file)->real; }

// MARK: Counting and failing

static void count_sync(struct counters *counters, int open_flags) {
    atomic_fetch_add_explicit(&counters->syncs, 1, memory_order_relaxed);
    if (open_flags & SQLITE_OPEN_WAL) atomic_fetch_add_explicit(&counters->wal_syncs, 1, memory_order_relaxed);
    if (open_flags & SQLITE_OPEN_MAIN_DB) atomic_fetch_add_explicit(&counters->main_syncs, 1, memory_order_relaxed);
}

static void count_write(struct counters *counters) {
    atomic_fetch_add_explicit(&counters->writes, 1, memory_order_relaxed);
}

// The code to fail with, or SQLITE_OK. Only one thread writes to a database at a time, so the two steps need no lock.
static int take_fault(struct probe *probe, enum fog_sqlite_operation operation) {
    if (!probe) return SQLITE_OK;
    struct fault *fault = &probe->faults[operation];
    if (atomic_load(&fault->count) <= 0) return SQLITE_OK;
    if (atomic_load(&fault->skip) > 0) {
        atomic_fetch_sub(&fault->skip, 1);
        return SQLITE_OK;
    }
    atomic_fetch_sub(&fault->count, 1);
    int code = atomic_load(&fault->code);
    if (code == FOG_SQLITE_KILL) raise(SIGKILL);
    return code;
}

static int fog_write(sqlite3_file *file, const void *bytes, int amount, sqlite3_int64 offset) {
    struct fog_file *own = fog(file);
    int code = take_fault(own->probe, FOG_SQLITE_WRITE);
    if (code == FOG_SQLITE_KILL_HALFWAY) {
        own->real->pMethods->xWrite(own->real, bytes, amount / 2, offset);
        raise(SIGKILL);
    }
    if (code != SQLITE_OK) return code;
    count_write(&totals);
    if (own->probe) count_write(&own->probe->counters);
    return own->real->pMethods->xWrite(own->real, bytes, amount, offset);
}

static int fog_sync(sqlite3_file *file, int flags) {
    struct fog_file *own = fog(file);
    int code = take_fault(own->probe, FOG_SQLITE_SYNC);
    if (code != SQLITE_OK) return code;
    count_sync(&totals, own->open_flags);
    if (own->probe) count_sync(&own->probe->counters, own->open_flags);
    return own->real->pMethods->xSync(own->real, flags);
}

static int fog_close(sqlite3_file *file) {
    struct fog_file *own = fog(file);
    int code = own->real->pMethods ? own->real->pMethods->xClose(own->real) : SQLITE_OK;
    if (own->probe) {
        pthread_mutex_lock(&probes_lock);
        own->probe->users -= 1;
        pthread_mutex_unlock(&probes_lock);
        own->probe = NULL;
    }
    return code;
}

// MARK: Handed on as they are

static int fog_read(sqlite3_file *file, void *bytes, int amount, sqlite3_int64 offset) {
    return real(file)->pMethods->xRead(real(file), bytes, amount, offset);
}
static int fog_truncate(sqlite3_file *file, sqlite3_int64 size) {
    return real(file)->pMethods->xTruncate(real(file), size);
}
static int fog_file_size(sqlite3_file *file, sqlite3_int64 *size) {
    return real(file)->pMethods->xFileSize(real(file), size);
}
static int fog_lock(sqlite3_file *file, int level) { return real(file)->pMethods->xLock(real(file), level); }
static int fog_unlock(sqlite3_file *file, int level) { return real(file)->pMethods->xUnlock(real(file), level); }
static int fog_check_reserved(sqlite3_file *file, int *result) {
    return real(file)->pMethods->xCheckReservedLock(real(file), result);
}
static int fog_control(sqlite3_file *file, int operation, void *argument) {
    return real(file)->pMethods->xFileControl(real(file), operation, argument);
}
static int fog_sector_size(sqlite3_file *file) { return real(file)->pMethods->xSectorSize(real(file)); }
static int fog_characteristics(sqlite3_file *file) {
    return real(file)->pMethods->xDeviceCharacteristics(real(file));
}
static int fog_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out) {
    return real(file)->pMethods->xShmMap(real(file), page, size, extend, out);
}
static int fog_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}
static void fog_shm_barrier(sqlite3_file *file) { real(file)->pMethods->xShmBarrier(real(file)); }
static int fog_shm_unmap(sqlite3_file *file, int remove) {
    return real(file)->pMethods->xShmUnmap(real(file), remove);
}

static const sqlite3_io_methods fog_methods = {
    // Version 2 has what WAL needs; version 3 adds memory mapping, which the store does not use.
    .iVersion = 2,
    .xClose = fog_close,
    .xRead = fog_read,
    .xWrite = fog_write,
    .xTruncate = fog_truncate,
    .xSync = fog_sync,
    .xFileSize = fog_file_size,
    .xLock = fog_lock,
    .xUnlock = fog_unlock,
    .xCheckReservedLock = fog_check_reserved,
    .xFileControl = fog_control,
    .xSectorSize = fog_sector_size,
    .xDeviceCharacteristics = fog_characteristics,
    .xShmMap = fog_shm_map,
    .xShmLock = fog_shm_lock,
    .xShmBarrier = fog_shm_barrier,
    .xShmUnmap = fog_shm_unmap,
};

// MARK: Opening

static struct probe *probe_for(const char *path) {
    if (!path) return NULL;
    struct probe *found = NULL;
    pthread_mutex_lock(&probes_lock);
    for (int index = 0; index < FOG_SQLITE_PROBES && !found; index++) {
        struct probe *probe = &probes[index];
        if (probe->active && strncmp(path, probe->prefix, strlen(probe->prefix)) == 0) found = probe;
    }
    if (found) found->users += 1;
    pthread_mutex_unlock(&probes_lock);
    return found;
}

static int fog_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags) {
    (void)vfs;
    struct fog_file *own = fog(file);
    memset(own, 0, sizeof(*own));
    own->real = (sqlite3_file *)(own + 1);
    int code = real_vfs->xOpen(real_vfs, path, own->real, flags, out_flags);
    // SQLite calls xClose only when methods are set, which must happen even after an error if the real VFS set its own.
    if (!own->real->pMethods) return code;
    own->open_flags = flags;
    own->probe = probe_for(path);
    own->base.pMethods = &fog_methods;
    return code;
}

static void install(void) {
    // Without its count of memory in use, which nobody asks for, SQLite takes no lock for each allocation. Refused when
    // something has started SQLite before us: then it is only slower.
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    install_result = sqlite3_initialize();
    if (install_result != SQLITE_OK) return;
    real_vfs = sqlite3_vfs_find(NULL);
    if (!real_vfs) {
        install_result = SQLITE_ERROR;
        return;
    }
    // All but opening is the real VFS's own; its methods use nothing of the object but `pAppData`, which is copied.
    fog_vfs = *real_vfs;
    fog_vfs.zName = "fog";
    fog_vfs.pNext = NULL;
    fog_vfs.szOsFile = (int)sizeof(struct fog_file) + real_vfs->szOsFile;
    fog_vfs.xOpen = fog_open;
    install_result = sqlite3_vfs_register(&fog_vfs, 1);
}

int fog_sqlite_install(void) {
    pthread_once(&install_once, install);
    return install_result;
}

// MARK: Probes

static struct fog_sqlite_counts read_counts(struct counters *counters) {
    return (struct fog_sqlite_counts){
        .syncs = atomic_load(&counters->syncs),
        .wal_syncs = atomic_load(&counters->wal_syncs),
        .main_syncs = atomic_load(&counters->main_syncs),
        .writes = atomic_load(&counters->writes),
    };
}

struct fog_sqlite_counts fog_sqlite_totals(void) { return read_counts(&totals); }

int fog_sqlite_probe_start(const char *prefix) {
    if (strlen(prefix) >= sizeof(probes[0].prefix)) return -1;
    int found = -1;
    pthread_mutex_lock(&probes_lock);
    for (int index = 0; index < FOG_SQLITE_PROBES && found < 0; index++) {
        struct probe *probe = &probes[index];
        if (probe->active || probe->users > 0) continue;
        memset(probe, 0, sizeof(*probe));
        strcpy(probe->prefix, prefix);
        probe->active = true;
        found = index;
    }
    pthread_mutex_unlock(&probes_lock);
    return found;
}

static struct probe *probe_at(int index) {
    return index >= 0 && index < FOG_SQLITE_PROBES ? &probes[index] : NULL;
}

struct fog_sqlite_counts fog_sqlite_probe_counts(int index) {
    struct probe *probe = probe_at(index);
    return probe ? read_counts(&probe->counters) : (struct fog_sqlite_counts){0};
}

void fog_sqlite_probe_fail(int index, enum fog_sqlite_operation operation, int64_t skip, int64_t count, int code) {
    struct probe *probe = probe_at(index);
    if (!probe) return;
    struct fault *fault = &probe->faults[operation];
    atomic_store(&fault->count, 0);
    atomic_store(&fault->code, code);
    atomic_store(&fault->skip, skip);
    atomic_store(&fault->count, count);
}

void fog_sqlite_probe_stop(int index) {
    struct probe *probe = probe_at(index);
    if (!probe) return;
    fog_sqlite_probe_fail(index, FOG_SQLITE_WRITE, 0, 0, SQLITE_OK);
    fog_sqlite_probe_fail(index, FOG_SQLITE_SYNC, 0, 0, SQLITE_OK);
    pthread_mutex_lock(&probes_lock);
    probe->active = false;
    pthread_mutex_unlock(&probes_lock);
}
