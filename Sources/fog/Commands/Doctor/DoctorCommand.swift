internal import ArgumentParser
internal import FogCommandLine
internal import FogCore

/// One thing that was looked at.
struct Finding: Sendable {
    enum Mark: String, Sendable {
        case good = "ok"
        /// Fog works, something is weaker or missing.
        case warning
        /// Something that is needed does not work.
        case bad

        var sign: String {
            switch self {
            case .good: "✓"
            case .warning: "!"
            case .bad: "✗"
            }
        }

        var tone: Tone {
            switch self {
            case .good: .good
            case .warning: .warning
            case .bad: .bad
            }
        }
    }

    let name: String
    let mark: Mark
    let words: String
    /// The command that mends it.
    let fix: String?

    init(_ name: String, _ mark: Mark, _ words: String, fix: String? = nil) {
        self.name = name
        self.mark = mark
        self.words = words
        self.fix = fix
    }

    var json: JSON {
        .object([
            "name": .string(name), "status": .string(mark.rawValue), "detail": .string(words),
            "fix": fix.map(JSON.string),
        ])
    }
}

/// `fog doctor`: looks at everything that Fog needs here, and names the command that mends what is missing.
struct DoctorCommand: SessionCommand {
    static let configuration = CommandConfiguration(
        "doctor", "Look whether this machine has what Fog needs, and say what mends it.",
        examples: ["fog doctor", "fog doctor -o json"], more: "Exit 1 when something that is needed is missing.")

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        var findings: [Finding] = []
        func tell(_ more: [Finding]) {
            findings += more
            guard session.mode == .table else { return }
            let style = session.console.style
            for finding in more {
                let sign = style.apply(finding.mark.tone, to: finding.mark.sign)
                session.console.print(
                    "\(sign) \(DisplayText.padded(finding.name, to: 16)) \(DisplayText.clean(finding.words))")
                if let fix = finding.fix { session.console.print("    help: \(fix)") }
            }
        }
        tell(AccessChecks.keys(session))
        tell(await ReachabilityChecks.all(session))
        tell(MachineChecks.kernel())
        tell(await SandboxChecks.all(session))
        tell(SensorChecks.all(session))
        tell([MachineChecks.disk(session.folders.state)])
        tell(MachineChecks.packages())
        let isWell = findings.allSatisfy { $0.mark != .bad }
        if session.mode == .json {
            session.console.print(.object(["ok": .bool(isWell), "checks": .array(findings.map(\.json))]))
        }
        if !isWell { throw ExitStatus.failure.exit }
    }
}
