internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogMixnet

/// `fog mixnode claim`
struct MixnodeClaim: SessionCommand {
    static let configuration = CommandConfiguration(
        "claim", "Tell a coordinator whose account this mix belongs to.",
        examples: ["fog enroll create --role worker --owner self", "fog mixnode claim fog1…"],
        more: """
            The mix's key joins the account that the token is for. A coordinator that answers through the network audits its mixes: what \
            a claimed one does wrong counts against the machines of its owner.
            """)

    @Argument(help: "A token of the role worker, made for the owner's account.")
    var token: String

    @Option(help: "The node's folder; default in the state folder.")
    var state: String?

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let token: JoinToken
        do {
            token = try JoinToken(self.token)
        } catch {
            throw CommandLineFailure(error.code, error.message, status: .usage)
        }
        let key = try MixKeyStore(folder: MixnodePlaces.folder(state, "mixnode", session)).identity
        let client = FogClient(
            carrier: try session.carrier(to: token.url, pin: token.isPinned ? token.coordinator : nil), key: key,
            coordinator: token.coordinator, clock: session.clock)
        let name = "mix-\(key.publicKey.id.description.suffix(8))"
        let me = try await client.join(JoinBody(secret: Base64Bytes(token.secret), key: key.publicKey, name: name))
        switch session.mode {
        case .json:
            session.console.print(
                .object([
                    "key": .string(key.publicKey.description), "name": .string(me.name),
                    "account": me.account.map { .string($0.description) }, "state": .string(me.state.rawValue),
                ]))
        case .quiet: session.console.print(me.name)
        case .table: session.console.print("\(DisplayText.clean(me.name)): \(me.state.rawValue)")
        }
    }
}
