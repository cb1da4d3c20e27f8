import FogCore
import FogJobs
import FogStore
import Testing

@testable import FogCoordinator

@Suite("Private jobs, as far as a coordinator knows them", .timeLimit(.minutes(10)))
struct SealedJobTests {
    private let seal = JobSeal.generate()
    private let bundle = Digest.blake2b([1])
    private let place = SealedPlace(step: 0, element: 0)

    private func bench() throws -> Bench {
        var bench = try Bench()
        bench.statements = true
        return bench
    }

    private func keys(for nodes: [NodeID], in bench: Bench) throws -> SealedKeys {
        var boxes: [String: Base64Bytes] = [:]
        for candidate in bench.core.candidates(for: ResourceRequest(), region: nil, limit: 64, at: bench.now)
        where nodes.contains(candidate.node.row.id) {
            let statement = try CandidateStatement(signed: candidate.statement)
            boxes[statement.machine.id.description] = try seal.wrapped(to: statement, bundle: bundle)
        }
        #expect(boxes.count == nodes.count)
        return try SealedKeys(boxes)
    }

    /// A stand-in whose name says its seal, as submitters make it.
    private func submit(
        to nodes: [NodeID], owners: Int = 1, in bench: inout Bench, _ shape: (inout JobSpec) -> Void = { _ in }
    ) throws -> JobID {
        let keys = try keys(for: nodes, in: bench)
        return try bench.submit(StandIn.name(of: seal.id), keys: keys) { spec in
            spec.privacy = .private
            spec.steps[0].verify = owners > 1 ? .owners(owners) : .none
            shape(&spec)
        }
    }

    /// What a machine that opened the bundle reports of a result: bytes that only the key's holders could have made.
    private func result(_ content: UInt8) -> [OutputFile] {
        let files = [OutputFile(name: "ranked.csv", size: 1, executable: false, digest: .blake2b([content]))]
        let sealed = ArchiveWriter.seal(
            seal, .result(place), head: SealedFiles(files).head, contents: [[content]],
            salt: seal.tag(of: files, at: place))
        return [
            OutputFile(
                name: StandIn.resultName, size: Int64(sealed.count), executable: false, digest: .blake2b(sealed))
        ]
    }

    @Test("Only a machine that the key is sealed to gets the task, with its own box and no other's")
    func placement() async throws {
        var bench = try bench()
        let near = try bench.addStranger("near").node, far = try bench.addStranger("far").node
        let id = try submit(to: [far], in: &bench)
        #expect(bench.poll(near).isEmpty)
        let lease = try #require(bench.poll(far).first)
        let key = bench.key(of: far).publicKey.id
        #expect(lease.seal?.id == seal.id)
        #expect(lease.seal?.key == bench.core.jobs[id]?.record.progress.keys?[key])
        bench.finish(lease, on: far, outputs: result(1))
        #expect(try await bench.job(id).state == .succeeded)
        // A public job's lease has none.
        _ = try bench.submit("plain")
        #expect(try #require(bench.poll(near).first).seal == nil)
    }

    @Test("When the machines with the key are gone the job waits for its submitter, and goes on with more keys")
    func reseal() async throws {
        var bench = try bench()
        let near = try bench.addStranger("near").node, far = try bench.addStranger("far").node
        let id = try submit(to: [near], in: &bench)
        #expect(bench.poll(far).isEmpty)
        bench.live(.hours(1), beating: [far])
        #expect(bench.poll(far).isEmpty)
        let held = try #require(try await bench.job(id).progress.held)
        #expect(held.hasPrefix(CoordinatorCore.resealNeeded))
        // It outlives the coordinator.
        try await bench.restart()
        try bench.hello("far")
        let stranger = try bench.core.enrol(
            key: SigningKey.generate().publicKey, name: "eve", roles: [.client], account: nil, at: bench.now)
        let keys = try keys(for: [far], in: bench)
        let (now, client) = (bench.now, bench.client)
        #expect(throws: CoordinatorFailure.self) { try bench.core.reseal(id, adding: keys, by: stranger, at: now) }
        let record = try bench.core.reseal(id, adding: keys, by: client, at: now)
        bench.commit()
        #expect(record.progress.held == nil)
        #expect(record.progress.keys?.machines.count == 2)
        let lease = try #require(bench.poll(far).first)
        bench.finish(lease, on: far, outputs: result(1))
        #expect(try await bench.job(id).state == .succeeded)
        #expect(try await bench.job(id).progress.keys?.machines.count == 2)
    }

    @Test("A machine that comes back lets the job go on by itself")
    func back() async throws {
        var bench = try bench()
        let near = try bench.addStranger("near").node, far = try bench.addStranger("far").node
        let id = try submit(to: [near], in: &bench)
        bench.live(.hours(1), beating: [far])
        _ = bench.poll(far)
        #expect(try await bench.job(id).progress.held?.hasPrefix(CoordinatorCore.resealNeeded) == true)
        try bench.hello("near")
        #expect(bench.poll(near).count == 1)
        #expect(try await bench.job(id).progress.held == nil)
    }

