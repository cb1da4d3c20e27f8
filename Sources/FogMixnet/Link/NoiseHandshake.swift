internal import CSodium
internal import FogCore

/// Noise_XX_25519_ChaChaPoly (Noise revision 34): both ends show each other their lasting keys, encrypted, and agree on
/// keys that nobody can find out later from those.
///
/// `-> e`, `<- e, ee, s, es`, `-> s, se`. Payloads are empty, so each message has one length.
package struct NoiseHandshake: Sendable {
    package enum Role: Sendable { case initiator, responder }

    /// Bytes of the three messages when payloads are empty.
    package static let messageBytes = [32, 96, 64]

    private let role: Role
    private var symmetric: Symmetric
    private let own: NoiseKey
    private let ephemeral: NoiseKey
    private var theirEphemeral: [UInt8] = []
    /// The other end's lasting key, once its message was read.
    package private(set) var theirKey: [UInt8]?
    /// Messages written or read so far.
    private(set) var step = 0

    /// - Parameter prologue: what both ends must agree on beforehand; another one makes the handshake fail.
    package init(_ role: Role, key: NoiseKey, prologue: [UInt8]) {
        self.init(role, key: key, prologue: prologue, hash: .blake2b, ephemeral: .generate())
    }

    init(_ role: Role, key: NoiseKey, prologue: [UInt8], hash: NoiseHash, ephemeral: NoiseKey) {
        self.role = role
        own = key
        self.ephemeral = ephemeral
        symmetric = Symmetric(name: "Noise_XX_25519_ChaChaPoly_\(hash.rawValue)", hash: hash)
        symmetric.mix(hash: prologue)
    }

    package var isDone: Bool { step == 3 }
    /// Whether this end writes the next message.
    package var isOwnTurn: Bool { !isDone && (step % 2 == 0) == (role == .initiator) }

    /// What both ends have said so far, hashed: the same at both, and of no other handshake.
    package var transcript: [UInt8] { symmetric.transcript }

    /// The next message.
    package mutating func write(_ payload: [UInt8] = []) throws(MixnetFailure) -> [UInt8] {
        precondition(isOwnTurn, "it is the other end's turn")
        var message: [UInt8] = []
        switch step {
        case 0: message += writeEphemeral()
        case 1:
            message += writeEphemeral()
            try mixKey(ephemeral, theirEphemeral)
            message += try symmetric.seal(own.publicKey)
            try mixKey(own, theirEphemeral)
        default:
            message += try symmetric.seal(own.publicKey)
            try mixKey(own, theirEphemeral)
        }
        message += try symmetric.seal(payload)
        step += 1
        return message
    }

    /// Reads the other end's message and gives its payload.
    /// - Throws: `bad_handshake` for a message that is not of this handshake. Then the link is to be closed.
    package mutating func read(_ message: [UInt8]) throws(MixnetFailure) -> [UInt8] {
        precondition(!isDone && !isOwnTurn, "it is this end's turn")
        guard message.count >= Self.messageBytes[step], message.count <= 65_535 else {
            throw MixnetFailure(
                "bad_handshake",
                "message \(step + 1) of a link has \(Self.messageBytes[step]) bytes, found \(message.count)")
        }
        var rest = message[...]
        func take(_ count: Int) -> [UInt8] {
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }
        if step < 2 {
            theirEphemeral = take(32)
            symmetric.mix(hash: theirEphemeral)
        }
        if step == 1 { try mixKey(ephemeral, theirEphemeral) }
        if step > 0 {
            let theirs = try symmetric.open(take(48))
            theirKey = theirs
            try mixKey(ephemeral, theirs)
        }
        let payload = try symmetric.open(Array(rest))
        step += 1
        return payload
    }

    /// The keys of both directions, after the third message.
    package func split() -> (send: LinkCipher, receive: LinkCipher) {
        precondition(isDone, "the handshake is not at its end")
        let (first, second) = symmetric.split()
        return role == .initiator
            ? (LinkCipher(key: first), LinkCipher(key: second)) : (LinkCipher(key: second), LinkCipher(key: first))
    }

    private mutating func writeEphemeral() -> [UInt8] {
        symmetric.mix(hash: ephemeral.publicKey)
        return ephemeral.publicKey
    }

    private mutating func mixKey(_ own: NoiseKey, _ theirs: [UInt8]) throws(MixnetFailure) {
        symmetric.mix(key: try Curve25519.shared(own.secret, theirs))
    }
}

/// A key pair of X25519 for links.
package struct NoiseKey: Sendable {
    package let publicKey: [UInt8]
    /// Of a lasting key: only ever written to a file of mode 0600.
    package let secret: [UInt8]

    /// - Throws: `bad_key` unless there are 32 bytes.
    package init(secret: [UInt8]) throws(MixnetFailure) {
        guard secret.count == 32 else {
            throw MixnetFailure("bad_key", "a link key has 32 bytes, found \(secret.count)")
        }
        self.init(trusted: secret)
    }

    private init(trusted: [UInt8]) {
        secret = trusted
        publicKey = Curve25519.base(trusted)
    }

    package static func generate() -> NoiseKey { NoiseKey(trusted: SecureRandom.bytes(32)) }
}

/// Noise's symmetric state (section 5.2), with the cipher of the handshake in it.
private struct Symmetric {
    private let hash: NoiseHash
    private var chain: [UInt8]
    private(set) var transcript: [UInt8]
    private var cipher: LinkCipher?

    init(name: String, hash: NoiseHash) {
        self.hash = hash
        let bytes = Array(name.utf8)
        transcript =
            bytes.count <= hash.length
            ? bytes + [UInt8](repeating: 0, count: hash.length - bytes.count) : hash.hash(bytes)
        chain = transcript
    }

    mutating func mix(hash bytes: [UInt8]) { transcript = hash.hash(transcript + bytes) }

    mutating func mix(key material: [UInt8]) {
        let (next, key) = hash.chain(chain, material)
        chain = next
        cipher = LinkCipher(key: Array(key.prefix(32)))
    }

    mutating func seal(_ plain: [UInt8]) throws(MixnetFailure) -> [UInt8] {
        let sealed = try cipher?.seal(plain, with: transcript) ?? plain
        mix(hash: sealed)
        return sealed
    }

    mutating func open(_ sealed: [UInt8]) throws(MixnetFailure) -> [UInt8] {
        guard cipher != nil else {
            mix(hash: sealed)
            return sealed
        }
        guard let plain = try cipher?.open(sealed, with: transcript) else {
            throw MixnetFailure("bad_handshake", "a message of a link's handshake was made with other keys")
        }
        mix(hash: sealed)
        return plain
    }

    func split() -> (first: [UInt8], second: [UInt8]) {
        let (first, second) = hash.chain(chain, [])
        return (Array(first.prefix(32)), Array(second.prefix(32)))
    }
}
