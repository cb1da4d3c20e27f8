internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogMixnet
internal import FogNet
import Foundation

/// `fog join`: makes this machine and this user known to a coordinator.
struct JoinCommand: SessionCommand {
    static let configuration = CommandConfiguration(
        "join", "Join a coordinator with a token from its operator.",
        examples: ["fog join fog1…", "fog join --name alice - < token.txt", "fog join --wait fog1…"],
        more:
            "Makes a key if there is none, checks that the coordinator has the key that the token names, saves a context. Some coordinators let a newcomer in only when an admin approves; --wait waits for that."
    )

    @Argument(help: "The token; - reads it from standard input.")
    var token: String

    @Option(help: "How you, or this machine, will be called there; default user-host.")
    var name: String?

    @Option(help: "What the coordinator will be called here; default its own name.")
    var saveAs: String?

    @Option(
        help: "The file of a mixnet to join through, and to use from then on: nothing goes to the token's address.",
        completion: .file())
    var mix: String?

    @Option(help: "With --mix: the coordinator's service there, NODE/KEY.")
    var service: String?

    @Option(help: "With --mix: private (3 hops), confidential (5) or secret (7).")
    var level = "private"

    @Flag(help: "Wait until an admin approves, where that is needed.")
    var wait = false

    @Option(help: "The longest wait: 10m, 1h.")
    var timeout = "1h"

    @OptionGroup var common: CommonOptions

    /// Between two questions whether an admin has approved.
    private static let askEvery = TimeSpan.seconds(2)

    func validate() throws {
        guard (mix == nil) == (service == nil) else { throw ValidationError("--mix and --service go together") }
        guard let span = try? TimeSpan(timeout), span > .zero, span <= .days(30) else {
            throw ValidationError("--timeout reads 10m or 1h, at most 30d, found `\(timeout)`")
        }
    }

    func run(_ session: Session) async throws {
        let token = try readToken()
        let path = session.settings.identity ?? session.folders.identityFile
        let (key, isNew) = try KeyFile.readOrCreate(path)
        if isNew { session.console.note("made a key: \(path)") }
        let way = try way
        let carrier: any Carrier =
            try way.map { try session.carrier(through: $0, of: key.publicKey.id) }
            ?? session.carrier(to: token.url, pin: token.isPinned ? token.coordinator : nil)
        let info = try await FogClient.info(of: carrier, deadline: session.settings.timeout)
        guard info.coordinator == token.coordinator else {
            throw CommandLineFailure(
                "wrong_coordinator",
                "\(token.url) has the key \(info.coordinator.id), the token was made by \(token.coordinator.id)",
                help: "nothing was sent; ask the operator for the right address", status: .denied)
        }
        var client = FogClient(carrier: carrier, key: key, coordinator: token.coordinator, clock: session.clock)
        client.deadline = session.settings.timeout
        let wanted = name ?? Self.defaultName
        let body = JoinBody(secret: Base64Bytes(token.secret), key: key.publicKey, name: wanted)
        var me = try await client.join(body)
        // Saved before the wait: whoever is approved later needs no token any more.
        let context = try save(token, info, path, way, session)
        if me.name != wanted, session.mode == .table {
            session.console.note("\(wanted) is taken there: you are \(DisplayText.clean(me.name))")
        }
        if me.state == .pending, wait { me = try await approved(client, body, me, session) }
        show(me, key.publicKey, context, session)
    }

    /// Asks again until an admin has approved.
    private func approved(_ client: FogClient, _ body: JoinBody, _ first: JoinedBody, _ session: Session) async throws
        -> JoinedBody
    {
        if session.mode == .table {
            session.console.note(
                "waiting for an admin: fog enroll approve \(DisplayText.clean(first.name))   (Ctrl-C leaves; the request stays)"
            )
        }
        let end = session.now + (try TimeSpan(timeout))
        while session.now < end {
            try await Task.sleep(for: Self.askEvery.duration)
            do {
                let me = try await client.join(body)
                if me.state == .active { return me }
            } catch let problem as Problem where problem.status == 429 || problem.status >= 500 {
                session.console.detail(problem.detail)
            } catch let failure as CarrierFailure {
                session.console.detail(failure.message)
            }
        }
        throw CommandLineFailure(
            "not_approved", "no admin has approved within \(timeout)",
            help: "the request stays: fog identity show tells when you are in", status: .timeout)
    }

    private func show(_ me: JoinedBody, _ key: PublicKey, _ context: FogContext, _ session: Session) {
        switch session.mode {
        case .json:
            session.console.print(
                .object([
                    "context": .string(context.name), "server": .string(context.server), "name": .string(me.name),
                    "account": me.account.map { .string($0.description) }, "state": .string(me.state.rawValue),
                    "key_id": .string(key.id.description),
                    "roles": .array(me.roles.map { .string($0.rawValue) }),
                ]))
        case .quiet: session.console.print(context.name)
        case .table:
            let name = DisplayText.clean(me.name)
            guard me.state == .active else {
                session.console.print("asked to join \(context.name) as \(name) (\(EnrollText.roles(me.roles)))")
                return session.console.note(
                    "an admin has to approve first: fog enroll approve \(name)   (key \(key.id))")
            }
            session.console.print("joined \(context.name) as \(name) (\(EnrollText.roles(me.roles)))")
            if me.roles.contains(.worker) { session.console.note("help: fog worker run") }
            if me.roles.contains(.client) { session.console.note("help: fog run -- echo hi") }
        }
    }

    private var way: FogContext.MixWay? {
        get throws {
            guard let mix, let service else { return nil }
            return FogContext.MixWay(
                network: Disk.absolute(mix), service: try MixServiceAddress(service).description, level: level)
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

    private func save(
        _ token: JoinToken, _ info: InfoBody, _ path: String, _ way: FogContext.MixWay?, _ session: Session
    ) throws -> FogContext {
        var contexts = try session.contexts()
        let name = saveAs ?? contexts.freeName(for: info.name, coordinator: token.coordinator)
        let context = FogContext(
            name: name, server: token.url, coordinator: token.coordinator, identityFile: path,
            isPinned: token.isPinned,
            mix: way ?? contexts[name].flatMap { $0.coordinator == token.coordinator ? $0.mix : nil })
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
