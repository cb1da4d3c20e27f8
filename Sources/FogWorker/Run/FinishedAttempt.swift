import FogCore
import FogJobs

/// An attempt that ended, with all that has to reach the coordinator.
struct FinishedAttempt: Sendable {
    /// Content that must be there before the report is sent.
    struct Upload: Hashable, Sendable, Codable {
        var digest: Digest
        var size: Int64
        /// In the attempt's spool folder.
        var name: String
    }

    /// The part of a log that was not streamed while the task ran; the file in the spool folder has the stream's name.
    struct LogTail: Hashable, Sendable {
        var stream: String
        /// Where the coordinator's copy ends, as far as is known.
        var offset: Int64
        var size: Int64
        /// Nil = in the spool folder.
        var bytes: [UInt8]?
    }

    let attempt: AttemptID
    var report: AttemptReport
    var uploads: [Upload] = []
    var logs: [LogTail] = []
    /// The spool folder; nil = the report holds everything.
    var folder: String?
    /// Processor time that it took here; of a result read back from disk none, as it was counted before.
    var cpuNanoseconds: Int64 = 0
    /// Written to disk whole, so that it outlives the process.
    var isDurable = false

    var needsUpload: Bool { !uploads.isEmpty || !logs.isEmpty }

    /// Bytes that it holds on disk.
    var storedBytes: Int64 { uploads.reduce(0) { $0 + $1.size } + logs.reduce(0) { $0 + $1.size } }
}
