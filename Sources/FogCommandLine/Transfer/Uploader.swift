package import FogAPI
package import FogCore
internal import Glibc
internal import Synchronization

/// Brings the contents of a submission to the coordinator: only what it does not have from us, in chunks, resuming.
package struct Uploader: Sendable {
    /// Bytes in a request.
    package static let chunkBytes = 4 << 20
    /// Contents on the way at once.
    package static let parallel = 4
    /// Answers in a row that bring a content no further.
    private static let maxStalls = 8

    package enum Content: Sendable {
        case bytes([UInt8])
        case file(path: String, size: Int64)

        package var size: Int64 {
            switch self {
            case .bytes(let bytes): Int64(bytes.count)
            case .file(_, let size): size
            }
        }
    }

    private let client: FogClient
    private let patience: Patience
    private let onProgress: @Sendable (_ sent: Int64, _ total: Int64) -> Void

    package init(
        client: FogClient, patience: Patience = Patience(),
        onProgress: @escaping @Sendable (_ sent: Int64, _ total: Int64) -> Void = { _, _ in }
    ) {
        self.client = client
        self.patience = patience
        self.onProgress = onProgress
    }

    /// - Returns: how many contents and bytes went over the wire; what was there already, whole or in part, is not among
    ///   them.
    /// - Throws: ``Problem``, ``CarrierFailure``, `upload_stuck`, `unreadable`, `input_changed`.
    package func upload(_ contents: [Digest: Content]) async throws -> (contents: Int, bytes: Int64) {
        let (client, patience) = (client, patience)
        let all = contents.keys.sorted()
        guard !all.isEmpty else { return (0, 0) }
        let missing = try await patience { try await client.missing(all) }
        let wanted = missing.compactMap { digest in contents[digest].map { (digest, $0) } }
        let total = wanted.reduce(Int64(0)) { $0 + $1.1.size }
        let progress = Progress(total: total, report: onProgress)
        progress.add(0)
        try await forEach(wanted, atMost: Self.parallel) { digest, content in
            try await send(digest, content, progress)
        }
        return (wanted.count, progress.bytesSent)
    }

    private final class Progress: Sendable {
        private let sent = Mutex(Int64(0))
        private let wire = Mutex(Int64(0))
        private let total: Int64
        private let report: @Sendable (Int64, Int64) -> Void

        init(total: Int64, report: @escaping @Sendable (Int64, Int64) -> Void) {
            self.total = total
            self.report = report
        }

        var bytesSent: Int64 { wire.withLock { $0 } }

        func count(sent bytes: Int) { wire.withLock { $0 += Int64(bytes) } }

        func add(_ bytes: Int64) {
            let now = sent.withLock { sent in
                sent += bytes
                return sent
            }
            report(now, total)
        }
    }

    private func send(_ digest: Digest, _ content: Content, _ progress: Progress) async throws {
        let source = try Source(content)
        let (client, patience, total) = (client, patience, content.size)
        var offset: Int64 = 0
        var stalls = 0
        // A piece without bytes asks how much an earlier run brought, so that none of it goes over the wire again.
        var isAsking = total > Int64(Self.chunkBytes)
        while true {
            let count = isAsking ? 0 : Int(min(Int64(Self.chunkBytes), total - offset))
            let (at, piece) = (offset, try source.read(at: offset, count: count))
            let answer = try await patience { () async throws -> UploadBody in
                do {
                    progress.count(sent: piece.count)
                    return try await client.upload(digest, total: total, offset: at, bytes: piece)
                } catch let problem as Problem where problem.code == "wrong_offset" {
                    // A piece whose answer was lost has arrived, or an earlier run brought the first half.
                    guard let received = Self.receivedBytes(in: problem), received != at else { throw problem }
                    return UploadBody(received: received, complete: false)
                }
            }
            progress.add((answer.complete ? total : answer.received) - offset)
            guard !answer.complete else { return }
            stalls = answer.received > offset || isAsking ? 0 : stalls + 1
            isAsking = false
            guard stalls < Self.maxStalls, (0...total).contains(answer.received) else {
                throw CommandLineFailure(
                    "upload_stuck", "\(digest) stands at \(answer.received) of \(total) bytes and comes no further",
                    status: .tryAgain)
            }
            offset = answer.received
        }
    }

    /// The first number behind `has` in `upload … has 4194304 bytes; …`.
    static func receivedBytes(in problem: Problem) -> Int64? {
        let words = problem.detail.split(separator: " ")
        guard let place = words.firstIndex(of: "has"), place + 1 < words.endIndex else { return nil }
        return Int64(words[place + 1])
    }

    /// A content that can be read anywhere, any number of times.
    private final class Source: Sendable {
        private let content: Content
        private let descriptor: Int32

        init(_ content: Content) throws {
            self.content = content
            guard case .file(let path, _) = content else {
                descriptor = -1
                return
            }
            descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw CommandLineFailure("unreadable", "\(path) cannot be read: \(Disk.words())")
            }
        }

        deinit { if descriptor >= 0 { close(descriptor) } }

        func read(at offset: Int64, count: Int) throws -> [UInt8] {
            switch content {
            case .bytes(let bytes): return Array(bytes[Int(offset)..<Int(offset) + count])
            case .file(let path, _):
                var out = [UInt8](repeating: 0, count: count)
                var filled = 0
                while filled < count {
                    let got = out.withUnsafeMutableBytes { raw in
                        pread(
                            descriptor, raw.baseAddress?.advanced(by: filled), count - filled,
                            off_t(offset) + off_t(filled))
                    }
                    if got < 0, errno == EINTR { continue }
                    guard got > 0 else {
                        throw CommandLineFailure("input_changed", "\(path) became shorter while it was uploaded")
                    }
                    filled += got
                }
                return out
            }
        }
    }
}
