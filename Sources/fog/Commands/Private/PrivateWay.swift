internal import FogCommandLine
internal import FogCore

/// Which way a private job may go: through a mixnet of at least as many hops, and no other.
enum PrivateWay {
    /// Asked before anything of a job leaves this machine.
    /// - Throws: `not_private` with what to do. There is no fallback: a private job is never sent in the clear.
    static func check(_ level: PrivacyLevel, _ session: Session) throws {
        guard level != .public else { return }
        let contexts = try session.contexts()
        let context: FogContext?
        if let name = session.settings.context {
            context = try contexts.require(name)
        } else if let server = session.settings.server {
            context = contexts.contexts.first { $0.server == server }
        } else {
            context = contexts.currentContext
        }
        let name = context.map { "the context `\($0.name)`" } ?? "the way to this coordinator"
        let help =
            "fog context mix \(context?.name ?? "NAME") --network FILE --service NODE/KEY --level \(level.rawValue)"
        guard let mix = context?.mix else {
            throw CommandLineFailure(
                "not_private",
                "`privacy: \(level.rawValue)` goes through \(level.hops) mixes, and \(name) goes to the coordinator's address: nothing was sent",
                help: help, status: .denied)
        }
        guard let found = PrivacyLevel(rawValue: mix.level), found >= level else {
            throw CommandLineFailure(
                "not_private",
                "`privacy: \(level.rawValue)` goes through \(level.hops) mixes, and \(name) goes through \(PrivacyLevel(rawValue: mix.level)?.hops ?? 0): nothing was sent",
                help: help, status: .denied)
        }
    }

    /// The value of `--privacy`, which may only ask for more than the manifest does.
    static func level(_ text: String, atLeast least: PrivacyLevel) throws -> PrivacyLevel {
        guard let level = PrivacyLevel(rawValue: text) else {
            let near = nearest(to: text, among: PrivacyLevel.allCases.map(\.rawValue))
            throw CommandLineFailure(
                "bad_value", "--privacy: wanted public, private, confidential or secret, found `\(text.prefix(40))`",
                help: near.map { "did you mean `\($0)`?" }, status: .badData)
        }
        guard level >= least else {
            throw CommandLineFailure(
                "bad_value", "--privacy: the manifest asks for `\(least.rawValue)`, which a flag only makes stronger",
                help: "change `privacy` in the manifest", status: .badData)
        }
        return level
    }
}
