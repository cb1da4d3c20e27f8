internal import FogCommandLine
internal import FogCore
import Foundation

/// What kernel and machine offer.
enum MachineChecks {
    private static func line(_ path: String) -> String? {
        guard let bytes = try? Disk.readSmall(path) else { return nil }
        return String(decoding: bytes.prefix { $0 != 0x0a }, as: UTF8.self)
    }

    // MARK: Kernel

    static func kernel() -> [Finding] { [userNamespaces(), seccomp()] }

    private static func userNamespaces() -> Finding {
        let name = "user namespaces"
        // Root makes namespaces without them being open to everybody.
        let isRoot = geteuid() == 0
        let switches: [(path: String, blocked: String, fix: String)] = [
            ("/proc/sys/user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=15000"),
            ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
            (
                "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
                appArmorFix
            ),
        ]
        guard Disk.exists("/proc/self/ns/user") else { return Finding(name, .bad, "not in this kernel") }
        for entry in switches where line(entry.path) == entry.blocked {
            // With Fog's profile the launcher may, whatever holds for others; the check that runs a program says whether
            // it is loaded.
            if entry.path.contains("apparmor"), Disk.exists(appArmorProfile) {
                return Finding(name, .good, "restricted by AppArmor; \(appArmorProfile) lets fog-sandbox make them")
            }
            let key = entry.path.dropFirst("/proc/sys/".count).split(separator: "/").joined(separator: ".")
            // The first of them binds root too.
            let binds = !isRoot || entry.path.contains("max_user_namespaces")
            return Finding(
                name, binds ? .bad : .warning, "\(key) is \(entry.blocked)\(binds ? "" : " (root does without)")",
                fix: entry.fix)
        }
        return Finding(name, .good, isRoot ? "allowed (you are root)" : "allowed to ordinary users")
    }

    private static let appArmorProfile = "/etc/apparmor.d/fog-sandbox"

    /// The profile that comes with Fog, where it can be found; it allows one program what the switch allows all.
    private static var appArmorFix: String {
        let file = (try? ProfileFolder.shared("apparmor/fog-sandbox")) ?? "share/fog/apparmor/fog-sandbox"
        return "sudo install -m 644 \(file) /etc/apparmor.d/ && sudo apparmor_parser --replace \(appArmorProfile)"
    }

    private static func seccomp() -> Finding {
        guard let actions = line("/proc/sys/kernel/seccomp/actions_avail") else {
            return Finding("seccomp", .bad, "not in this kernel", fix: "boot a kernel with CONFIG_SECCOMP_FILTER")
        }
        return Finding("seccomp", actions.contains("errno") ? .good : .bad, "filters with \(actions)")
    }

    // MARK: Disk

    /// As the coordinator's admission has it: below either of them nothing new is taken.
    private static let (leastBytes, leastShare) = (ByteCount.gibibytes(2), 0.05)

    static func disk(_ path: String) -> Finding {
        // The folder may not be there yet; its file system is that of what is above it.
        var place = path
        while !Disk.exists(place), let slash = place.lastIndex(of: "/"), slash > place.startIndex {
            place = String(place[..<slash])
        }
        var status = statvfs()
        guard statvfs(place, &status) == 0 else { return Finding("disk", .bad, "\(place): \(Disk.words())") }
        let free = ByteCount(Int64(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize)))
        let share = status.f_blocks == 0 ? 0 : Double(status.f_bavail) / Double(status.f_blocks)
        let words = "\(free.brief) free (\(Int(share * 100)) %) for \(path)"
        guard free >= leastBytes, share >= leastShare else {
            return Finding(
                "disk", .bad, words + ", wanted \(leastBytes) and \(Int(leastShare * 100)) %",
                fix: "make room, or set FOG_HOME to a larger disk")
        }
        return Finding("disk", .good, words)
    }

    // MARK: Packages

    /// What Fog runs with, by the beginning of the package's name: releases add to it (`libcgroup2t64`).
    private static let needed = ["ca-certificates", "libcgroup", "libseccomp2", "libsodium", "libsqlite3-0"]

    /// Libraries that a package of Fog's own brings lie here, beside the program.
    private static var bundle: String {
        let program = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
        return "\(program)/../lib/fog"
    }

    static func packages() -> [Finding] {
        let needed = Disk.exists(bundle) ? ["ca-certificates"] : needed
        guard let folder = opendir("/var/lib/dpkg/info") else { return [] }
        defer { closedir(folder) }
        var installed: Set<String> = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasSuffix(".list") else { continue }
            for package in needed where name.hasPrefix(package) { installed.insert(package) }
        }
        let missing = needed.filter { !installed.contains($0) }
        guard !missing.isEmpty else { return [Finding("packages", .good, needed.joined(separator: ", "))] }
        return [
            Finding(
                "packages", .warning, "not installed by Debian: \(missing.joined(separator: ", "))",
                fix:
                    "sudo apt-get install \(missing.map { ["libcgroup": "libcgroup-dev", "libsodium": "libsodium-dev"][$0] ?? $0 }.joined(separator: " "))"
            )
        ]
    }
}
