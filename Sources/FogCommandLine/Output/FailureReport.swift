package import FogAPI
package import FogCore
internal import FogJobs
internal import FogNet

/// What the command line itself refuses.
package struct CommandLineFailure: CodedFailure, Equatable {
    package let code: String
    package let message: String
    /// The next thing to do; nil where there is none to name.
    package let help: String?
    package let status: ExitStatus

    package init(_ code: String, _ message: String, help: String? = nil, status: ExitStatus = .failure) {
        self.code = code
        self.message = message
        self.help = help
        self.status = status
    }
}

/// An error as it is shown: what, the code that scripts switch on, what to do next, and the exit status.
package struct FailureReport: Sendable {
    package let code: String
    package let message: String
    package var help: String?
    package let status: ExitStatus
    package var details: [Problem.Detail] = []

    package init(_ error: any Error) {
        switch error {
        case let failure as CommandLineFailure:
            self.init(code: failure.code, message: failure.message, help: failure.help, status: failure.status)
        case let problem as Problem: self.init(problem)
        case let failure as CarrierFailure: self.init(failure)
        case let failure as BadAnswer:
            self.init(
                code: failure.code, message: failure.message,
                help:
                    "something between here and the coordinator answers for it; whether anything was done is not known",
                status: .denied)
        case let failure as JobsFailure:
            self.init(code: failure.code, message: failure.message, help: nil, status: .badData)
        case let failure as any CodedFailure:
            self.init(code: failure.code, message: failure.message, help: nil, status: .failure)
        case is CancellationError: self.init(code: "cancelled", message: "given up", help: nil, status: .failure)
        default: self.init(code: "unexpected", message: "\(error)", help: nil, status: .failure)
        }
    }

    private init(code: String, message: String, help: String?, status: ExitStatus) {
        self.code = code
        self.message = message
        self.help = help
        self.status = status
    }

    private init(_ failure: CarrierFailure) {
        switch failure.code {
        case "refused_plaintext":
            self.init(
                code: failure.code, message: failure.message,
                help: "set FOG_INSECURE_PLAINTEXT=true if nobody else is on the way", status: .denied)
        case "untrusted":
            self.init(
                code: failure.code, message: failure.message,
                help: "nothing was sent; ask the operator, and `fog join` again with a new token", status: .denied)
        default:
            self.init(
                code: failure.code, message: failure.message,
                help: "is the coordinator running? `fog doctor` looks; `fog dev` starts one here", status: .unreachable)
        }
    }

    private init(_ problem: Problem) {
        self.init(
            code: problem.code, message: problem.detail, help: Self.help(for: problem), status: Self.status(of: problem)
        )
        details = problem.errors
    }

    private static func status(of problem: Problem) -> ExitStatus {
        switch problem.status {
        case 401, 403: .denied
        case 429, 503: .tryAgain
        case 400 where problem.code == "bad_manifest", 422: .badData
        default: .failure
        }
    }

    private static func help(for problem: Problem) -> String? {
        switch problem.code {
        case "unknown_key", "unknown_principal":
            "this key is not enrolled there: ask for a token (`fog enroll create`) and `fog join` it"
        case "key_revoked": "join again with another key, or use the one that replaced this: fog context list"
        case "key_suspended": "ask the operator; `fog identity resume` lets it act again"
        case "bad_token": "ask the operator for a new one: fog enroll create"
        case "ambiguous": "write more of the id"
        case "not_found": "`fog job list` shows your jobs, `fog node list` the nodes"
        case "idempotency_conflict": "the key was used for another manifest: choose a new one"
        case "clock_skew": "set this machine's clock: timedatectl set-ntp true"
        default:
            if let seconds = problem.retryAfterSeconds {
                "try again in \(TimeSpan.seconds(Int64(seconds)).brief)"
            } else {
                problem.status == 403 ? "`fog identity show` tells which roles this key has" : nil
            }
        }
    }

    /// For standard error.
    package func text(style: Style) -> String {
        var out =
            style.apply(.bad, to: "error:") + " " + Self.lines(message) + style.apply(.faint, to: " (\(code))") + "\n"
        for detail in details {
            let place = detail.mark.map { "\($0.line):\($0.column)" } ?? detail.pointer
            out += "  --> \(DisplayText.clean(place)): \(DisplayText.clean(detail.detail))\n"
            if let hint = detail.hint { out += "      \(DisplayText.clean(hint))\n" }
        }
        if let help { out += style.apply(.strong, to: "help:") + " " + Self.lines(help) + "\n" }
        return out
    }

    /// Messages may have lines, but nothing else that moves the cursor.
    private static func lines(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map(DisplayText.clean).joined(separator: "\n")
    }

    /// For `--output json`.
    package var json: JSON {
        .object([
            "error": .object([
                "code": .string(code), "message": .string(message), "help": help.map(JSON.string),
                "exit": .integer(Int64(status.rawValue)),
                "errors": details.isEmpty
                    ? nil
                    : .array(
                        details.map {
                            .object([
                                "pointer": .string($0.pointer), "line": $0.mark.map { .integer(Int64($0.line)) },
                                "col": $0.mark.map { .integer(Int64($0.column)) }, "detail": .string($0.detail),
                                "hint": $0.hint.map(JSON.string),
                            ])
                        }),
            ])
        ])
    }
}
