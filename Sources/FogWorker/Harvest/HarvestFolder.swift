import FogAPI
import FogCore
import Glibc

/// What outlives the worker's process: its cooldown, what its owner said, what happened and what was given.
package struct HarvestFolder: Sendable {
    /// What a restart must not forget.
    struct Kept: Hashable, Sendable, Codable {
        var cooldown: HarvestCooldown?
        var controls = HarvestControls()
    }

    /// Of one file of events; the one before it is kept too.
    static let maxEventBytes: Int64 = 512 << 10
    private static let maxBytes = 1 << 20

    private let path: String
    private var keptPath: String { path + "/harvest.json" }
    private var bookPath: String { path + "/contributions.json" }
    private var eventsPath: String { path + "/harvest-events.jsonl" }

    /// - Parameter path: the worker's state folder, which is there.
    package init(_ path: String) { self.path = path }

    // MARK: Cooldown and controls

    /// Nothing when there is none, or when it cannot be read: then it was cut off, and what is written next replaces it.
    func kept() -> Kept { read(keptPath) ?? Kept() }

    func keep(_ kept: Kept) throws(WorkerFailure) { try write(kept, to: keptPath) }

    // MARK: Contributions

    package func book() -> ContributionBook { read(bookPath) ?? ContributionBook() }

    func keep(_ book: ContributionBook) throws(WorkerFailure) { try write(book, to: bookPath) }

    // MARK: Events

    func append(_ transitions: [HarvestTransition]) throws(WorkerFailure) {
        if let size = Disk.size(eventsPath), size > Self.maxEventBytes {
            guard rename(eventsPath, eventsPath + ".1") == 0 else {
                throw Disk.failure("could not be put aside", eventsPath)
            }
        }
        let file = open(eventsPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw Disk.failure("could not be opened", eventsPath) }
        defer { close(file) }
        for transition in transitions {
            guard let line = try? Wire.encode(transition) else { continue }
            try Disk.write((line + [UInt8(ascii: "\n")])[...], to: file, path: eventsPath)
        }
    }

    /// The newest events, oldest first. Lines that a crash cut off are left out.
    package func events(limit: Int) -> [HarvestTransition] {
        let texts = [eventsPath + ".1", eventsPath].map { Disk.read($0, limit: Self.maxBytes) ?? [] }
        return texts.joined().split(separator: UInt8(ascii: "\n")).suffix(limit).compactMap {
            try? Wire.decode(HarvestTransition.self, from: Array($0))
        }
    }

    // MARK: Files

    private func read<Value: Decodable>(_ path: String) -> Value? {
        Disk.read(path, limit: Self.maxBytes).flatMap { try? Wire.decode(Value.self, from: $0) }
    }

    private func write(_ value: some Encodable, to path: String) throws(WorkerFailure) {
        guard let bytes = try? Wire.encode(value) else {
            throw WorkerFailure("disk_failed", "\(path) cannot be written: not JSON")
        }
        try Disk.writeDurably(bytes, to: path, in: self.path)
    }
}
