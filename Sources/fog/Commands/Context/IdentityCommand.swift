internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// `fog identity`: the key you sign with.
struct IdentityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "identity", "The key that you are known by, and those of others.",
        examples: ["fog identity show", "fog identity rotate", "fog identity suspend eve"],
        subcommands: [
            IdentityCreate.self, IdentityShow.self, IdentityExportPublic.self, IdentityRotate.self, IdentityList.self,
            IdentitySuspend.self, IdentityResume.self, IdentityRevoke.self,
        ])
}

extension Session {
    /// The key file that commands sign with now: a setting, the context's, or the one of this installation.
    fileprivate func identityPath() throws -> String {
        if let path = settings.identity { return path }
        let contexts = try contexts()
        let chosen = try settings.context.map { try contexts.require($0) } ?? contexts.currentContext
        return chosen?.identityFile ?? folders.identityFile
    }
}

/// `fog identity create`
struct IdentityCreate: SessionCommand {
    static let configuration = CommandConfiguration(
        "create", "Make a key, where there is none yet.",
        examples: ["fog identity create", "fog identity create --to ~/.config/fog/lab.key"])

    @Option(help: "The file; default the one of this installation.", completion: .file())
    var to: String?

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let path = to ?? session.folders.identityFile
        let key = SigningKey.generate()
        try KeyFile.write(key, to: path)
        switch session.mode {
        case .json:
            session.console.print(
                .object([
                    "key": .string(key.publicKey.description), "key_id": .string(key.publicKey.id.description),
                    "file": .string(path),
                ]))
        case .quiet: session.console.print(key.publicKey.description)
        case .table:
            session.console.print(key.publicKey.description)
            session.console.note("the secret is in \(path) (mode 0600): keep a copy in a safe place")
        }
    }
}

/// `fog identity show`
struct IdentityShow: SessionCommand {
    static let configuration = CommandConfiguration(
        "show", "Show your key, and what it may do at the coordinator.",
        examples: ["fog identity show", "fog identity show -o json"])

    @Flag(help: "Do not ask the coordinator.")
    var offline = false

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let path = try session.identityPath()
        let key = try KeyFile.read(path).publicKey
        // Without a coordinator there is still a key to show.
        let known = try offline || (session.settings.server == nil && session.contexts().contexts.isEmpty)
        let me = known ? nil : try await session.client().me()
        switch session.mode {
        case .json:
            session.console.print(
                .object([
                    "key": .string(key.description), "key_id": .string(key.id.description), "file": .string(path),
                    "name": me.map { .string($0.name) }, "account": me.map { .string($0.account.description) },
                    "roles": me.map { .array($0.roles.map { .string($0.rawValue) }) },
                ]))
        case .quiet: session.console.print(key.description)
        case .table:
            var sheet = Sheet()
            sheet.add("key", key.description)
            sheet.add("key id", key.id.description)
            sheet.add("file", path)
            sheet.add("name", me?.name)
            sheet.add("account", me?.account.description)
            sheet.add("roles", me?.roles.map(\.rawValue).joined(separator: ", "))
            session.console.print(sheet)
        }
    }
}

/// `fog identity export-public`
struct IdentityExportPublic: SessionCommand {
    static let configuration = CommandConfiguration(
        "export-public", "Print the public key alone.",
        examples: ["fog identity export-public", "fog identity export-public > me.fogkey"])

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let key = try KeyFile.read(session.identityPath()).publicKey
        if session.mode == .json {
            session.console.print(.object(["key": .string(key.description)]))
        } else {
            session.console.print(key.description)
        }
    }
}
