import FogAPI
import FogCoordinator
import FogCore
import FogJobs
import FogNet
import Testing

@testable import FogHTTP

/// Every endpoint, asked by every role about what is its own, another's and nobody's.
@Suite("The capability table", .timeLimit(.minutes(20)))
struct CapabilityTests {
    @Test("every route that is served stands in the table once, and the other way round")
    func complete() {
        let served = Routes.routes.map { "\($0.pattern.method) \($0.pattern.text)" }
        #expect(Set(served).subtracting(CapabilityRow.table.map(\.route)).isEmpty)
        #expect(Set(CapabilityRow.table.map(\.route)).subtracting(served).isEmpty)
        #expect(CapabilityRow.table.count == Set(CapabilityRow.table.map(\.route)).count)
        for route in served {
            let capability = Routes.capabilities[route]
            #expect(capability != nil, "\(route) stands in no table of capabilities")
            let row = CapabilityRow.table.first { $0.route == route }
            #expect(capability?.rule.roles == row?.roles, "\(route)")
        }
    }

    @Test("every role gets exactly the status that the table says, whosever the thing is")
    func everyCell() async throws {
        try await Pool.with { pool in
            let stage = try await Stage(pool)
            for row in CapabilityRow.table {
                for role in Role.allCases {
                    try await check(row, by: role, on: stage)
                }
            }
            try await pool.isUnharmed()
        }
    }

    private func check(_ row: CapabilityRow, by role: Role, on stage: Stage) async throws {
        var absent: [CarrierResponse] = []
        for relation in row.object.relations {
            let isAllowed = row.roles.contains(role)
            let things = try await stage.things(row.object, of: relation, for: role, needed: isAllowed)
            let answer = try await stage.ask(row, by: role, about: things)
            let text = String(decoding: answer.body.prefix(300), as: UTF8.self)
            let what = "\(row.route) by \(role.rawValue) about \(relation): \(answer.status) \(text)"
            let reaches = relation == .own || relation == .foreign && row.everyones.contains(role)
            guard isAllowed else {
                expectRefusal(answer, [403], code: "missing_role", what)
                continue
            }
            #expect(answer.status == (reaches ? row.success : row.absent), "\(what)")
            if !reaches { absent.append(things.anonymous(answer)) }
        }
        for other in absent.dropFirst() {
            #expect(other == absent[0], "\(row.route) by \(role.rawValue): unknown and forbidden differ")
        }
    }

    @Test("without a signature, and with a key that is suspended or revoked, no route tells anything")
    func nobody() async throws {
        try await Pool.with { pool in
            let stage = try await Stage(pool)
            let admin = try pool.person("admin").principal
            let suspended = try pool.person("hal")
            let revoked = try pool.person("eve")
            _ = try await pool.coordinator.suspend("hal", reason: "a test", by: admin)
            _ = try await pool.coordinator.revoke(
                "eve", reason: "a test", by: admin,
                authorisation: try await pool.coordinator.statement("revoke", by: pool.person("admin").key))
            for row in CapabilityRow.table where row.object != .lease {
                for relation in row.object.relations {
                    let things = try await stage.things(row.object, of: relation, for: .client, needed: true)
                    let request = try stage.request(row, about: things)
                    let unsigned = try await pool.send(request)
                    expectRefusal(unsigned, [401], code: "signature_missing", "\(row.route), unsigned")
                    for (person, code) in [(suspended, "key_suspended"), (revoked, "key_revoked")] {
                        let signer = RequestSigner(key: person.key, coordinator: pool.key.publicKey.id)
                        let signed = try signer.sign(request, at: SystemClock().now)
                        expectRefusal(try await pool.send(signed), [401], code: code, "\(row.route)")
                    }
                }
            }
            try await pool.isUnharmed()
        }
    }
}

extension CapabilityRow.Object {
    var relations: [Stage.Relation] {
        switch self {
        case .nothing: [.own]
        case .stranger: [.unknown]
        default: Stage.Relation.allCases
        }
    }
}

/// Things of everybody: of each role's own account, of ada's, and of nobody.
struct Stage: Sendable {
    enum Relation: Sendable, CaseIterable { case own, foreign, unknown }

    let pool: Pool
    /// A second key of each role's account, which submits and uploads; and a third, which is a worker's.
    private let submitters: [Role: SigningKey]
    private let nodes: [Role: NodeID]
    private let blobs: [Role: Digest]
    private let receipts: [Role: AttemptID]
    private let adasNode: NodeID
    private let adasBlob: Digest
    private let adasReceipt: AttemptID

    init(_ pool: Pool) async throws {
        self.pool = pool
        var submitters: [Role: SigningKey] = [:]
        var nodes: [Role: NodeID] = [:]
        var blobs: [Role: Digest] = [:]
        var receipts: [Role: AttemptID] = [:]
        // Two machines take work: `hal`, whom nobody here owns, and `worker`.
        _ = try await pool.leases(0, by: "hal")
        _ = try await pool.leases(0, by: "worker")
        let submit = Pool.document()
        for role in Role.allCases {
            let account = try pool.person(role.rawValue).principal.account
            _ = try await pool.coordinator.grant(
                .credits(100), to: account, reason: "to begin with", by: pool.person("admin").principal,
                authorisation: try await pool.coordinator.statement("grant", by: pool.person("admin").key))
            let submitter = try await Self.key([.client], "\(role.rawValue)-mate", account, pool)
            submitters[role] = submitter
            nodes[role] = try await Self.node(of: account, named: "\(role.rawValue)-machine", pool)
            let content = Array("of \(role.rawValue)".utf8)
            blobs[role] = .blake2b(content)
            _ = try await pool.ask(
                "PUT", "/v1/blobs/\(Digest.blake2b(content))?total=\(content.count)", as: submitter, body: content)
            _ = try await pool.ask("POST", "/v1/jobs", as: submitter, body: submit)
            receipts[role] = try await Self.receipt(pool)
        }
        self.submitters = submitters
        self.nodes = nodes
        self.blobs = blobs
        self.receipts = receipts
        adasNode = try await Self.node(of: pool.person("ada").principal.account, named: "adas-machine", pool)
        adasBlob = try await pool.upload(Array("of ada".utf8), by: "ada")
        _ = try await pool.submit()
        adasReceipt = try await Self.receipt(pool)
    }

