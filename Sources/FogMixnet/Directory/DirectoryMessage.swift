internal import FogCore

/// What arrives at an authority. Votes and echoes are passed on by whoever sees them first, so that an author cannot show
/// them to some and not to others.
package enum DirectoryMessage: Hashable, Sendable {
    case descriptor(SignedDescriptor)
    case vote(Statement, DirectoryVote)
    case echo(Statement, DirectoryEcho)
    case signature(Statement)
    case consensus(SignedConsensus)

    package static let byteLimit = Consensus.byteLimit + (64 << 10)

    package var bytes: [UInt8] {
        switch self {
        case .descriptor(let node): [1] + node.bytes
        case .vote(let statement, let vote): [2] + statement.bytes + vote.bytes
        case .echo(let statement, let echo): [3] + statement.bytes + echo.bytes
        case .signature(let statement): [4] + statement.bytes
        case .consensus(let consensus): [5] + consensus.bytes
        }
    }

    /// - Throws: `bad_message`, or what the document's own parser throws. A statement is for the document beside it.
    package init(bytes: [UInt8]) throws(MixnetFailure) {
        guard let kind = bytes.first else { throw MixnetFailure("bad_message", "a message without bytes") }
        let rest = Array(bytes.dropFirst())
        switch kind {
        case 1: self = .descriptor(try SignedDescriptor(bytes: rest))
        case 2:
            let (statement, document) = try Self.split(rest)
            let vote = try DirectoryVote(bytes: document)
            try Self.check(statement, .vote, vote.parameters.networkID, vote.epoch, vote.authority, vote.digest)
            self = .vote(statement, vote)
        case 3:
            let (statement, document) = try Self.split(rest)
            let echo = try DirectoryEcho(bytes: document)
            try Self.check(statement, .echo, echo.network, echo.epoch, echo.authority, echo.digest)
            self = .echo(statement, echo)
        case 4:
            let (statement, document) = try Self.split(rest)
            guard document.isEmpty, statement.kind == .consensus else {
                throw MixnetFailure(
                    "bad_message", "a signature of kind \(statement.kind), \(document.count) bytes behind it")
            }
            self = .signature(statement)
        case 5: self = .consensus(try SignedConsensus(bytes: rest))
        default: throw MixnetFailure("bad_message", "kind \(kind) is not known")
        }
    }

    private static func split(_ bytes: [UInt8]) throws(MixnetFailure) -> (Statement, [UInt8]) {
        var reader = CanonicalReader(bytes)
        let statement = try Statement(from: &reader)
        return (statement, Array(bytes.dropFirst(Statement.byteCount)))
    }

    private static func check(
        _ statement: Statement, _ kind: Statement.Kind, _ network: Digest, _ epoch: UInt64, _ authority: PublicKey,
        _ digest: Digest
    ) throws(MixnetFailure) {
        guard statement.kind == kind, statement.network == network, statement.epoch == epoch,
            statement.authority == authority, statement.digest == digest
        else { throw MixnetFailure("bad_message", "the statement is for another document than the one beside it") }
    }
}
