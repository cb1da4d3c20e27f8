package import FogAPI
internal import FogCore
internal import Synchronization

/// Fetches planned files into a folder, several at a time, going on where an earlier run stopped.
package struct Downloader: Sendable {
    package static let chunkBytes = 4 << 20
    package static let parallel = 4

    package struct Result: Hashable, Sendable {
        package var fetched = 0
        /// Files that lay there already with this content.
        package var present = 0
        /// That came over the wire.
        package var bytes: Int64 = 0

        package init(fetched: Int = 0, present: Int = 0, bytes: Int64 = 0) {
            (self.fetched, self.present, self.bytes) = (fetched, present, bytes)
        }
    }

    private let client: FogClient
    private let patience: Patience
    private let onProgress: @Sendable (_ done: Int64, _ total: Int64) -> Void

    package init(
        client: FogClient, patience: Patience = Patience(),
        onProgress: @escaping @Sendable (_ done: Int64, _ total: Int64) -> Void = { _, _ in }
    ) {
        self.client = client
        self.patience = patience
        self.onProgress = onProgress
    }

    /// - Throws: ``Problem``, ``CarrierFailure``, `unwritable`, `bad_content`, `busy`.
    package func fetch(_ plan: OutputPlan, into path: String) async throws -> Result {
        let folder = try OutputFolder(path)
        let total = plan.bytes
        let tally = Mutex((result: Result(), done: Int64(0)))
        @Sendable func count(_ change: (inout Result) -> Void, done bytes: Int64) {
            let done = tally.withLock { tally in
                change(&tally.result)
                tally.done += bytes
                return tally.done
            }
            onProgress(done, total)
        }
        try await forEach(plan.files, atMost: Self.parallel) { file in
            if try folder.has(file) { return count({ $0.present += 1 }, done: file.size) }
            try await fetch(file, into: folder) { received, isNew in
                count({ $0.bytes += isNew ? received : 0 }, done: received)
            }
            count({ $0.fetched += 1 }, done: 0)
        }
        return tally.withLock { $0.result }
    }

    private func fetch(
        _ file: PlannedFile, into folder: OutputFolder, _ count: @Sendable (_ bytes: Int64, _ isNew: Bool) -> Void
    ) async throws {
        let (client, patience) = (client, patience)
        var partial = try folder.begin(file)
        count(partial.size, false)
        while partial.size < file.size {
            let (offset, length) = (partial.size, Int(min(Int64(Self.chunkBytes), file.size - partial.size)))
            let piece = try await patience { try await client.download(file.digest, offset: offset, length: length) }
            guard !piece.isEmpty, piece.count <= length else {
                throw CommandLineFailure(
                    "bad_content", "\(file.path) ended after \(offset) of \(file.size) bytes", status: .tryAgain)
            }
            try partial.append(piece)
            count(Int64(piece.count), true)
        }
        try partial.finish()
    }
}
