/// A unit file by which systemd runs a part of Fog.
///
/// The coordinator's is closed as far as systemd can close it. The worker's leaves open what its sandboxes are made of:
/// they need user, mount, process and network namespaces, a part of the cgroup tree of their own, and a `/proc` that
/// nothing hides (the kernel lets an unprivileged namespace mount `/proc` only where the whole of one is visible; see
/// mount_namespaces(7)), so ProtectKernelTunables, ProtectKernelLogs, ProtectProc, ProtectHostname, RestrictNamespaces
/// and system-call filters, which tasks would inherit, are left out there.
package struct ServiceUnit: Sendable {
    package enum Part: String, Sendable, CaseIterable {
        case coordinator, worker

        package var unitName: String { "fog-\(rawValue).service" }
    }

    /// Who runs it.
    package enum Manager: Sendable, Hashable {
        /// The system's, as the user of that name.
        case system(user: String)
        /// The user's own (`systemctl --user`).
        case user
    }

    /// Where a system's service keeps everything unless another home is chosen.
    package static let systemHome = "/var/lib/fog"

    let part: Part
    let manager: Manager
    let program: String
    let arguments: [String]
    let home: String?

    /// - Parameter program: the absolute path of `fog`.
    /// - Parameter arguments: of `fog coordinator run` or `fog worker run`.
    /// - Parameter home: `FOG_HOME`; nil = the folders of the XDG specification.
    /// - Throws: `bad_path`, `bad_unit` for what a unit file cannot hold.
    package init(_ part: Part, manager: Manager, program: String, arguments: [String], home: String?) throws {
        for path in [program] + (home.map { [$0] } ?? []) where !path.hasPrefix("/") {
            throw CommandLineFailure("bad_path", "a unit names absolute paths only, found `\(path)`", status: .usage)
        }
        for text in [program, home ?? ""] + arguments where text.unicodeScalars.contains(where: { $0.value < 0x20 }) {
            throw CommandLineFailure("bad_unit", "a unit file cannot hold a control character", status: .usage)
        }
        if case .system(let user) = manager {
            // useradd(8)'s own rule.
            let isName =
                user.utf8.first.map { (0x61...0x7a).contains($0) || $0 == 0x5f } == true && user.utf8.count <= 32
                && user.utf8.allSatisfy {
                    (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f || $0 == 0x2d
                }
            guard isName else {
                throw CommandLineFailure("bad_unit", "`\(DisplayText.clean(user))` is no user's name", status: .usage)
            }
        }
        self.part = part
        self.manager = manager
        self.program = program
        self.arguments = arguments
        self.home = home
    }

    package static let mark = "# Written by `fog "

    // MARK: - The text

    package var text: String {
        """
        \(Self.mark)\(part.rawValue) install`; `fog \(part.rawValue) uninstall` removes it.
        [Unit]
        Description=Fog \(part.rawValue)
        Wants=network-online.target
        After=network-online.target

        [Service]
        Type=notify
        NotifyAccess=main
        ExecStart=\(([program, part.rawValue, "run"] + arguments).map(Self.quoted).joined(separator: " "))
        \(place)Restart=always
        RestartSec=5s
        # Misuse, a bad setting, or a coordinator that refuses this machine: another start would end the same way.
        RestartPreventExitStatus=64 65 77
        WatchdogSec=2min
        TimeoutStartSec=2min
        TimeoutStopSec=3min
        KillMode=mixed
        LimitNOFILE=65536
        UMask=0077
        NoNewPrivileges=yes
        \(part == .worker ? workerLines : coordinatorLines)
        [Install]
        WantedBy=\(isSystem ? "multi-user.target" : "default.target")

        """
    }

    private var isSystem: Bool { manager != .user }

    private var place: String {
        var lines: [String] = []
        if case .system(let user) = manager { lines.append("User=\(user)") }
        if let home {
            lines.append("Environment=\(Self.quoted("FOG_HOME=\(home)"))")
            if isSystem {
                lines +=
                    home == Self.systemHome
                    ? ["StateDirectory=fog", "StateDirectoryMode=0700"] : ["ReadWritePaths=\(Self.quoted(home))"]
            }
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private var workerLines: String {
        var lines = [
            "# A part of the cgroup tree of its own, for the limits of tasks.", "Delegate=yes", "TasksMax=infinity",
            "OOMPolicy=continue",
        ]
        if isSystem {
            lines += [
                "ProtectSystem=strict", "PrivateTmp=yes", "ProtectKernelModules=yes", "RemoveIPC=yes",
                "KeyringMode=private",
            ]
        }
        if case .system(let user) = manager, user != "root" {
            // A new user namespace has all capabilities inside, whatever the bounding set (user_namespaces(7)).
            lines += ["CapabilityBoundingSet=", "AmbientCapabilities="]
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private var coordinatorLines: String {
        var lines = [
            "LockPersonality=yes", "MemoryDenyWriteExecute=yes", "RestrictRealtime=yes", "RestrictSUIDSGID=yes",
            "SystemCallArchitectures=native", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
        ]
        // A user's manager has not the right to most of these.
        if isSystem {
            lines += [
                "CapabilityBoundingSet=", "AmbientCapabilities=", "ProtectSystem=strict", "ProtectHome=yes",
                "PrivateTmp=yes", "PrivateDevices=yes", "ProtectKernelTunables=yes", "ProtectKernelModules=yes",
                "ProtectKernelLogs=yes", "ProtectControlGroups=yes", "ProtectClock=yes", "ProtectHostname=yes",
                "ProtectProc=invisible", "RestrictNamespaces=yes", "RemoveIPC=yes", "KeyringMode=private",
                "SystemCallFilter=@system-service",
            ]
        }
        return lines.map { $0 + "\n" }.joined()
    }

    /// As systemd.syntax(7) and systemd.service(5) read it: `%` and `$` double, the rest between quotes where needed.
    static func quoted(_ text: String) -> String {
        let plain = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
            default: "/.-_=:,+@".utf8.contains(byte)
            }
        }
        if plain, !text.isEmpty { return text }
        var out = "\""
        for character in text {
            switch character {
            case "\"", "\\": out += "\\\(character)"
            case "%": out += "%%"
            case "$": out += "$$"
            default: out.append(character)
            }
        }
        return out + "\""
    }
}
