import FogCore
import FogSandboxPlan
import Glibc

/// The root file system of a profile: the host's programs and libraries read-only, a short /etc that is the same on
/// every machine, five devices, nothing else. With an image, its own programs, libraries and /etc instead.
enum RootTree {
    /// The user every task is, and the only names it can look up.
    static let insideID: UInt32 = 1000

    /// - Parameter image: the root of an unpacked image; a profile's own mounts are of the host, and left out then.
    /// - Throws: `bad_image`.
    static func mounts(_ profile: SandboxProfile, image: String? = nil) throws(SandboxFailure) -> [PlanMount] {
        var mounts: [PlanMount]
        if let image { mounts = try tops(of: image) } else { mounts = programs() + etc() }
        mounts += devices()
        if image == nil { mounts += hostMounts(profile) }
        // Underneath the task's own /proc: the kernel lets a user namespace mount one only where one is in sight.
        mounts.append(.init(.hostProcesses, "proc", source: "/proc"))
        mounts += ["tmp", "work", "run", secretsFolder].map { .init(.folder, $0) }
        return mounts
    }

    private static func hostMounts(_ profile: SandboxProfile) -> [PlanMount] {
        profile.mounts.filter { !$0.isOptional || Files.exists($0.source) }.map {
            .init(.readOnly, relative($0.target), source: $0.source)
        }
    }

    /// What every task has of its own, whatever an image holds there.
    private static let own: Set<String> = ["dev", "proc", "run", "sys", "tmp", "work"]

    /// Each name at the top of an image.
    private static func tops(of image: String) throws(SandboxFailure) -> [PlanMount] {
        guard let stream = opendir(image) else {
            throw SandboxFailure("bad_image", "\(image) cannot be read: \(Files.words(errno))")
        }
        defer { closedir(stream) }
        var mounts: [PlanMount] = []
        while let entry = readdir(stream) {
            let raw = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            guard let name = String(validating: raw, as: UTF8.self) else {
                throw SandboxFailure("bad_image", "a name at its top is not UTF-8: \(TarEntry.shown(raw))")
            }
            if name == "." || name == ".." || own.contains(name) { continue }
            if let target = linkTarget(image + "/" + name) {
                mounts.append(.init(.link, name, source: target))
            } else {
                mounts.append(.init(.readOnly, name, source: image + "/" + name))
            }
            guard mounts.count <= ImagePlan.maxTopNames else {
                throw SandboxFailure("bad_image", "it has more than \(ImagePlan.maxTopNames) names at its top")
            }
        }
        return mounts.sorted { $0.target < $1.target }
    }

    /// What a task adds: /proc, /tmp, /dev/shm and pseudo-terminals of its own.
    static func perTask(_ limits: SandboxProfile.Limits) -> [PlanMount] {
        let bytes = limits.temporaryBytes.bytes
        // An inode for every 4 KiB and some: empty files cost kernel memory too.
        let options = "mode=1777,size=\(bytes),nr_inodes=\(bytes / 4096 + 64)"
        return [.init(.processes, "proc")] + covers + [
            .init(.temporary, "tmp", options: options), .init(.temporary, "dev/shm", options: options),
            .init(.terminals, "dev/pts", options: "newinstance,ptmxmode=0666,mode=0600,max=16"),
        ]
    }

    /// What of /proc is the machine's and not the task's. Nothing else there can be taken away: a file system of its
    /// own kind cannot be picked from, only covered. What only root may read is left as it is.
    private static let covers: [PlanMount] = {
        let files = [
            "cmdline", "interrupts", "kallsyms", "key-users", "keys", "latency_stats", "modules", "sched_debug",
        ]
        let folders = ["acpi", "asound", "bus", "driver", "fs", "irq", "scsi"]
        func isOpen(_ name: String) -> Bool {
            var status = stat()
            return stat("/proc/" + name, &status) == 0 && status.st_mode & 0o007 != 0
        }
        // What a server of an ordinary user owns in its network namespace, its tasks could write.
        return [.init(.fixed, "proc/sys")]
            + files.filter(isOpen).map { .init(.mask, "proc/" + $0, source: "dev/null") }
            + folders.filter(isOpen).map { .init(.mask, "proc/" + $0, source: secretsFolder) }
    }()

