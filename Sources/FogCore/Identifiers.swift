/// 128 bits: 48 of time in milliseconds, 80 of chance.
///
/// The bytes are ordered by time, so an index over them stays local. The text shows the random part first, so that the
/// first eight characters already tell two ids of the same second apart: people and scripts name things by a prefix.
package struct Identifier<Subject>: Hashable, Sendable, Comparable, CustomStringConvertible, Codable {
    package let high: UInt64
    package let low: UInt64

    /// Characters of the whole text form.
    package static var textLength: Int { 26 }

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A new id at a time, with chance from the generator.
    package init(at time: Timestamp, using generator: inout some RandomNumberGenerator) {
        let milliseconds = UInt64(max(0, time.microseconds / 1000)) & 0xffff_ffff_ffff
        high = milliseconds << 16 | (generator.next() as UInt64) & 0xffff
        low = generator.next()
    }

    /// An id derived from what it names, so that a repeated request finds the same one. `time` keeps the order.
    package init(at time: Timestamp, derivedFrom parts: [UInt8]) {
        let digest = Digest.blake2b(parts).bytes
        let milliseconds = UInt64(max(0, time.microseconds / 1000)) & 0xffff_ffff_ffff
        high = milliseconds << 16 | UInt64(digest[0]) << 8 | UInt64(digest[1])
        low = digest[2..<10].reduce(0) { $0 << 8 | UInt64($1) }
    }

    package init(bytes: some Collection<UInt8>) throws(CoreFailure) {
        guard bytes.count == 16 else { throw CoreFailure("bad_id", "an id has 16 bytes, found \(bytes.count)") }
        high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        low = bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// - Throws: `bad_id` unless the text is 26 characters of base32.
    package init(_ text: some StringProtocol) throws(CoreFailure) {
        guard text.utf8.count == Self.textLength, let raw = Base32.decode(text), raw.count == 16 else {
            throw CoreFailure("bad_id", "an id is 26 base32 characters, found `\(text.prefix(80))`")
        }
        try self.init(bytes: Array(raw[10...] + raw[..<10]))
    }

    package var bytes: [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: high >> (56 - 8 * $0)) }
            + (0..<8).map { UInt8(truncatingIfNeeded: low >> (56 - 8 * $0)) }
    }

    /// The 80 random bits, then the 48 of time.
    package var description: String {
        let raw = bytes
        return Base32.encode(Array(raw[6...] + raw[..<6]))
    }

    /// Eight characters: enough for a table.
    package var short: String { String(description.prefix(8)) }

    package static func < (first: Self, second: Self) -> Bool {
        (first.high, first.low) < (second.high, second.low)
    }

    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

package enum JobSubject {}
package enum NodeSubject {}
package enum AccountSubject {}
package enum TransferSubject {}

/// A submitted manifest.
package typealias JobID = Identifier<JobSubject>
/// A machine that was enrolled as a worker.
package typealias NodeID = Identifier<NodeSubject>
/// An account of the ledger: a person's, a job's escrow, or one of the system's.
package typealias AccountID = Identifier<AccountSubject>
/// A transfer in the ledger.
package typealias TransferID = Identifier<TransferSubject>

/// One unit of placement: a job and the task's number in it, counted over all its steps.
package struct TaskID: Hashable, Sendable, Comparable, CustomStringConvertible, Codable {
    package let job: JobID
    package let number: UInt32

    package init(job: JobID, number: UInt32) {
        self.job = job
        self.number = number
    }

    /// - Throws: `bad_id` unless the text reads `<job>.<number>`.
    package init(_ text: some StringProtocol) throws(CoreFailure) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let number = UInt32(parts[1]), String(number) == parts[1] else {
            throw CoreFailure("bad_id", "a task id reads `<job>.<number>`, found `\(text.prefix(80))`")
        }
        self.init(job: try JobID(parts[0]), number: number)
    }

    package var description: String { "\(job).\(number)" }

    package static func < (first: TaskID, second: TaskID) -> Bool {
        (first.job, first.number) < (second.job, second.number)
    }

    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// One lease of one task: the task and the fencing token that was raised when the lease was granted.
package struct AttemptID: Hashable, Sendable, Comparable, CustomStringConvertible, Codable {
    package let task: TaskID
    /// Counts a task's leases from 1; a message with an older token than the task's is stale.
    package let token: UInt32

    package init(task: TaskID, token: UInt32) {
        self.task = task
        self.token = token
    }

    /// - Throws: `bad_id` unless the text reads `<job>.<number>.<token>`.
    package init(_ text: some StringProtocol) throws(CoreFailure) {
        guard let dot = text.lastIndex(of: "."), let token = UInt32(text[text.index(after: dot)...]),
            String(token) == text[text.index(after: dot)...]
        else {
            throw CoreFailure("bad_id", "an attempt id reads `<job>.<number>.<token>`, found `\(text.prefix(80))`")
        }
        self.init(task: try TaskID(text[..<dot]), token: token)
    }

    package var description: String { "\(task).\(token)" }

    /// 24 bytes: the job's 16, the task's number and the token, big-endian.
    package var bytes: [UInt8] {
        task.job.bytes
            + [task.number, token].flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) } }
    }

    package static func < (first: AttemptID, second: AttemptID) -> Bool {
        (first.task, first.token) < (second.task, second.token)
    }

    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
