internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// `fog enroll`: letting others in.
struct EnrollCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "enroll", "Let machines and people in.",
        examples: [
            "fog enroll create --role worker,client", "fog enroll create --role worker --uses 40 --ttl 8h --owner lab",
        ],
        subcommands: [EnrollCreate.self, EnrollList.self, EnrollApprove.self, EnrollRevoke.self])
}

/// `fog enroll create`: prints the line that a newcomer types.
struct EnrollCreate: SessionCommand {
    static let configuration = CommandConfiguration(
        "create", "Print the line that a newcomer types: `fog join fog1…`.",
        examples: [
            "fog enroll create --role worker,client", "fog enroll create --role worker --uses 40 --ttl 8h --owner lab",
        ],
        more: "Whoever has the line can join until its time or its uses are over: give it as you would a password.")

    @Option(help: "What they may do: client, worker, auditor, admin; several with commas.")
    var role: String

    @Option(help: "How many may join with it.")
    var uses = 1

    @Option(help: "How long it holds: 30m, 1h, 7d.")
    var ttl = "1h"

    @Option(help: "The account they belong to, by id or name, `self` for yours; default a new one each.")
    var owner: String?

    @Option(help: "Credits that each gets.")
    var credits = "0"

    @Flag(help: "Whoever joins waits until an admin approves: fog enroll approve.")
    var approve = false

    @OptionGroup var common: CommonOptions

    private func body() throws -> EnrollBody {
        let roles = try role.split(separator: ",").map { word in
            guard let role = Role(rawValue: String(word)) else {
                let near = nearest(to: String(word), among: Role.allCases.map(\.rawValue))
                throw CommandLineFailure(
                    "bad_role", "there is no role `\(DisplayText.clean(word))`",
                    help: near.map { "did you mean `\($0)`?" } ?? Role.allCases.map(\.rawValue).joined(separator: ", "),
                    status: .usage)
            }
            return role
        }
        return EnrollBody(
            roles: roles, uses: uses, ttl: try TimeSpan(ttl), owner: owner, credits: try Credits(credits),
            approve: approve ? true : nil)
    }

    func validate() throws {
        guard (1...Invitation.usesLimit).contains(uses) else {
            throw ValidationError("--uses must be 1 to \(Invitation.usesLimit), found \(uses)")
        }
        guard !role.isEmpty else { throw ValidationError("--role wants client, worker, …") }
        guard let span = try? TimeSpan(ttl), span > .zero, span <= Invitation.longest else {
            throw ValidationError("--ttl reads 30m, 1h or 7d, at most \(Invitation.longest), found `\(ttl)`")
        }
        guard (try? Credits(credits)) != nil else {
            throw ValidationError("--credits reads 100 or 0.5, found `\(credits)`")
        }
    }

    func run(_ session: Session) async throws {
        let answer = try await session.client().enroll(try body())
        let line = answer.token.hasPrefix("fog join ") ? answer.token : "fog join \(answer.token)"
        switch session.mode {
        case .json:
            session.console.print(
                .object([
                    "line": .string(line), "token": .string(String(line.dropFirst("fog join ".count))),
                    "expires_at": .string(answer.expiresAt.description), "id": answer.id.map(JSON.string),
                ]))
        case .quiet: session.console.print(String(line.dropFirst("fog join ".count)))
        case .table:
            session.console.print(line)
            session.console.note(
                "good for \(Human.count(uses, "join")), \((answer.expiresAt - session.now).brief) from now"
                    + (answer.id.map { "; fog enroll revoke \($0) ends it" } ?? ""))
        }
    }
}