    private static let secretsFolder = "run/secrets"

    /// A task's secrets: files of a file system in memory that ends with the task.
    /// - Throws: `bad_task` for a name that is none.
    static func secrets(_ secrets: [String: String]) throws(SandboxFailure) -> [PlanMount] {
        guard !secrets.isEmpty else { return [] }
        // The pages are never written to swap where the kernel knows how (tmpfs(5), since Linux 6.4, `noswap`); older
        // ones refuse the option, so it is left out.
        var mounts = [PlanMount(.temporary, secretsFolder, options: "mode=0700,size=1m,nr_inodes=128")]
        for (name, value) in secrets.sorted(by: { $0.key < $1.key }) {
            guard WorkFolder.components(name)?.count == 1, !value.utf8.contains(0) else {
                throw SandboxFailure("bad_task", "`\(name.prefix(64))` cannot be the name of a secret")
            }
            mounts.append(.init(.secret, secretsFolder + "/" + name, source: value))
        }
        return mounts
    }

    static func rules(_ profile: SandboxProfile) -> [PlanRule] {
        profile.fileRules.map { rule in
            let access: PlanRule.Access =
                switch rule.access {
                case .read: .readAndExecute
                case .write: .writeFiles
                case .all: .everything
                }
            return PlanRule(access, rule.path, isLate: comesWithTask(rule.path))
        }
    }

    /// The work folder, and what lies below it or in the folder of secrets.
    private static func comesWithTask(_ path: String) -> Bool {
        ["/work", "/" + secretsFolder].contains { path == $0 || path.hasPrefix($0 + "/") }
    }

    /// /usr, and /bin, /lib… as links where the host has merged them, else as binds.
    private static func programs() -> [PlanMount] {
        var mounts = [PlanMount(.readOnly, "usr", source: "/usr")]
        for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            let path = "/" + name
            var status = stat()
            guard lstat(path, &status) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFLNK, let target = linkTarget(path) {
                mounts.append(.init(.link, name, source: target))
            } else if status.st_mode & S_IFMT == S_IFDIR {
                mounts.append(.init(.readOnly, name, source: path))
            }
        }
        return mounts
    }

    private static func etc() -> [PlanMount] {
        let nobody = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        let texts = [
            "passwd": "fog:x:\(insideID):\(insideID):fog:/work:/bin/sh\n" + nobody,
            "group": "fog:x:\(insideID):\nnogroup:x:65534:\n",
            "hosts": "127.0.0.1 localhost fog\n::1 localhost\n",
            "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n",
            "hostname": "fog\n",
        ]
        var mounts: [PlanMount] = [.init(.folder, "etc")]
        mounts += texts.sorted { $0.key < $1.key }.map { .init(.text, "etc/" + $0.key, source: $0.value) }
        for path in ["/etc/ld.so.cache", "/etc/alternatives"] where Files.exists(path) {
            mounts.append(.init(.readOnly, relative(path), source: path))
        }
        if let zone = linkTarget("/etc/localtime"), zone.hasPrefix("/usr/share/zoneinfo/") {
            mounts.append(.init(.link, "etc/localtime", source: zone))
        }
        return mounts
    }

    private static func devices() -> [PlanMount] {
        var mounts: [PlanMount] = ["dev", "dev/shm", "dev/pts"].map { .init(.folder, $0) }
        mounts += ["null", "zero", "full", "random", "urandom"].map {
            .init(.device, "dev/" + $0, source: "/dev/" + $0)
        }
        let links = ["fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"]
        return mounts + links.sorted { $0.key < $1.key }.map { .init(.link, "dev/" + $0.key, source: $0.value) }
    }

    private static func relative(_ path: String) -> String { String(path.drop { $0 == "/" }) }

    private static func linkTarget(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let length = readlink(path, &buffer, buffer.count - 1)
        return length > 0
            ? String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }
}
