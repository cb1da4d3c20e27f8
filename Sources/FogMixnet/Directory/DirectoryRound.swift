package import FogCore

/// What an authority has said in an epoch: kept on disk before it is said, so that one that is started anew does not
/// contradict itself.
package struct DirectoryRecord: Hashable, Sendable {
    package var epoch: UInt64
    package var secret: [UInt8]
    /// The bytes of the vote, empty before it is made; so with the echo.
    package var vote: [UInt8] = []
    package var echo: [UInt8] = []
    /// Of the consensus that was signed.
    package var signed: Digest?

    package init(epoch: UInt64, secret: [UInt8]) {
        self.epoch = epoch
        self.secret = secret
    }

    package var bytes: [UInt8] {
        var writer = CanonicalWriter()
        writer.write("fog-directory-record-v1")
        writer.write(epoch)
        writer.write(secret)
        writer.write(vote)
        writer.write(echo)
        writer.write(signed ?? .zero)
        return writer.bytes
    }

    /// - Throws: `bad_record` unless the bytes are a record.
    package init(bytes: [UInt8]) throws(MixnetFailure) {
        do {
            var reader = CanonicalReader(bytes)
            guard try reader.readString(limit: 32) == "fog-directory-record-v1" else {
                throw MixnetFailure("bad_record", "these bytes are no record of an authority")
            }
            epoch = try reader.read()
            secret = try reader.readBytes(limit: DirectoryEcho.secretBytes)
            vote = try reader.readBytes(limit: DirectoryVote.byteLimit)
            echo = try reader.readBytes(limit: DirectoryEcho.byteLimit)
            let digest = try reader.readDigest()
            signed = digest == .zero ? nil : digest
            try reader.end()
        } catch {
            throw MixnetFailure.wrapping(error)
        }
    }
}

/// What an authority has heard on one epoch.
struct DirectoryRound: Sendable {
    var record: DirectoryRecord
    var hasMerged = false
    /// At most two of each author: the second proves that it said two things.
    var statements: [Statement.Kind: [PublicKey: [Statement]]] = [:]
    var votes: [Digest: DirectoryVote] = [:]
    var echoes: [PublicKey: DirectoryEcho] = [:]
    var consensus: Consensus?

    init(record: DirectoryRecord) { self.record = record }

    /// - Returns: whether it is new, and what it proves.
    mutating func hear(_ statement: Statement) -> (isNew: Bool, proof: Equivocation?) {
        let known = statements[statement.kind]?[statement.authority] ?? []
        guard known.count < 2, !known.contains(where: { $0.digest == statement.digest }) else { return (false, nil) }
        statements[statement.kind, default: [:]][statement.authority] = known + [statement]
        return (true, known.first.flatMap { Equivocation($0, statement) })
    }

    func said(_ kind: Statement.Kind) -> [Statement] {
        (statements[kind] ?? [:]).values.flatMap { $0 }.sorted { ($0.authority, $0.digest) < ($1.authority, $1.digest) }
    }

    /// Those of authors that echoed once.
    var soundEchoes: [DirectoryEcho] {
        echoes.filter { (statements[.echo]?[$0.key]?.count ?? 0) == 1 }.sorted { $0.key < $1.key }.map(\.value)
    }
}
