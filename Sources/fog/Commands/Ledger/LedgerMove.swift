internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore

/// An amount of credits as people write it.
struct CreditsArgument: ParsableArguments {
    @Argument(help: "How many credits.")
    var credits: String

    func validate() throws {
        guard let amount = try? Credits(credits), amount > .zero else {
            throw ValidationError("credits read 100 or 0.25, found `\(credits)`")
        }
    }

    func amount() throws -> Credits { try Credits(credits) }
}

/// The id of something asked for: a request sent twice is done once.
struct RequestID: ParsableArguments {
    @Option(name: .customLong("id"), help: "An id of your own choice: asked twice under one id, it is done once.")
    var text: String?

    func validate() throws {
        if let text, (try? TransferID(text)) == nil {
            throw ValidationError(
                "an id has 26 characters, as `fog ledger history -o json` shows them: found `\(text)`")
        }
    }

    func value() throws -> TransferID {
        if let text { return try TransferID(text) }
        var random = SystemRandomNumberGenerator()
        return TransferID(at: SystemClock().now, using: &random)
    }
}

/// `fog ledger transfer`: credits to somebody else.
struct LedgerTransfer: SessionCommand {
    static let configuration = CommandConfiguration(
        "transfer", "Give credits of your own account to another.",
        examples: ["fog ledger transfer alice 12.5", "fog ledger transfer 3k9v… 1 -o json"])

    @Argument(help: "An account's id or the name of who owns it.")
    var account: String

    @OptionGroup var amount: CreditsArgument
    @OptionGroup var request: RequestID
    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let body = TransferBody(
            kind: "transfer", to: account, credits: try amount.amount(), id: try request.value())
        let balance = try await session.client().move(body)
        try session.show(balance, id: body.id.description) {
            session.console.print(
                "gave \(body.credits) credits to \(DisplayText.clean(account)); you have \(balance.available)")
        }
    }
}

/// `fog ledger stake`: credits at risk.
struct LedgerStake: SessionCommand {
    static let configuration = CommandConfiguration(
        "stake", "Put credits of your own at risk.", examples: ["fog ledger stake 100", "fog ledger balance"],
        more: "What is at risk is lost, in part or whole, when a machine of yours is shown to have cheated.")

    @OptionGroup var amount: CreditsArgument
    @OptionGroup var request: RequestID
    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let body = TransferBody(kind: "stake", credits: try amount.amount(), id: try request.value())
        let balance = try await session.client().move(body)
        try session.show(balance, id: body.id.description) {
            session.console.print("\(balance.staked ?? .zero) credits are at risk; you have \(balance.available)")
        }
    }
}

/// `fog ledger unstake`: credits out of a stake.
struct LedgerUnstake: SessionCommand {
    static let configuration = CommandConfiguration(
        "unstake", "Take credits out of your stake.", examples: ["fog ledger unstake 50"],
        more: "They stay at risk until the unbonding time is over, and are yours again by themselves then.")

    @OptionGroup var amount: CreditsArgument
    @OptionGroup var request: RequestID
    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let body = TransferBody(kind: "unstake", credits: try amount.amount(), id: try request.value())
        let balance = try await session.client().move(body)
        try session.show(balance, id: body.id.description) {
            let free = balance.unbonding?.last.map { ", free \($0.free.plain)" } ?? ""
            session.console.print("\(body.credits) credits unbond\(free); \(balance.staked ?? .zero) stay at risk")
        }
    }
}

/// `fog ledger correct`: a transfer back.
struct LedgerCorrect: SessionCommand {
    static let configuration = CommandConfiguration(
        "correct", "Reverse a transfer, whole (role admin).",
        examples: ["fog ledger history alice -o json", "fog ledger correct 06h1… --reason 'sent twice'"],
        more: "Nothing leaves the log: the same amount goes back, under an id that names the transfer.")

    @Argument(help: "The transfer's id.")
    var transfer: String

    @Option(help: "Why: it stands in the evidence.")
    var reason: String

    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard (try? TransferID(transfer)) != nil else {
            throw ValidationError("a transfer's id has 26 characters, found `\(transfer)`")
        }
    }

    func run(_ session: Session) async throws {
        let body = CorrectionBody(transfer: try TransferID(transfer), reason: reason)
        let done = try await session.client().correct(body)
        try session.show(done, id: done.transfer.description) {
            session.console.print(
                "\(done.credits) credits went back from \(AccountWords.short(done.from)) to \(AccountWords.short(done.to))"
            )
        }
    }
}
