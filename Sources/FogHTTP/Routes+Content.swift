internal import FogAPI
internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import FogNet
internal import FogStore

extension Routes {
    /// Blobs and logs.
    static let contentRoutes: [(String, Handler)] = [
        (
            "POST /v1/blobs/missing",
            { routes, asked, _ in
                let body = try Wire.decode(DigestListBody.self, from: asked.request.body)
                guard body.digests.count <= DigestListBody.limit else {
                    throw Problem(
                        413, "too_large", "at most \(DigestListBody.limit) digests at once, found \(body.digests.count)"
                    )
                }
                return try .json(
                    DigestListBody(digests: try await routes.coordinator.missing(body.digests, for: asked.principal)))
            }
        ),
        (
            "PUT /v1/blobs/{digest}",
            { routes, asked, parameters in
                let digest = try Digest(parameters["digest"])
                let total = try parameters.byteCount("total")
                guard let total else {
                    throw Problem(400, "bad_query", "`total`, the blob's size in bytes, is missing")
                }
                let offset = try parameters.byteCount("offset") ?? 0
                let (received, isComplete) = try await routes.coordinator.upload(
                    digest, total: total, offset: offset, bytes: asked.request.body, by: asked.principal)
                return try .json(UploadBody(received: received, complete: isComplete))
            }
        ),
        (
            "GET /v1/blobs/{digest}",
            { routes, asked, parameters in
                let digest = try Digest(parameters["digest"])
                let offset = try parameters.byteCount("offset") ?? 0
                let length = min(try parameters.integer("length") ?? BlobFiles.readLimit, BlobFiles.readLimit)
                return .bytes(
                    try await routes.coordinator.download(digest, offset: offset, length: length, by: asked.principal))
            }
        ),
        (
            "GET /v1/jobs/{job}/logs",
            { routes, asked, parameters in
                let job = try await routes.coordinator.find(parameters["job"], for: asked.principal, asking: .readJobs)
                let task = try parameters.value("task", wanted: "a task's number") { UInt32($0) } ?? 0
                let stream = try parameters.value("stream", wanted: "stdout or stderr") { LogStream(rawValue: $0) }
                let (bytes, size, isComplete, withheld) = try await routes.coordinator.log(
                    of: job.id, task: task,
                    token: try parameters.value("token", wanted: "an attempt's token") { UInt32($0) },
                    stream: stream ?? .stdout,
                    offset: try parameters.byteCount("offset") ?? 0,
                    length: min(try parameters.integer("limit") ?? 1 << 20, 4 << 20), wait: try Routes.wait(parameters),
                    for: asked.principal)
                var response = CarrierResponse.bytes(bytes)
                response.headers["fog-log-size"] = String(size)
                response.headers["fog-log-complete"] = isComplete ? "true" : "false"
                if withheld > 0 { response.headers["fog-log-withheld"] = String(withheld) }
                return response
            }
        ),
    ]

    /// What a worker says.
    static let workerRoutes: [(String, Handler)] = [
        (
            "POST /v1/worker/hello",
            { routes, asked, _ in
                var body = try Wire.decode(WorkerHello.self, from: asked.request.body)
                try WorkerBounds.check(body)
                body.report.protocolVersion = try ProtocolVersion.of(asked.request)
                return try .json(
                    try await routes.coordinator.hello(
                        body, from: asked.principal.key.id, origin: asked.request.origin.flatMap { NetworkAddress($0) })
                )
            }
        ),
        (
            "POST /v1/worker/poll",
            { routes, asked, _ in
                let body = try Wire.decode(PollRequest.self, from: asked.request.body)
                try WorkerBounds.check(body.allowance)
                return try routes.answer(
                    try await routes.coordinator.poll(body, from: asked.principal.key.id), to: asked)
            }
        ),
        (
            "POST /v1/worker/heartbeat",
            { routes, asked, _ in
                let body = try Wire.decode(Heartbeat.self, from: asked.request.body)
                try WorkerBounds.check(body.allowance)
                return try .json(await routes.coordinator.heartbeat(body, from: asked.principal.key.id))
            }
        ),
        (
            "POST /v1/worker/complete",
            { routes, asked, _ in
                let body = try Wire.decode(CompletionRequest.self, from: asked.request.body)
                return try .json(try await routes.complete(body, asked))
            }
        ),
        (
            "POST /v1/worker/checkpoint",
            { routes, asked, _ in
                let body = try Wire.decode(CheckpointReport.self, from: asked.request.body)
                if let mistake = WorkerBounds.mistake(in: body.files) { throw Problem(400, "bad_report", mistake) }
                if let missing = try await routes.missing(body.files, of: body.attempt, asked) {
                    throw Problem(400, "missing_blob", missing)
                }
                guard try await routes.coordinator.checkpoint(body, from: asked.principal.key.id) else {
                    throw Problem(409, "stale_lease", "the lease is not yours any more")
                }
                return try .json(EmptyBody())
            }
        ),
        (
            "POST /v1/worker/logs",
            { routes, asked, parameters in
                let attempt = try parameters.value("attempt", wanted: "an attempt's id") { try? AttemptID($0) }
                let stream = try parameters.value("stream", wanted: "stdout or stderr") { LogStream(rawValue: $0) }
                guard let attempt, let stream else {
                    throw Problem(400, "bad_query", "`attempt` and `stream` are needed")
                }
                let offset = try parameters.byteCount("offset") ?? 0
                let size = try await routes.coordinator.appendLog(
                    attempt, stream: stream, offset: offset, bytes: asked.request.body, from: asked.principal.key.id)
                return try .json(UploadBody(received: size, complete: false))
            }
        ),
    ]
}
