import FogAPI
import FogCoordinator
import FogCore
import FogHTTP
import FogJobs
import FogLedger
import FogNet
import FogStore
import Foundation
import Logging
import Testing

/// A coordinator with a database in a folder of its own, people of every role, and its real door on loopback.
struct Pool: Sendable {
    let port: Int
    let server: HTTPServer
    let coordinator: Coordinator
    let authentication: Authentication
    let store: any Store
    let key: SigningKey
    let people: [String: Person]
    let clock: any FogClock

    struct Person: Sendable {
        let key: SigningKey
        let principal: Principal
    }

    /// One of each role, `ada` and `eve` who are both clients, and each with an account of its own.
    private static let roles: [(String, Set<Role>)] =
        Role.allCases.map { ($0.rawValue, [$0]) } + [("ada", [.client]), ("eve", [.client]), ("hal", [.worker])]

    /// - Parameter packages: what newcomers can install; none = none is handed out.
    /// - Parameter body: ends before the server and the folder do.
    static func with(
        limits: HTTPServer.Limits = HTTPServer.Limits(), openRequests: Int = Authentication.openRequestsLimit,
        rules change: @escaping @Sendable (inout CoordinatorConfiguration) -> Void = { _ in },
        space: @escaping SpaceProbe = { nil }, packages: [String: [UInt8]] = [:],
        clock: any FogClock = SystemClock(),
        _ body: @escaping @Sendable (Pool) async throws -> Void
    ) async throws {
        try await TemporaryFolder.with { folder in
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            let key = SigningKey.generate()
            let store = try SQLiteStore(path: "\(folder)/fog.db")
            let content = ContentStore(
                store: store, blobs: try BlobFiles(folder: "\(folder)/content", sizeLimit: 4 << 20),
                logs: try LogFiles(folder: "\(folder)/logs"))
            var rules = CoordinatorConfiguration()
            rules.economy = true
            change(&rules)
            let coordinator = try await Coordinator.open(
                store: store, content: content, key: key, rules: rules, clock: clock, logger: logger,
                space: space)
            var people: [String: Person] = [:]
            for (name, roles) in roles {
                let key = SigningKey.generate()
                let principal = try await coordinator.enrol(key, name: name, roles: roles, account: nil)
                people[name] = Person(key: key, principal: principal)
            }
            let admin = try #require(people["admin"])
            for name in ["ada", "eve", "client"] {
                let account = try #require(people[name]).principal.account
                _ = try await coordinator.grant(
                    .credits(1000), to: account, reason: "to begin with", by: admin.principal,
                    authorisation: try await coordinator.statement("grant", by: admin.key))
            }
            let authentication = Authentication(
                key: key, window: NonceWindow(start: clock.now - .minutes(10)), clock: clock,
                openRequests: openRequests, find: { [directory = coordinator.directory] in directory.find($0) })
            for (name, bytes) in packages { try Data(bytes).write(to: URL(filePath: "\(folder)/\(name)")) }
            let routes = Routes(
                coordinator: coordinator, authentication: authentication, joining: Joining { "http://127.0.0.1" },
                name: "test", version: "1",
                installFiles: packages.isEmpty ? nil : try InstallFiles(folder: folder), clock: clock, logger: logger)
            let everyone = people
            try await withServer(routes, streams: routes, limits: limits) { port, server in
                try await body(
                    Pool(
                        port: port, server: server, coordinator: coordinator, authentication: authentication,
                        store: store, key: key, people: everyone, clock: clock)
                )
            }
        }
    }