    @Test("A public job has no key to be sealed")
    func publicJob() throws {
        var bench = try bench()
        let near = try bench.addStranger("near").node
        let id = try bench.submit("plain")
        let keys = try keys(for: [near], in: bench)
        let (now, client) = (bench.now, bench.client)
        #expect { try bench.core.reseal(id, adding: keys, by: client, at: now) } throws: {
            ($0 as? CoordinatorFailure)?.code == "not_private"
        }
    }

    // MARK: Results that are compared sealed

    @Test("Equal results of two owners are equal sealed, and count; a different one is outvoted")
    func quorum() async throws {
        var bench = try bench()
        let nodes = try ["liar", "near", "far"].map { try bench.addStranger($0).node }
        let id = try submit(to: nodes, owners: 2, in: &bench)
        for (node, content) in zip(nodes, [9, 1, 1] as [UInt8]) {
            let lease = try #require(bench.poll(node).first)
            bench.finish(lease, on: node, outputs: result(content))
        }
        #expect(try await bench.job(id).state == .succeeded)
        let ended = try await bench.store.attempts(of: id, task: nil, after: nil, limit: 10)
        #expect(ended.map(\.outcome) == [.rejectedByQuorum, .success, .success])
    }

    @Test("Too few owners with the key hold the job, and so does a vote that nobody is left to decide")
    func owners() async throws {
        var bench = try bench()
        let nodes = try ["one", "two", "three"].map { try bench.addStranger($0).node }
        let id = try submit(to: [nodes[0]], owners: 2, in: &bench)
        #expect(bench.poll(nodes[0]).isEmpty)
        #expect(try await bench.job(id).progress.held?.contains("have 1 owners, and 2 are to agree") == true)
        var more = try keys(for: [nodes[1]], in: bench)
        _ = try bench.core.reseal(id, adding: more, by: bench.client, at: bench.now)
        bench.commit()
        for (node, content) in zip(nodes, [1, 2] as [UInt8]) {
            let lease = try #require(bench.poll(node).first)
            bench.finish(lease, on: node, outputs: result(content))
        }
        #expect(bench.poll(nodes[2]).isEmpty)
        let task = try #require(try await bench.store.tasks(of: id, after: nil, states: nil, limit: 1).first)
        #expect(task.state == .held && task.heldReason?.hasPrefix(CoordinatorCore.resealNeeded) == true)
        more = try keys(for: [nodes[2]], in: bench)
        _ = try bench.core.reseal(id, adding: more, by: bench.client, at: bench.now)
        bench.commit()
        let lease = try #require(bench.poll(nodes[2]).first)
        bench.finish(lease, on: nodes[2], outputs: result(2))
        #expect(try await bench.job(id).state == .succeeded)
    }

    // MARK: What is asked and refused

    @Test("Candidates are machines that say where keys are sealed to, one owner after the other")
    func candidates() throws {
        var bench = try bench()
        let (first, bob) = try bench.addStranger("first")
        let second = try bench.addNode("second", owner: bob)
        let other = try bench.addStranger("other").node
        bench.statements = false
        let mute = try bench.addStranger("mute").node
        let asked = ResourceRequest(cpu: .cores(1), memory: .gibibytes(1), disk: .gibibytes(1))
        func named(_ demand: ResourceRequest, limit: Int) -> [NodeID] {
            bench.core.candidates(for: demand, region: nil, limit: limit, at: bench.now).map(\.node.row.id)
        }
        let two = named(asked, limit: 2)
        #expect(two.contains(other) && two.count == 2)
        #expect(Set(named(asked, limit: 64)) == [first, second, other] && !named(asked, limit: 64).contains(mute))
        var large = asked
        large.memory = .gibibytes(9)
        #expect(named(large, limit: 64).isEmpty)
    }

    @Test("A private job in clear is refused, and so are keys for a public one and none for a private one")
    func check() throws {
        var bench = try bench()
        let near = try bench.addStranger("near").node
        let keys = try keys(for: [near], in: bench)
        var plain = JobSpec(name: "risk", steps: [StepSpec(action: .command(["score"]))])
        func code(_ spec: JobSpec, _ keys: SealedKeys?) -> String? {
            do throws(CoordinatorFailure) {
                try Coordinator.check(spec, keys: keys)
                return nil
            } catch { return error.code }
        }
        #expect(code(plain, nil) == nil)
        #expect(code(plain, keys) == "bad_keys")
        plain.privacy = .secret
        #expect(code(plain, keys) == "private_in_clear")
        let sealed = StandIn.make(of: plain, id: seal.id, bundle: bundle)
        #expect(code(sealed, nil) == "bad_keys")
        #expect(code(sealed, keys) == nil)
    }
}
