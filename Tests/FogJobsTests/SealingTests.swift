import FogCore
import FogJobs
import Testing

@Suite("What is sealed opens only where it belongs")
struct SealingTests {
    private let seal = JobSeal.generate()
    private let place = SealedPlace(step: 0, element: 3)
    private static let now = Timestamp(seconds: 1_800_000_000)

    /// A machine, as it says of itself.
    private struct Machine {
        let key = SigningKey.generate()
        let receiver = ReceivingKey.generate()

        func statement(to coordinator: PublicKey) -> CandidateStatement {
            CandidateStatement(
                machine: key.publicKey, coordinator: coordinator, receiver: receiver.publicBytes, capability: .cpu,
                region: "eu", at: SealingTests.now)
        }
    }

    // MARK: Keys

    @Test("A job's key opens for the machine it was sealed to, for its job and its bundle, through its coordinator")
    func wrap() throws {
        let machine = Machine(), other = Machine()
        let coordinator = SigningKey.generate().publicKey, stranger = SigningKey.generate().publicKey
        let bundle = Digest.blake2b([1])
        let box = try seal.wrapped(to: machine.statement(to: coordinator), bundle: bundle)
        #expect(box.bytes.count == KeyWrap.byteCount)
        func open(
            _ box: Base64Bytes, of id: SealID? = nil, bundle: Digest = bundle, with receiver: ReceivingKey? = nil,
            machine key: PublicKey? = nil, through other: PublicKey? = nil
        ) throws -> JobSeal {
            try JobSeal(
                unwrapping: box, of: id ?? seal.id, bundle: bundle, with: receiver ?? machine.receiver,
                machine: key ?? machine.key.publicKey, coordinator: other ?? coordinator)
        }
        #expect(try open(box) == seal)
        let wrong: [() throws -> JobSeal] = [
            { try open(box, of: .random()) }, { try open(box, bundle: .blake2b([2])) },
            { try open(box, with: other.receiver) }, { try open(box, machine: other.key.publicKey) },
            { try open(box, through: stranger) }, { try open(Base64Bytes(Array(box.bytes.dropLast()))) },
        ]
        for attempt in wrong { #expect(Self.code { _ = try attempt() } == "bad_wrap") }
        for at in [0, 31, 32, 63, 64, 79] {
            var bytes = box.bytes
            bytes[at] ^= 1
            #expect(Self.code { _ = try open(Base64Bytes(bytes)) } == "bad_wrap", "byte \(at)")
        }
        // The same key twice is different bytes: nobody sees that two boxes hold the same.
        #expect(try seal.wrapped(to: machine.statement(to: coordinator), bundle: bundle) != box)
    }

    @Test("A receiver that is a point of small order is refused")
    func smallOrder() {
        #expect(
            Self.code { _ = try KeyWrap.wrap(seal.key, to: [UInt8](repeating: 0, count: 32), binding: []) }
                == "bad_key")
    }

    @Test("A machine's statement holds while it is signed by its key, good, and for this coordinator")
    func statement() throws {
        let machine = Machine()
        let coordinator = SigningKey.generate().publicKey
        let made = machine.statement(to: coordinator)
        let signed = made.signed(with: machine.key)
        let read = try CandidateStatement(signed: signed)
        #expect(read == made)
        #expect(read.mistake(at: Self.now, coordinator: coordinator) == nil)
        #expect(read.mistake(at: Self.now, coordinator: machine.key.publicKey) != nil)
        #expect(read.mistake(at: Self.now + CandidateStatement.validity, coordinator: coordinator) != nil)
        #expect(read.mistake(at: Self.now - .hours(1), coordinator: coordinator) != nil)
        #expect(Self.code { _ = try CandidateStatement(signed: made.signed(with: .generate())) } == "bad_statement")
        for at in stride(from: 0, to: signed.bytes.count, by: 7) {
            var bytes = signed.bytes
            bytes[at] ^= 1
            #expect(Self.code { _ = try CandidateStatement(signed: Base64Bytes(bytes)) } != nil, "byte \(at)")
        }
    }

    // MARK: Content

