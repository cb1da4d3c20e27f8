internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogWorker
internal import Logging

/// What commands to the worker of this machine have in common.
struct WorkerFolderOptions: ParsableArguments {
    @Option(help: "The worker's folder; default in the state folder.")
    var state: String?

    func folder(_ session: Session) -> String { state ?? "\(session.folders.state)/worker" }
}

/// `fog worker policy`: by which rules this machine is lent.
struct WorkerPolicy: ParsableCommand {
    static let configuration = CommandConfiguration(
        "policy", "See and change the rules by which this machine is lent.",
        examples: ["fog worker policy show", "fog worker policy edit idle=10m window=20:00-08:00"],
        subcommands: [WorkerPolicyShow.self, WorkerPolicyEdit.self])
}

/// `fog worker policy show`
struct WorkerPolicyShow: SessionCommand {
    static let configuration = CommandConfiguration(
        "show", "Show the rules, and what the running worker does by them.",
        examples: ["fog worker policy show", "fog worker policy show personal"])

    @Argument(help: "A word or a file; default what the worker of this machine goes by.")
    var policy: String?

    @OptionGroup var place: WorkerFolderOptions

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws {
        let folder = place.folder(session)
        let shown = try policy.map { try PolicyFile.load($0) } ?? PolicyFile.usual(folder)
        let report = policy == nil ? try? await ControlSocket.ask(.report, in: folder) : nil
        switch session.mode {
        case .json:
            let keys = shown.texts.map { JSON.Member($0.key.rawValue, .string($0.text)) }
            session.console.print(
                .object([
                    "name": .string(shown.name), "keys": .object(keys),
                    "worker": try report.map { try Documents.document(of: $0) },
                ]))
        case .quiet: session.console.print(shown.name)
        case .table:
            var sheet = Sheet()
            for (key, text) in shown.texts { sheet.add(key.rawValue, text) }
            session.console.print(sheet)
            guard policy == nil else { return }
            if let report {
                session.console.note("the worker goes by \(report.policy); \(report.phase.rawValue): \(report.reason)")
                for words in report.ignored { session.console.note("ignored: \(DisplayText.clean(words))") }
            } else {
                session.console.note("no worker runs here")
            }
        }
    }
}

/// `fog worker policy edit`
struct WorkerPolicyEdit: SessionCommand {
    static let configuration = CommandConfiguration(
        "edit", "Change rules of this machine; a running worker goes by them at once.",
        examples: [
            "fog worker policy edit idle=10m window=20:00-08:00",
            "fog worker policy edit base=personal plugged_in=true",
            "fog worker policy edit 'submitters={allow: [anna, lab]}' slots=2",
        ],
        more: "KEYS:\n"
            + HarvestPolicyKey.allCases.map { "  \($0.rawValue.padded(to: 13)) \($0.help)" }.joined(separator: "\n"))

    @Argument(help: "KEY=VALUE, as a policy file writes it.")
    var changes: [String]

    @OptionGroup var place: WorkerFolderOptions

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws {
        let folder = place.folder(session)
        let file = PolicyFile.own(folder)
        let changes = try NamedValues(changes, option: "a change", wanted: "KEY=VALUE").values
        let text = try PolicyFile.changing(try PolicyFile.usual(folder), changes)
        try Disk.makeFolder(folder, mode: 0o700)
        try Disk.write(Array(text.utf8), to: file, mode: 0o600)
        let report = try await WorkerControl.tell(.policy(file), folder)
        switch session.mode {
        case .json:
            session.console.print(
                .object([
                    "file": .string(file), "policy": .string(text),
                    "worker": try report.map { try Documents.document(of: $0) },
                ]))
        case .quiet: session.console.print(file)
        case .table:
            session.console.print(text, terminator: "")
            session.console.note(
                report.map { "\($0.phase.rawValue): \($0.reason)" } ?? "kept in \(file) for the next `fog worker run`")
        }
    }
}

/// Asks the running worker of this machine.
enum WorkerControl {
    /// Nil when none runs.
    static func tell(_ request: ControlRequest, _ folder: String) async throws -> GovernedMachine.Report? {
        do {
            return try await ControlSocket.ask(request, in: folder)
        } catch  where error.code == "not_running" {
            return nil
        }
    }

    static func socket(_ machine: GovernedMachine, _ folder: String, _ logger: Logger) -> ControlSocket {
        ControlSocket(folder: folder, logger: logger) { await answer($0, machine) }
    }

    /// What the running worker is asked through its socket.
    static func answer(_ request: ControlRequest, _ machine: GovernedMachine) async -> ControlAnswer {
        do {
            switch request {
            case .report: break
            case .pause(let pause): await machine.pause(pause)
            case .policy(let source): await machine.adopt(try PolicyFile.load(source))
            }
            return .report(await machine.report)
        } catch {
            let failure = FailureReport(error)
            return .refused(code: failure.code, message: failure.message)
        }
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