    func person(_ name: String) throws -> Person { try #require(people[name], "nobody is called \(name)") }

    // MARK: - Asking

    func signed(
        _ method: String, _ target: String, by name: String, headers: CarrierHeaders = [:], body: [UInt8] = [],
        at time: Timestamp? = nil
    ) throws -> CarrierRequest {
        try RequestSigner(key: try person(name).key, coordinator: key.publicKey.id)
            .sign(CarrierRequest(method: method, target: target, headers: headers, body: body), at: time ?? clock.now)
    }

    /// One request on a connection of its own, its target and headers exactly as they are; what comes back must be as
    /// the API's description has it.
    func send(_ request: CarrierRequest) async throws -> CarrierResponse {
        let answer = try await exchange(request)
        let mistake = DocumentedAPI.mistake(in: request, answer)
        let body = String(decoding: request.body.prefix(300), as: UTF8.self)
        #expect(mistake == nil, "\(request.method) \(request.target.prefix(200)) \(body)")
        return answer
    }

    /// The same for a target that may be none.
    func exchange(_ request: CarrierRequest) async throws -> CarrierResponse {
        var head = "\(request.method) \(request.target) HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        for (name, value) in request.headers { head += "\(name): \(value)\r\n" }
        if !request.body.isEmpty { head += "content-length: \(request.body.count)\r\n" }
        return try await send(raw: Array((head + "\r\n").utf8) + request.body)
    }

    func send(raw bytes: [UInt8]) async throws -> CarrierResponse {
        let connection = try RawConnection(port: port)
        try await connection.send(bytes: bytes)
        let answer = try await connection.bytesToEnd()
        return try #require(CarrierResponse(wire: answer), "no answer: `\(String(decoding: answer, as: UTF8.self))`")
    }

    func ask(
        _ method: String, _ target: String, by name: String, headers: CarrierHeaders = [:], body: [UInt8] = []
    ) async throws -> CarrierResponse {
        try await send(try signed(method, target, by: name, headers: headers, body: body))
    }

    // MARK: - Work

    static func document(_ name: String = "job") -> [UInt8] {
        let spec = JobSpec(name: name, steps: [StepSpec(action: .command(["true"]), elements: .single)])
        let body = SubmitBody(document: ManifestDocument(of: spec).canonical, fileTable: nil)
        return (try? Wire.encode(body)) ?? []
    }

    func submit(_ name: String = "job", by person: String = "ada") async throws -> JobID {
        let answer = try await ask("POST", "/v1/jobs", by: person, body: Self.document(name))
        try #require(answer.status == 201, "\(String(decoding: answer.body, as: UTF8.self))")
        return try Wire.decode(JobBody.self, from: answer.body).id
    }

    /// What was done to it, the coordinator still takes a job, and its books are right.
    func isUnharmed(_ location: SourceLocation = #_sourceLocation) async throws {
        _ = try await submit("afterwards")
        let report = try await LedgerAuditor(store: store, coordinator: key.publicKey).run()
        #expect(report.ok, "\(report.json.compact)", sourceLocation: location)
        #expect(server.openRequests == 0, sourceLocation: location)
    }
}

/// A refusal as every one must be: a status from 400 to 499 and a document with a code.
@discardableResult
func expectRefusal(
    _ answer: CarrierResponse, _ statuses: Set<Int>? = nil, code: String? = nil, _ what: String,
    _ location: SourceLocation = #_sourceLocation
) -> Problem? {
    let text = String(decoding: answer.body.prefix(300), as: UTF8.self)
    #expect((400..<500).contains(answer.status), "\(what): \(answer.status) \(text)", sourceLocation: location)
    if let statuses {
        #expect(statuses.contains(answer.status), "\(what): \(answer.status) \(text)", sourceLocation: location)
    }
    #expect(
        answer.headers["content-type"] == Problem.contentType, "\(what): \(answer.status) \(text)",
        sourceLocation: location)
    let problem = Problem(answer)
    #expect(
        problem?.status == answer.status && problem?.code.isEmpty == false && problem?.code.hasPrefix("http_") == false,
        "\(what): \(answer.status) \(text)", sourceLocation: location)
    if let code { #expect(problem?.code == code, "\(what): \(text)", sourceLocation: location) }
    return problem
}

extension CarrierResponse {
    /// An answer as it came over a connection that was closed after it.
    init?(wire bytes: [UInt8]) {
        guard let end = bytes.indices.dropLast(3).first(where: { bytes[$0..<$0 + 4].elementsEqual([13, 10, 13, 10]) })
        else { return nil }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        guard let status = lines.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else { return nil }
        self.init(status: status, body: Array(bytes[(end + 4)...]))
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " })
        }
    }
}

/// A folder that goes when the body has ended.
enum TemporaryFolder {
    static func with(_ body: (String) async throws -> Void) async throws {
        var template = "/tmp/fog-http-XXXXXX".utf8CString.map { $0 }
        let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder)
    }
}