    @Test(
        "Content of any size comes back, and its sealed size tells only the bucket",
        arguments: [0, 1, 4000, 70_000, 1_100_000])
    func archive(size: Int) throws {
        let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let sealed = ArchiveWriter.seal(seal, .bundle, head: .object(["n": .integer(Int64(size))]), contents: [content])
        let (head, contents) = try ArchiveReader.open(sealed, seal, .bundle) { _ in [Int64(size)] }
        #expect(head["n"]?.integer == Int64(size))
        #expect(contents == [content])
        let plain = Int64(sealed.count - SealedPieces.headBytes)
        let pieces = (plain + 65_551) / 65_552
        let bucket = plain - pieces * Int64(SealedPieces.tagBytes)
        #expect(SizeBucket.holding(bucket) == bucket)
        #expect(bucket >= Int64(size))
    }

    @Test("What was changed, cut off, put together anew, or is another's does not open")
    func tamper() throws {
        let content = [UInt8](repeating: 7, count: 200_000)
        let sealed = ArchiveWriter.seal(seal, .result(place), head: .object(["a": .integer(1)]), contents: [content])
        func code(_ bytes: [UInt8], _ key: JobSeal, _ part: JobSeal.Part) -> String? {
            Self.code { _ = try ArchiveReader.open(bytes, key, part) { _ in [200_000] } }
        }
        #expect(code(sealed, seal, .result(place)) == nil)
        let piece = SealedPieces.pieceBytes + SealedPieces.tagBytes, head = SealedPieces.headBytes
        for at in [0, 8, 39, 40, head + piece - 1, head + piece, sealed.count - 1] {
            var bytes = sealed
            bytes[at] ^= 1
            #expect(code(bytes, seal, .result(place)) == "bad_seal", "byte \(at)")
        }
        let first = sealed[head..<head + piece], second = sealed[head + piece..<head + 2 * piece]
        let moved = Array(sealed[..<head] + second + first + sealed[(head + 2 * piece)...])
        let short = Array(sealed.dropLast(sealed.count - head - 3 * piece))
        let left = Array(sealed[..<head] + first + sealed[(head + 2 * piece)...])
        let twice = Array(sealed[..<head] + first + first + sealed[(head + 2 * piece)...])
        for bytes in [moved, short, left, twice, Array(sealed.dropLast())] {
            #expect(code(bytes, seal, .result(place)) == "bad_seal")
        }
        // Another job, also under the same key; another task; another part.
        let sameKey = JobSeal(id: .random(), key: seal.key), sameID = JobSeal(id: seal.id, key: .generate())
        #expect(code(sealed, sameKey, .result(place)) == "bad_seal")
        #expect(code(sealed, sameID, .result(place)) == "bad_seal")
        for part: JobSeal.Part in [
            .result(SealedPlace(step: 0, element: 4)), .result(SealedPlace(step: 1, element: 3)), .checkpoint(place),
            .log(place, token: 1), .bundle,
        ] {
            #expect(code(sealed, seal, part) == "bad_seal", "\(part)")
        }
    }

    @Test("A log opens for its own attempt, and holds the ends of what failed")
    func log() throws {
        let long = [UInt8](repeating: 65, count: 100_000) + Array("why".utf8)
        let log = SealedLog(stdout: [1, 2], stderr: long, detail: "killed", failed: true)
        let bytes = log.sealed(seal, at: place, token: 2)
        // A stranger's unpaid log is handed on up to 64 KiB, and one that is cut off would not open.
        #expect(bytes.count <= 64 << 10)
        let read = try SealedLog(opening: bytes, seal, at: place, token: 2)
        #expect(read.stdout == [1, 2] && read.stderr.suffix(3) == Array("why".utf8) && read.detail == "killed")
        #expect(Self.code { _ = try SealedLog(opening: bytes, seal, at: place, token: 1) } == "bad_seal")
    }

    // MARK: What is compared

    @Test("Equal results have equal tags for one task of one job, and nobody else's are equal")
    func tags() {
        let files = [OutputFile(name: "out", size: 1, executable: false, digest: .blake2b([1]))]
        let others = [OutputFile(name: "out", size: 1, executable: false, digest: .blake2b([2]))]
        let tag = seal.tag(of: files, at: place)
        #expect(seal.tag(of: files, at: place) == tag)
        #expect(seal.tag(of: others, at: place) != tag)
        #expect(seal.tag(of: files, at: SealedPlace(step: 0, element: 4)) != tag)
        #expect(JobSeal.generate().tag(of: files, at: place) != tag)
        #expect(manifestDigest(files) != tag)
    }

    private static func code(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch { return (error as? any CodedFailure)?.code ?? "\(error)" }
    }
}
