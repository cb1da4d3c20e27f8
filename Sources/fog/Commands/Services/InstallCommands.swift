internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
import Foundation

/// What installing and uninstalling a service have in common.
struct InstallOptions: ParsableArguments {
    @Flag(help: "For your own user's systemd instead of the system's.")
    var user = false

    @Option(name: .customLong("as"), help: "The user that the system's service runs as.")
    var account = "fog"

    @Option(help: "FOG_HOME of the service; default /var/lib/fog, with --user your own.")
    var home: String?

    @Option(help: "A folder that stands for the root of the file system.")
    var root = ""

    @Flag(help: "Only print the unit file.")
    var print = false

    @Option(help: "The fog that the unit starts; default this one.")
    var program: String?

    private var manager: ServiceUnit.Manager { user ? .user : .system(user: account) }

    func file(_ part: ServiceUnit.Part, _ session: Session) throws -> UnitFile {
        let root = root.isEmpty || root == "/" ? "" : Disk.absolute(root)
        return try UnitFile(part, manager: manager, environment: session.environment, root: root)
    }

    func install(_ part: ServiceUnit.Part, arguments: [String], _ session: Session) throws {
        let own = user ? session.environment["FOG_HOME"].flatMap { $0.isEmpty ? nil : $0 } : ServiceUnit.systemHome
        let unit = try ServiceUnit(
            part, manager: manager, program: program ?? Self.ownProgram, arguments: arguments,
            home: home.map { Disk.absolute($0) } ?? own)
        guard !print else { return session.console.print(unit.text, terminator: "") }
        let file = try file(part, session)
        try file.write(unit)
        let control = user ? "systemctl --user" : "systemctl"
        if session.mode == .json {
            return session.console.printLine(
                .object(["unit": .string(file.path), "start": .string("\(control) enable --now \(part.unitName)")]))
        }
        session.console.print(session.mode == .quiet ? file.path : "wrote \(file.path)")
        guard session.mode == .table else { return }
        if !user {
            session.console.note(
                "help: useradd --system --home-dir \(ServiceUnit.systemHome) \(account), unless there is that user")
        }
        session.console.note("help: \(control) daemon-reload && \(control) enable --now \(part.unitName)")
        if user { session.console.note("help: loginctl enable-linger, for it to run when you are not logged in") }
    }

    func uninstall(_ part: ServiceUnit.Part, _ session: Session) throws {
        let file = try file(part, session)
        if root.isEmpty, Disk.exists(file.path), Disk.exists("/run/systemd/system") {
            try Self.control((user ? ["--user"] : []) + ["disable", "--now", part.unitName])
        }
        guard try file.remove() else {
            throw CommandLineFailure("not_found", "there is no \(file.path)")
        }
        session.console.print(session.mode == .quiet ? file.path : "removed \(file.path)")
    }

    /// The path behind this process.
    private static var ownProgram: String {
        URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().path
    }

    private static func control(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["systemctl"] + arguments
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw CommandLineFailure(
                "systemctl_failed",
                "systemctl \(arguments.joined(separator: " ")) ended with \(process.terminationStatus); nothing was removed"
            )
        }
    }
}

/// `fog worker install`
struct WorkerInstall: SessionCommand {
    static let configuration = CommandConfiguration(
        "install", "Write a systemd unit that runs this machine's worker, from boot to boot.",
        examples: ["fog worker install -- --slots 4 --label lab", "fog worker install --user --print"],
        more: "What stands behind -- goes to fog worker run. The machine must have joined a pool as the service's user."
    )

    @OptionGroup var options: InstallOptions

    @Argument(parsing: .postTerminator, help: "Flags of fog worker run.")
    var arguments: [String] = []

    @OptionGroup var common: LocalOptions

    func validate() throws { _ = try WorkerRun.parse(arguments) }

    func run(_ session: Session) async throws { try options.install(.worker, arguments: arguments, session) }
}

/// `fog worker uninstall`
struct WorkerUninstall: SessionCommand {
    static let configuration = CommandConfiguration(
        "uninstall", "Stop the service and remove its unit; the machine stays in the pool (see fog worker leave).",
        examples: ["fog worker uninstall", "fog worker uninstall --user"])

    @OptionGroup var options: InstallOptions

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws { try options.uninstall(.worker, session) }
}

/// `fog coordinator install`
struct CoordinatorInstall: SessionCommand {
    static let configuration = CommandConfiguration(
        "install", "Write a systemd unit that runs a coordinator, from boot to boot.",
        examples: ["fog coordinator install -- --name lab --economy", "fog coordinator install --user --print"],
        more: "What stands behind -- goes to fog coordinator run.")

    @OptionGroup var options: InstallOptions

    @Argument(parsing: .postTerminator, help: "Flags of fog coordinator run.")
    var arguments: [String] = []

    @OptionGroup var common: LocalOptions

    func validate() throws { _ = try CoordinatorRun.parse(arguments) }

    func run(_ session: Session) async throws { try options.install(.coordinator, arguments: arguments, session) }
}

/// `fog coordinator uninstall`
struct CoordinatorUninstall: SessionCommand {
    static let configuration = CommandConfiguration(
        "uninstall", "Stop the service and remove its unit; the coordinator's folder stays.",
        examples: ["fog coordinator uninstall", "fog coordinator uninstall --user"])

    @OptionGroup var options: InstallOptions

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws { try options.uninstall(.coordinator, session) }
}
