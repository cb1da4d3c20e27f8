internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
import Foundation

/// `fog join`: makes this machine and this user known to a coordinator.
struct JoinCommand: SessionCommand {
    static let configuration = CommandConfiguration(
        "join", "Join a coordinator with a token from its operator.",
        examples: ["fog join fog1…", "fog join --name alice - < token.txt"],
        more:
            "Makes a key if there is none, checks that the coordinator has the key that the token names, saves a context."
    )

    @Argument(help: "The token; - reads it from standard input.")
    var token: String

    @Option(help: "How you, or this machine, will be called there; default user-host.")
    var name: String?

    @Option(help: "What the coordinator will be called here; default its own name.")
    var saveAs: String?

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let token = try readToken()
        let carrier = try session.carrier(to: token.url)
        let info = try await FogClient.info(of: carrier)
        guard info.coordinator == token.coordinator else {
            throw CommandLineFailure(
                "wrong_coordinator",
                "\(token.url) has the key \(info.coordinator.id), the token was made by \(token.coordinator.id)",
                help: "nothing was sent; ask the operator for the right address", status: .denied)
        }
        let path = session.settings.identity ?? session.folders.identityFile
        let (key, isNew) = try KeyFile.readOrCreate(path)
        if isNew { session.console.note("made a key: \(path)") }
        let client = FogClient(carrier: carrier, key: key, coordinator: token.coordinator.id, clock: session.clock)
        let body = JoinBody(secret: Base64Bytes(token.secret), key: key.publicKey, name: name ?? Self.defaultName)
        let me = try await client.join(body)
        let context = try save(token, info, path, session)
        switch session.mode {
        case .json:
            session.console.print(
                .object([
                    "context": .string(context.name), "server": .string(context.server), "name": .string(me.name),
                    "account": .string(me.account.description), "roles": .array(me.roles.map { .string($0.rawValue) }),
                ]))
        case .quiet: session.console.print(context.name)
        case .table:
            session.console.print(
                "joined \(context.name) as \(DisplayText.clean(me.name)) (\(me.roles.map(\.rawValue).joined(separator: ", ")))"
            )
            if me.roles.contains(.worker) { session.console.note("help: fog worker run") }
            if me.roles.contains(.client) { session.console.note("help: fog run -- echo hi") }
        }
    }

    private func readToken() throws -> JoinToken {
        let text =
            token == "-" ? String(decoding: FileHandle.standardInput.readData(ofLength: 4096), as: UTF8.self) : token
        // The whole line may have been pasted.
        guard let word = text.split(whereSeparator: \.isWhitespace).last else {
            throw CommandLineFailure("bad_token", "there is no token", status: .usage)
        }
        do {
            return try JoinToken(word)
        } catch {
            throw CommandLineFailure(
                error.code, error.message, help: "copy the whole line: fog join fog1…", status: .usage)
        }
    }

    private func save(_ token: JoinToken, _ info: InfoBody, _ path: String, _ session: Session) throws -> FogContext {
        var contexts = try session.contexts()
        let name = saveAs ?? contexts.freeName(for: info.name, coordinator: token.coordinator)
        let context = FogContext(name: name, server: token.url, coordinator: token.coordinator, identityFile: path)
        try contexts.put(context, makeCurrent: true)
        try contexts.save(session.folders.contextsFile)
        return context
    }

    private static var defaultName: String {
        let host = ProcessInfo.processInfo.hostName.prefix { $0 != "." }
        let letters = "\(NSUserName())-\(host)".lowercased().map { ContextsFile.isName(String($0)) ? $0 : "-" }
        let name = String(letters.drop { $0 == "-" }.prefix(63))
        return name.isEmpty ? "newcomer" : name
    }
}