    private static func key(
        _ roles: Set<Role>, _ name: String, _ account: AccountID, _ pool: Pool
    ) async throws -> SigningKey {
        let key = SigningKey.generate()
        _ = try await pool.coordinator.enrol(key, name: name, roles: roles, account: account)
        return key
    }

    /// A machine that is there and takes no work.
    private static func node(of account: AccountID, named name: String, _ pool: Pool) async throws -> NodeID {
        let worker = try await key([.worker], name, account, pool)
        let answer = try await pool.ask("POST", "/v1/worker/hello", as: worker, body: RouteTable.hello())
        return try Wire.decode(WorkerTerms.self, from: answer.body).node
    }

    /// Runs the one job that waits.
    private static func receipt(_ pool: Pool) async throws -> AttemptID {
        let lease = try #require(try await pool.poll(1, by: "hal").first)
        let verdicts = try await pool.complete([pool.report(lease, by: "hal")], by: "hal")
        #expect(verdicts.map(\.verdict) == [.accepted])
        return lease.attempt
    }

    // MARK: - What is asked about

    /// - Parameter needed: whether the request comes so far that the thing must be new.
    func things(
        _ object: CapabilityRow.Object, of relation: Relation, for role: Role, needed: Bool
    ) async throws -> Things {
        var things = Things(
            job: JobID(high: 77, low: 78),
            attempt: AttemptID(task: TaskID(job: JobID(high: 77, low: 78), number: 0), token: 1),
            blob: .blake2b([9, 9, 9]), node: NodeID(high: 77, low: 79), account: AccountID(high: 77, low: 80))
        guard relation != .unknown else { return things }
        let ada = try pool.person("ada")
        guard let submitter = relation == .own ? submitters[role] : ada.key else { return things }
        switch object {
        case .nothing, .stranger: things.blob = .blake2b(Array("ada's own".utf8))
        case .job, .endedJob:
            guard needed else { break }
            things.job = try await pool.submit(as: submitter)
            things.node = adasNode
            guard object == .endedJob else { break }
            let reason = try Wire.encode(ReasonBody(reason: "a test"))
            _ = try await pool.ask("POST", "/v1/jobs/\(things.job)/cancel", as: submitter, body: reason)
        case .blob: things.blob = relation == .own ? blobs[role] ?? things.blob : adasBlob
        case .node: things.node = relation == .own ? nodes[role] ?? things.node : adasNode
        case .account:
            things.account = try relation == .own ? pool.person(role.rawValue).principal.account : ada.principal.account
        case .receipt: things.attempt = relation == .own ? receipts[role] ?? things.attempt : adasReceipt
        case .lease:
            guard needed else { break }
            _ = try await pool.submit(as: ada.key)
            let lease = try #require(try await pool.poll(1, by: relation == .own ? "worker" : "hal").first)
            things.attempt = lease.attempt
            things.job = lease.attempt.task.job
            things.lease = lease
        }
        return things
    }

    func request(_ row: CapabilityRow, about things: Things) throws -> CarrierRequest {
        let parts = row.route.split(separator: " ")
        let target = RouteTable.target(String(parts[1]), things) + RouteTable.query(row.route, things)
        var body = try RouteTable.body(row.route, things)
        switch row.route {
        case "POST /v1/worker/checkpoint":
            body = try Wire.encode(CheckpointReport(attempt: things.attempt, files: []))
        case "POST /v1/worker/complete":
            let lease = things.lease ?? Lease.nobodys(things.attempt)
            body = try Wire.encode(CompletionRequest(reports: [pool.report(lease, by: "worker")]))
        default: break
        }
        return CarrierRequest(method: String(parts[0]), target: target, body: body)
    }

    func ask(_ row: CapabilityRow, by role: Role, about things: Things) async throws -> CarrierResponse {
        let request = try request(row, about: things)
        return try await pool.ask(
            request.method, request.target, as: pool.person(role.rawValue).key, body: request.body)
    }
}

extension Things {
    /// The answer's status and body, without the names of what was asked about.
    func anonymous(_ answer: CarrierResponse) -> CarrierResponse {
        var text = String(decoding: answer.body, as: UTF8.self)
        for id in [attempt.description, job.description, node.description, account.description, blob.description] {
            text = text.split(separator: id, omittingEmptySubsequences: false).joined(separator: "ID")
        }
        return CarrierResponse(status: answer.status, headers: [:], body: Array(text.utf8))
    }
}

extension Lease {
    /// A lease that was never granted, for an attempt of any name.
    static func nobodys(_ attempt: AttemptID) -> Lease {
        Lease(
            attempt: attempt, jobName: "none", index: 0, arguments: ["true"], environment: [:], inputs: [], outputs: [],
            resources: ResourceRequest(), profile: "default", checkpoint: CheckpointPolicy(), priceBound: .zero,
            expiresAt: .zero, disconnectGrace: .zero, exclusive: false)
    }
}
