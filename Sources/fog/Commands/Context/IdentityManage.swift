internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// `fog identity list`
struct IdentityList: SessionCommand {
    static let configuration = CommandConfiguration(
        "list", "Show the keys that are in, or were.",
        examples: ["fog identity list", "fog identity list -o json"])

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let client = try await session.client()
        var identities: [IdentityBody] = []
        var after: KeyID?
        repeat {
            let page = try await client.identities(after: after)
            identities += page.identities
            after = page.next
        } while after != nil
        switch session.mode {
        case .json:
            session.console.print(try Documents.document(of: IdentityListBody(identities: identities, next: nil)))
        case .quiet: for identity in identities { session.console.print(identity.keyID.description) }
        case .table:
            var table = Table([.init("KEY"), .init("NAME"), .init("ROLES"), .init("STATE"), .init("ACCOUNT")])
            for identity in identities.sorted(by: { ($0.name, $0.enrolledAt) < ($1.name, $1.enrolledAt) }) {
                table.add([
                    Table.Cell(String(identity.keyID.description.prefix(10))), Table.Cell(identity.name),
                    Table.Cell(EnrollText.roles(identity.roles)),
                    Table.Cell(identity.state.rawValue, identity.state == .active ? .plain : .warning),
                    Table.Cell(identity.account.description),
                ])
            }
            session.console.print(table)
        }
    }
}

/// What the commands that change another's key have in common.
protocol IdentityChange: SessionCommand {
    var key: String { get }
    var reason: String { get }
    /// As the route is called, and what is said when it is done.
    static var verb: String { get }
    static var done: String { get }
}

extension IdentityChange {
    func run(_ session: Session) async throws {
        let identity = try await session.client().identity(key, Self.verb, reason: reason)
        try session.show(identity, id: identity.keyID.description) {
            session.console.print("\(DisplayText.clean(identity.name)) (\(identity.keyID)) \(Self.done)")
        }
    }
}

/// `fog identity suspend`
struct IdentitySuspend: IdentityChange {
    static let configuration = CommandConfiguration(
        "suspend", "Refuse what a key asks from now on, and cancel its jobs.",
        examples: ["fog identity suspend eve", "fog identity suspend eve --reason 'too many jobs'"],
        more: "What its machine runs goes elsewhere. fog identity resume undoes it, but for the cancelled jobs.")
    static let verb = "suspend"
    static let done = "is suspended; its jobs are cancelled"

    @Argument(help: "A name, a key, its id, or the beginning of that: fog identity list.")
    var key: String

    @Option(help: "Why; its jobs and the history say so.")
    var reason = ""

    @OptionGroup var common: CommonOptions
}

/// `fog identity resume`
struct IdentityResume: IdentityChange {
    static let configuration = CommandConfiguration(
        "resume", "Let a suspended key act again.", examples: ["fog identity resume eve"])
    static let verb = "resume"
    static let done = "may act again"

    @Argument(help: "A name, a key, its id, or the beginning of that: fog identity list.")
    var key: String

    var reason: String { "" }

    @OptionGroup var common: CommonOptions
}

/// `fog identity revoke`
struct IdentityRevoke: IdentityChange {
    static let configuration = CommandConfiguration(
        "revoke", "End a key for good: its jobs, its node, and what it signs from now on.",
        examples: ["fog identity revoke lost-laptop --reason stolen"],
        more: "Nothing undoes it; whoever it was may join again with another key.")
    static let verb = "revoke"
    static let done = "is revoked, for good"

    @Argument(help: "A name, a key, its id, or the beginning of that: fog identity list.")
    var key: String

    @Option(help: "Why; its jobs and the history say so.")
    var reason = ""

    @OptionGroup var common: CommonOptions
}

/// `fog identity rotate`
struct IdentityRotate: SessionCommand {
    static let configuration = CommandConfiguration(
        "rotate", "Put a new key in the place of yours: the same name, account, roles and node.",
        examples: ["fog identity rotate", "fog identity rotate --context lab"],
        more:
            "Both keys sign, and the ledger records it. The old key is refused from then on; its file is kept under another name. A worker of this key is stopped first and started again afterwards."
    )

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let context = try await session.resolve()
        let rotation = try KeyRotation(of: session.settings.identity ?? context.identityFile)
        let identity = try await swap(rotation, context, session)
        var contexts = try session.contexts()
        let files = try rotation.finish(for: context.coordinator, in: &contexts)
        try contexts.save(session.folders.contextsFile)
        switch session.mode {
        case .json:
            session.console.print(
                .object([
                    "key": .string(identity.key.description), "key_id": .string(identity.keyID.description),
                    "old_key_id": .string(rotation.old.publicKey.id.description), "file": .string(files.new),
                    "old_file": .string(files.old), "name": .string(identity.name),
                ]))
        case .quiet: session.console.print(identity.key.description)
        case .table:
            session.console.print(
                "\(DisplayText.clean(identity.name)) has a new key: \(identity.keyID) (was \(rotation.old.publicKey.id))"
            )
            session.console.note("it is in \(files.new); the old one is in \(files.old)")
            if identity.roles.contains(.worker) { session.console.note("help: fog worker run   (with the new key)") }
        }
    }

    /// Asks with the old key; when an earlier attempt was heard and its answer lost, the new key knows.
    private func swap(_ rotation: KeyRotation, _ context: FogContext, _ session: Session) async throws -> IdentityBody {
        func client(_ key: SigningKey) throws -> FogClient {
            FogClient(
                carrier: try session.carrier(for: context), key: key, coordinator: context.coordinator,
                clock: session.clock)
        }
        do {
            return try await client(rotation.old).rotate(to: rotation.new)
        } catch let problem as Problem {
            guard problem.code == "key_revoked", !rotation.isFresh, let me = try? await client(rotation.new).me() else {
                rotation.giveUp()
                throw problem
            }
            return IdentityBody(
                Principal(
                    key: me.key, name: me.name, roles: Set(me.roles), account: me.account, enrolledAt: session.now))
        }
    }
}
