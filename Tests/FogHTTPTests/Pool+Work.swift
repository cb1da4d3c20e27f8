import FogAPI
import FogCore
import FogJobs
import FogNet
import Testing

/// A worker's side of the pool, played by hand.
extension Pool {
    /// Says hello and polls until so many leases are there.
    func leases(_ count: Int, by worker: String = "worker") async throws -> [Lease] {
        let hello = try await ask("POST", "/v1/worker/hello", by: worker, body: RouteTable.hello(.open))
        try #require(hello.status == 200, "\(String(decoding: hello.body, as: UTF8.self))")
        return try await poll(count, by: worker)
    }

    /// Polls until so many leases are there.
    func poll(_ count: Int, by worker: String) async throws -> [Lease] {
        var leases: [Lease] = []
        for _ in 0..<6 where leases.count < count {
            let want = PollRequest(
                allowance: RouteTable.allowance(.open), want: count - leases.count, wait: .seconds(10))
            let answer = try await ask("POST", "/v1/worker/poll", by: worker, body: Wire.encode(want))
            try #require(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
            leases += try Wire.decode(PollAnswer.self, from: answer.body).leases
        }
        try #require(leases.count == count, "\(worker) got \(leases.count) of \(count) leases in a minute")
        return leases
    }

    /// What a worker reports of a lease that ended well.
    func report(
        _ lease: Lease, outputs: [OutputFile] = [], contents: [[UInt8]?] = [], checkpoint: [OutputFile]? = nil,
        stdoutSize: Int64 = 0, by worker: String = "worker"
    ) throws -> AttemptReport {
        let node = try person(worker).key
        let receipt = Receipt(
            coordinator: key.publicKey, attempt: lease.attempt, node: node.publicKey, profileDigest: .zero,
            missingIsolation: [], inputDigest: lease.inputDigest, outputDigest: manifestDigest(outputs),
            stdoutDigest: .zero, stderrDigest: .zero, exitCode: 0, signal: nil, outcome: .success,
            usage: Usage(cpuNanoseconds: 1, wallNanoseconds: 1, peakBytes: 1, source: .cgroupV1),
            priceBound: lease.priceBound)
        return AttemptReport(
            receipt: SignedReceipt(receipt, signedWith: node), outputs: outputs,
            contents: contents.map { $0.map(Base64Bytes.init) }, stdout: nil, stderr: nil, stdoutSize: stdoutSize,
            stderrSize: 0, detail: nil, checkpoint: checkpoint)
    }

    func complete(_ reports: [AttemptReport], by worker: String = "worker") async throws -> [CompletionVerdict] {
        let body = try Wire.encode(CompletionRequest(reports: reports))
        let answer = try await ask("POST", "/v1/worker/complete", by: worker, body: body)
        try #require(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
        return try Wire.decode(CompletionAnswer.self, from: answer.body).verdicts
    }

    func upload(_ content: [UInt8], by person: String) async throws -> Digest {
        let digest = Digest.blake2b(content)
        let answer = try await ask("PUT", "/v1/blobs/\(digest)?total=\(content.count)", by: person, body: content)
        try #require(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
        return digest
    }

    func ask(
        _ method: String, _ target: String, as key: SigningKey, body: [UInt8] = []
    ) async throws -> CarrierResponse {
        let signer = RequestSigner(key: key, coordinator: self.key.publicKey.id)
        return try await send(
            signer.sign(CarrierRequest(method: method, target: target, body: body), at: SystemClock().now))
    }

    func submit(as key: SigningKey) async throws -> JobID {
        let answer = try await ask("POST", "/v1/jobs", as: key, body: Self.document())
        try #require(answer.status == 201, "\(String(decoding: answer.body, as: UTF8.self))")
        return try Wire.decode(JobBody.self, from: answer.body).id
    }

    func job(_ id: JobID, by person: String = "ada") async throws -> JobBody {
        try Wire.decode(JobBody.self, from: try await ask("GET", "/v1/jobs/\(id)", by: person).body)
    }
}

extension OutputFile {
    /// A file that holds this.
    init(_ name: String, _ content: [UInt8]) {
        self.init(name: name, size: Int64(content.count), executable: false, digest: .blake2b(content))
    }
}
