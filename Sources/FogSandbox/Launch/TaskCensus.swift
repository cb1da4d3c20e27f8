import Glibc

/// What the processes below a launcher hold, as proc(5) shows it: needed where no control group counts for them.
enum TaskCensus {
    /// Processes looked at; more than any profile allows.
    private static let maxProcesses = 40_000
    private static let maxDescriptors = 65_536

    // MARK: - Memory

    /// The task's memory in bytes. The quick sum counts shared pages once for each process that has them; only when that
    /// is more than the limit, the slow one is asked, which shares them out (Pss).
    static func memory(below launcher: pid_t, limit: Int64) -> Int64 {
        let pids = processes(below: launcher)
        let held = descriptors(of: pids) { $0.st_nlink == 0 }
        let places = pids.compactMap(place(of:))
        let quick = places.reduce(Int64(0)) { $0 + kibibytes(["RssAnon:", "RssShmem:"], in: $1 + "/status") }
        guard quick + held.bytes > limit else { return quick + held.bytes }
        var (anonymous, shared) = (Int64(0), Int64(0))
        for place in places {
            anonymous += kibibytes(["Pss_Anon:"], in: place + "/smaps_rollup")
            shared += kibibytes(["Pss_Shmem:"], in: place + "/smaps_rollup")
        }
        return anonymous + max(shared, held.bytes)
    }

    /// The sum of fields that are given in kibibytes, in bytes.
    static func kibibytes(_ fields: [String], in path: String) -> Int64 {
        var sum: Int64 = 0
        for line in (Files.text(path) ?? "").split(separator: "\n") {
            guard fields.contains(where: line.hasPrefix) else { continue }
            let parts = line.split { $0 == " " || $0 == "\t" }
            if parts.count >= 2 { sum += (Int64(parts[1]) ?? 0) << 10 }
        }
        return sum
    }

    // MARK: - Files

    /// Bytes of a folder's file system that belong to files which have no name any more.
    static func unnamedBytes(on folder: String, launcher: pid_t) -> Int64 {
        var status = stat()
        guard stat(folder, &status) == 0 else { return 0 }
        let device = status.st_dev
        return descriptors(of: processes(below: launcher)) { $0.st_nlink == 0 && $0.st_dev == device }.bytes
    }

    private struct FileKey: Hashable {
        let device: dev_t
        let number: ino_t
    }

    /// The blocks of all regular files that the processes have open, each counted once.
    private static func descriptors(
        of pids: [pid_t], where isMeant: (stat) -> Bool
    ) -> (bytes: Int64, files: Int) {
        var seen: Set<FileKey> = []
        var bytes: Int64 = 0
        for pid in pids {
            guard let place = place(of: pid), let stream = opendir(place + "/fd") else { continue }
            defer { closedir(stream) }
            for name in Folder.names(stream, max: maxDescriptors) {
                var status = stat()
                guard Folder.withName(name, { fstatat(dirfd(stream), $0, &status, 0) }) == 0,
                    status.st_mode & S_IFMT == S_IFREG, isMeant(status),
                    seen.insert(FileKey(device: status.st_dev, number: status.st_ino)).inserted
                else { continue }
                bytes += Int64(status.st_blocks) * 512
            }
        }
        return (bytes, seen.count)
    }

    // MARK: - Processes

    /// Where the process can be looked at; nil for one that is over and not waited for, which holds nothing. Its first
    /// thread may have ended before the others: then one of those stands for all.
    private static func place(of pid: pid_t) -> String? {
        let first = "/proc/\(pid)"
        guard isOver(first) else { return first }
        guard let stream = opendir(first + "/task") else { return nil }
        defer { closedir(stream) }
        return Folder.names(stream, max: maxProcesses).map { "\(first)/task/\(String(decoding: $0, as: UTF8.self))" }
            .first { !isOver($0) }
    }

    /// The third field of proc_pid_stat(5), behind a name that can hold anything.
    private static func isOver(_ place: String) -> Bool {
        guard let text = Files.text(place + "/stat"), let end = text.lastIndex(of: ")") else { return true }
        return text[end...].dropFirst(2).first.map { "ZX".contains($0) } ?? true
    }

    /// Processes that do not let this one see what they have open: undumpable ones (prctl(2)), seen by an ordinary user.
    static func hidden(below launcher: pid_t) -> Set<pid_t> {
        // The task's init is one of them, by our own doing.
        let inits = Set(children(of: launcher))
        return Set(
            processes(below: launcher).filter { pid in
                guard !inits.contains(pid) else { return false }
                guard let place = place(of: pid) else { return false }
                let folder = open(place + "/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                if folder >= 0 { close(folder) }
                return folder < 0 && errno == EACCES
            })
    }

    /// Everything below the launcher: what lost its parent hangs below the task's init.
    static func processes(below launcher: pid_t) -> [pid_t] {
        var found: [pid_t] = []
        var waiting = [launcher]
        while let pid = waiting.popLast(), found.count < maxProcesses {
            let children = children(of: pid)
            found += children
            waiting += children
        }
        return found
    }

    private static func children(of pid: pid_t) -> [pid_t] {
        guard let stream = opendir("/proc/\(pid)/task") else { return [] }
        defer { closedir(stream) }
        return Folder.names(stream, max: maxProcesses).flatMap { thread in
            let path = "/proc/\(pid)/task/\(String(decoding: thread, as: UTF8.self))/children"
            return (Files.text(path) ?? "").split { $0 == " " || $0 == "\n" }.compactMap { pid_t($0) }
        }
    }
}
