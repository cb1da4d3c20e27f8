import FogAPI
import FogCore
import FogJobs
import Glibc

/// Brings content and logs to the coordinator, piece by piece, going on where a former try stopped.
struct Courier: Sendable {
    static let pieceBytes = 4 << 20
    static let logPieceBytes = 1 << 20

    let client: FogClient
    let bandwidth: Bandwidth

    /// Sends what must be there before the report. What was sent is taken off the attempt's lists, so that a later try
    /// goes on.
    func send(_ finished: inout FinishedAttempt) async -> Refusal? {
        do {
            while let tail = finished.logs.first {
                try await send(tail, of: finished)
                finished.logs.removeFirst()
            }
            try await send(finished.uploads, in: finished.folder ?? "")
            finished.uploads = []
            return nil
        } catch {
            return Refusal(error)
        }
    }

    // MARK: - Logs

    private func send(_ tail: FinishedAttempt.LogTail, of finished: FinishedAttempt) async throws {
        var offset = tail.offset
        while offset < tail.size {
            let at = offset
            let piece: [UInt8]
            if let bytes = tail.bytes {
                piece = Array(bytes[Int(at)..<min(bytes.count, Int(at) + Self.logPieceBytes)])
            } else {
                piece = try await Self.read(
                    (finished.folder ?? "") + "/" + tail.stream, at: at,
                    count: Int(min(Int64(Self.logPieceBytes), tail.size - at)))
            }
            guard !piece.isEmpty else { return }
            await bandwidth.admit(piece.count)
            let received = try await client.appendLog(finished.attempt, stream: tail.stream, offset: at, bytes: piece)
            // The coordinator keeps less than was written once its own limit is reached; then there is no more to do.
            guard received > at else { return }
            offset = received
        }
    }

    // MARK: - Content

    /// Uploads what the coordinator lacks.
    func send(_ uploads: [FinishedAttempt.Upload], in folder: String) async throws {
        guard !uploads.isEmpty else { return }
        var missing = Set(try await client.missing(uploads.map(\.digest)))
        for upload in uploads where missing.remove(upload.digest) != nil {
            try await send(upload, in: folder)
        }
    }

    private func send(_ upload: FinishedAttempt.Upload, in folder: String) async throws {
        var offset: Int64 = 0
        var hasResumed = false
        while true {
            let at = offset
            let piece = try await Self.read(
                folder + "/" + upload.name, at: at,
                count: Int(min(Int64(bandwidth.piece(Self.pieceBytes)), upload.size - at)))
            await bandwidth.admit(piece.count)
            do {
                let answer = try await client.upload(upload.digest, total: upload.size, offset: at, bytes: piece)
                if answer.complete { return }
                guard answer.received > at else {
                    throw WorkerFailure("upload_stuck", "\(upload.digest) does not grow beyond \(at) bytes")
                }
                offset = answer.received
            } catch let problem as Problem where problem.code == "wrong_offset" && !hasResumed {
                // A former try got so far; the message is the only place that says how far.
                guard let size = Self.size(in: problem.message), size != at, size <= upload.size else { throw problem }
                hasResumed = true
                offset = size
            }
        }
    }

    /// Reads `upload … has 4194304 bytes; the chunk began at 0`.
    static func size(in message: String) -> Int64? {
        let words = message.split(separator: " ")
        guard let has = words.firstIndex(of: "has"), has + 1 < words.endIndex else { return nil }
        return Int64(words[has + 1])
    }

    private static func read(_ path: String, at offset: Int64, count: Int) async throws -> [UInt8] {
        try await Disk.offload { () throws(WorkerFailure) in
            let file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
            guard file >= 0 else { throw Disk.failure("could not be read", path) }
            defer { close(file) }
            return try Disk.read(file, at: offset, count: count)
        }
    }
}
