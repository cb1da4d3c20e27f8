internal import FogAPI
package import FogCoordinator
package import FogCore
internal import FogJobs
package import FogNet
internal import FogStore
package import Logging

/// The coordinator's router: every door, HTTP or another carrier, leads here.
package struct Routes: CarrierEndpoint {
    typealias Handler = @Sendable (Routes, AuthenticatedRequest, RouteParameters) async throws -> CarrierResponse
    typealias OpenHandler = @Sendable (Routes, CarrierRequest) async throws -> CarrierResponse

    let coordinator: Coordinator
    let authentication: Authentication
    let metrics: CoordinatorMetrics
    let clock: any FogClock
    let logger: Logger
    let joining: Joining
    let name: String
    let version: String
    /// What a program runs that is too old, or too new, where nothing is handed out to install.
    let upgradeCommand: String
    /// Packages for newcomers; nil = none are served.
    let installFiles: InstallFiles?

    /// What strangers may ask; ``answerOpen(_:)`` answers it.
    static let openRoutes = [
        "GET /healthz", "GET /readyz", "GET /metrics", "GET /openapi.json", "GET /v1/info", "POST /v1/join",
        "GET /install", "GET /install.sh", "GET /install/{package}", "GET /log/checkpoint",
        "GET /log/cosigned",
        "GET /log/tile/{level}/{number}", "GET /log/tile/{level}/{number}/{width}",
    ].map(RoutePattern.init)

    static let routes: [(pattern: RoutePattern, handler: Handler)] =
        (jobRoutes + placementRoutes + contentRoutes + workerRoutes + linkRoutes + otherRoutes + enrolmentRoutes
        + privateRoutes + usageRoutes + operatorRoutes + economyRoutes + marketRoutes).map {
            (RoutePattern($0.0), $0.1)
        }

    /// All of them; a path that is written out comes before one with parameters that it would fit as well, and answers
    /// for all its methods. An open route has no handler.
    private static let table: [(pattern: RoutePattern, handler: Handler?)] =
        (openRoutes.map { ($0, nil) } + routes.map { ($0.pattern, $0.handler) })
        .sorted { $0.0.parameterCount < $1.0.parameterCount }

    /// In a checkout of the coordinator's version.
    package static let upgradeCommand = "git pull && Scripts/build --release"

    package init(
        coordinator: Coordinator, authentication: Authentication, joining: Joining, name: String, version: String,
        upgradeCommand: String = Self.upgradeCommand, installFiles: InstallFiles? = nil, clock: any FogClock,
        logger: Logger
    ) {
        self.coordinator = coordinator
        self.authentication = authentication
        self.joining = joining
        self.name = name
        self.version = version
        self.upgradeCommand = upgradeCommand
        self.installFiles = installFiles
        self.clock = clock
        self.logger = logger
        metrics = CoordinatorMetrics()
    }

    package func handle(_ request: CarrierRequest) async -> CarrierResponse {
        let start = clock.sinceBoot
        let (response, route) = await route(request)
        metrics.count(route: route, status: response.status, took: clock.sinceBoot - start)
        return response
    }

    private func route(_ request: CarrierRequest) async -> (CarrierResponse, String) {
        let path = RoutePattern.segments(of: request.path)
        if let answer = InstallFiles.answer(request, of: installFiles, url: joining.url()) {
            return (answer, "/install")
        }
        if let answer = await answerLog(request) { return (answer, "/log") }
        if let refusal = tooOldOrNew(request) { return (refusal, "426") }
        if let open = await answerOpen(request) { return (open, request.path) }
        var allowed: [String] = []
        var found: String?
        for (pattern, handler) in Self.table where found == nil || found == pattern.text {
            guard let parameters = pattern.match(path) else { continue }
            found = pattern.text
            guard let handler, pattern.method == request.method else {
                allowed.append(pattern.method)
                continue
            }
            let response = await authentication.answer(
                request, linked: WorkerRoutes.linked.contains(pattern.text)
            ) { authenticated throws(Problem) in
                try Self.check(authenticated.principal, at: pattern)
                let parameters = try RouteParameters(
                    path: parameters, query: request.query, known: pattern.query)
                return try await self.run(handler, authenticated, parameters)
            }
            return (response, pattern.text)
        }
        guard allowed.isEmpty else {
            var response = Problem(405, "method_not_allowed", "this path takes \(allowed.joined(separator: ", "))")
                .response
            response.headers["allow"] = allowed.joined(separator: ", ")
            return (response, "405")
        }
        return (Problem(404, "no_such_path", "there is no `\(request.path.prefix(120))`").response, "404")
    }

    /// What needs no signature.
    private func answerOpen(_ request: CarrierRequest) async -> CarrierResponse? {
        switch (request.method, request.path) {
        case ("GET", "/healthz"): return .text("ok\n")
        case ("GET", "/readyz"):
            return await coordinator.isReady
                ? .text("ready\n") : .text("the store does not take commits\n", status: 503)
        case ("GET", "/metrics"):
            let page = metrics.page(await coordinator.figures())
            return CarrierResponse(
                status: 200, headers: ["content-type": MetricsRegistry.contentType], body: Array(page.utf8))
        case ("GET", "/openapi.json"):
            return CarrierResponse(
                status: 200, headers: ["content-type": "application/json"], body: Array(OpenAPI.text.utf8))
        case ("GET", "/v1/info"):
            let info = InfoBody(name: name, version: version, coordinator: coordinator.key, time: clock.now)
            return (try? .json(info)) ?? Problem.unexpected.response
        case ("POST", "/v1/join"): return await join(request)
        default: return nil
        }
    }

    /// Looked at before anything else of a request: what an unknown version means is not known either. What a program
    /// needs to find out whom it speaks to is told to all.
    private func tooOldOrNew(_ request: CarrierRequest) -> CarrierResponse? {
        guard request.path.hasPrefix("/v1/"), request.path != "/v1/info" else { return nil }
        do throws(Problem) {
            let command = installFiles == nil ? upgradeCommand : "curl -fsS \(joining.url())/install.sh | sh"
            try ProtocolVersion.check(request, software: version, command: command)
            return nil
        } catch {
            var response = error.response
            // RFC 9110 section 15.5.22 wants it said.
            if error.status == 426 { response.headers["upgrade"] = "fog/\(ProtocolVersion.current)" }
            return response
        }
    }

    private func run(
        _ handler: Handler, _ request: AuthenticatedRequest, _ parameters: RouteParameters
    ) async throws(Problem) -> CarrierResponse {
        do {
            return try await handler(self, request, parameters)
        } catch {
            throw problem(for: error, path: request.request.path)
        }
    }

    /// What the asker is told of a failure of any module; what it should not be told is in the log.
    func problem(for error: any Error, path: String) -> Problem {
        switch error {
        case let problem as Problem: return problem
        case let failure as CoordinatorFailure: return Self.problem(for: failure)
        case let failure as StoreFailure:
            if let problem = Self.problem(forContent: failure) { return problem }
            logger.error("the store failed", metadata: ["code": "\(failure.code)", "message": "\(failure.message)"])
            let detail = "the coordinator's storage failed (\(failure.code)); its log says why"
            return Problem(503, failure.code, detail, retryAfterSeconds: 2)
        case let failure as any CodedFailure: return Problem(400, failure.code, failure.message)
        case is CancellationError: return Problem(499, "cancelled", "the asker left")
        default:
            logger.error("a request failed", metadata: ["path": "\(path)", "error": "\(error)"])
            return .unexpected
        }
    }

    /// A mistake of the sender that the files beside the database found; nil when the storage itself failed.
    private static func problem(forContent failure: StoreFailure) -> Problem? {
        let status: Int
        switch failure.code {
        case "wrong_offset", "wrong_size", "busy": status = 409
        case "bad_digest", "bad_name": status = 400
        case "too_large": status = 413
        case "not_found": return problem(for: .notFound)
        default: return nil
        }
        // Where the coordinator keeps its files is nobody else's business.
        let parts = failure.message.split(separator: ": ", maxSplits: 1)
        let detail = parts.count == 2 && parts[0].contains("/") ? String(parts[1]) : failure.message
        return Problem(status, failure.code, detail)
    }

    static func problem(for failure: CoordinatorFailure) -> Problem {
        let status =
            switch failure.code {
            case "not_found": 404
            case "forbidden": 403
            case "conflict", "idempotency_conflict", "stale_lease", "unknown_worker", "ambiguous", "not_private": 409
            case "quota": 429
            case "disk_low": 503
            case "too_large": 413
            case "bad_manifest": 422
            default: 400
            }
        var problem = Problem(status, failure.code, failure.message)
        problem.retryAfterSeconds = failure.retryAfterSeconds ?? (status == 429 ? 60 : nil)
        problem.errors = failure.details.map { Problem.Detail(pointer: "", detail: $0) }
        return problem
    }

    private func join(_ request: CarrierRequest) async -> CarrierResponse {
        do {
            let body = try Wire.decode(JoinBody.self, from: request.body)
            let signed = try authentication.verify(request, by: body.key)
            // From here on the newcomer has proved its key, and is answered as everybody is.
            do {
                let joined = try await joining.join(body, signed, on: coordinator)
                let answer = try CarrierResponse.json(joined, status: joined.state == .pending ? 202 : 201)
                return authentication.signed(answer, toNewcomer: request)
            } catch {
                return authentication.signed(
                    problem(for: error, path: request.path).response, toNewcomer: request)
            }
        } catch {
            return problem(for: error, path: request.path).response
        }
    }
}

extension CarrierResponse {
    static func json(_ body: some Encodable, status: Int = 200) throws -> CarrierResponse {
        CarrierResponse(status: status, headers: ["content-type": "application/json"], body: try Wire.encode(body))
    }

    static func text(_ text: String, status: Int = 200) -> CarrierResponse {
        CarrierResponse(status: status, headers: ["content-type": "text/plain; charset=utf-8"], body: Array(text.utf8))
    }

    static func bytes(_ bytes: [UInt8]) -> CarrierResponse {
        CarrierResponse(status: 200, headers: ["content-type": "application/octet-stream"], body: bytes)
    }
}
