package import FogCore

/// Bytes that JSON carries as base64.
package struct Base64Bytes: Hashable, Sendable, Codable {
    package var bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let decoded = Base64.decode(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not base64")
        }
        bytes = decoded
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(Base64.encode(bytes))
    }
}

/// What a worker says when it starts, or when the coordinator does not know it any more.
package struct WorkerHello: Hashable, Sendable, Codable {
    package var report: NodeReport
    package var allowance: Allowance
    /// New with every start of the agent: leases of an older one that are not in `holding` are gone.
    package var incarnation: String
    /// Attempts it still runs or whose results it still has to deliver.
    package var holding: [AttemptID]

    package init(report: NodeReport, allowance: Allowance, incarnation: String, holding: [AttemptID]) {
        self.report = report
        self.allowance = allowance
        self.incarnation = incarnation
        self.holding = holding
    }
}

/// What the coordinator asks of a worker.
package struct WorkerTerms: Hashable, Sendable, Codable {
    package var node: NodeID
    package var coordinator: PublicKey
    package var heartbeatEvery: TimeSpan
    /// Attempts it holds that are not its own any more: kill them.
    package var stale: [AttemptID]

    package init(node: NodeID, coordinator: PublicKey, heartbeatEvery: TimeSpan, stale: [AttemptID]) {
        self.node = node
        self.coordinator = coordinator
        self.heartbeatEvery = heartbeatEvery
        self.stale = stale
    }
}

/// A request for work; waits at the coordinator while there is none.
package struct PollRequest: Hashable, Sendable, Codable {
    package static let wantLimit = 128

    package var allowance: Allowance
    /// How many leases it can take now, prefetch included.
    package var want: Int
    package var wait: TimeSpan

    package init(allowance: Allowance, want: Int, wait: TimeSpan) {
        self.allowance = allowance
        self.want = want
        self.wait = wait
    }
}

package struct PollAnswer: Hashable, Sendable, Codable {
    package var leases: [Lease]

    package init(leases: [Lease]) { self.leases = leases }
}

/// One message that renews all leases of a worker.
package struct Heartbeat: Hashable, Sendable, Codable {
    package struct Item: Hashable, Sendable, Codable {
        package var attempt: AttemptID
        package var state: AttemptState

        package init(attempt: AttemptID, state: AttemptState) {
            self.attempt = attempt
            self.state = state
        }
    }

    package var allowance: Allowance
    package var attempts: [Item]
    /// The answer may come so much later, unless there is an order for this worker; nil = at once.
    package var wait: TimeSpan?

    package init(allowance: Allowance, attempts: [Item], wait: TimeSpan? = nil) {
        self.allowance = allowance
        self.attempts = attempts
        self.wait = wait
    }
}

package struct HeartbeatAnswer: Hashable, Sendable, Codable {
    /// Not its own any more: kill, report nothing.
    package var stale: [AttemptID]
    /// End these and report `cancelled`.
    package var cancel: [AttemptID]
    /// End everything and report `drained`.
    package var drain: Bool
    /// The coordinator does not know this worker: say hello again.
    package var helloWanted: Bool

    /// Nothing is asked of the worker.
    package var isEmpty: Bool { stale.isEmpty && cancel.isEmpty && !drain && !helloWanted }

    package init(stale: [AttemptID] = [], cancel: [AttemptID] = [], drain: Bool = false, helloWanted: Bool = false) {
        self.stale = stale
        self.cancel = cancel
        self.drain = drain
        self.helloWanted = helloWanted
    }
}

/// The end of one attempt, as its worker tells it.
package struct AttemptReport: Hashable, Sendable, Codable {
    /// The largest log that travels inside the report; longer ones are streamed while the task runs.
    package static let inlineLogLimit = 16 << 10
    /// The most output content that travels inside the report; the rest is uploaded first.
    package static let inlineOutputLimit = 16 << 10

    /// ``SignedReceipt/bytes``.
    package var receipt: Base64Bytes
    package var outputs: [OutputFile]
    /// Content of small outputs, in the order of `outputs`; nil = uploaded before.
    package var contents: [Base64Bytes?]
    /// The whole log when it is small; nil = it was streamed.
    package var stdout: Base64Bytes?
    package var stderr: Base64Bytes?
    package var stdoutSize: Int64
    package var stderrSize: Int64
    package var detail: String?
    /// The files of FOG_CHECKPOINT_DIR, uploaded before; nil = none.
    package var checkpoint: [OutputFile]?

    package init(
        receipt: SignedReceipt, outputs: [OutputFile], contents: [Base64Bytes?], stdout: Base64Bytes?,
        stderr: Base64Bytes?, stdoutSize: Int64, stderrSize: Int64, detail: String?, checkpoint: [OutputFile]? = nil
    ) {
        self.receipt = Base64Bytes(receipt.bytes)
        self.outputs = outputs
        self.contents = contents
        self.stdout = stdout
        self.stderr = stderr
        self.stdoutSize = stdoutSize
        self.stderrSize = stderrSize
        self.detail = detail
        self.checkpoint = checkpoint
    }
}

package struct CompletionRequest: Hashable, Sendable, Codable {
    package static let limit = 128

    package var reports: [AttemptReport]

    package init(reports: [AttemptReport]) { self.reports = reports }
}

/// What became of one report.
package struct CompletionVerdict: Hashable, Sendable, Codable {
    package enum Verdict: String, Sendable, Codable, CaseIterable {
        /// Taken; the result is durable.
        case accepted
        /// It had been taken before.
        case exists
        /// The task was granted again, or ended: the report is void.
        case stale = "stale_lease"
        /// The report is wrong: signature, digests, missing content.
        case rejected
    }

    package var attempt: AttemptID?
    package var verdict: Verdict
    package var detail: String?

    package init(attempt: AttemptID?, verdict: Verdict, detail: String? = nil) {
        self.attempt = attempt
        self.verdict = verdict
        self.detail = detail
    }
}

package struct CompletionAnswer: Hashable, Sendable, Codable {
    package var verdicts: [CompletionVerdict]

    package init(verdicts: [CompletionVerdict]) { self.verdicts = verdicts }
}

/// A periodic copy of a running task's FOG_CHECKPOINT_DIR, uploaded before.
package struct CheckpointReport: Hashable, Sendable, Codable {
    package var attempt: AttemptID
    package var files: [OutputFile]

    package init(attempt: AttemptID, files: [OutputFile]) {
        self.attempt = attempt
        self.files = files
    }
}
