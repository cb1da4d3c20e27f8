import FogCore
import FogJobs
import Testing

@Suite("What a coordinator is given of a private job")
struct StandInTests {
    private let seal = JobSeal.generate()
    private let bundle = Digest.blake2b([1])

    private func spec() throws -> JobSpec {
        let outcome = try parsed(
            """
            {"name": "merger", "privacy": "private", "labels": {"client": "umbrella"}, "priority": 7,
             "steps": {
               "gather": {"command": ["collect", "--deep"], "env": {"TOKEN_PLACE": "vault"}, "sweep": {"house": ["north", "south"]},
                          "outputs": ["found.csv"], "resources": {"cpu": 2}},
               "decide": {"command": ["judge"], "needs": ["gather"], "outputs": ["verdict.txt"]}}}
            """)
        return try #require(outcome.spec, "\(outcome.problems)")
    }

    @Test("It says what placement needs, and no word of the manifest")
    func words() throws {
        let spec = try spec()
        let made = StandIn.make(of: spec, id: seal.id, bundle: bundle)
        #expect(StandIn.mistake(in: made) == nil)
        #expect(StandIn.id(inName: made.name) == seal.id && StandIn.bundle(of: made) == bundle)
        #expect(made.taskCount == spec.taskCount && made.priority == 7)
        #expect(Set(made.steps.map(\.resources)) == Set(spec.steps.map(\.resources)))
        let text = ManifestDocument(of: made).canonical
        for word in [
            "merger", "client", "umbrella", "gather", "collect", "deep", "TOKEN_PLACE", "vault", "house", "north",
            "found", "decide", "judge", "verdict",
        ] {
            #expect(!text.contains(word), "the coordinator would read `\(word)`")
        }
        let read = try SubmissionBundle.spec(document: JSON(parsing: text), files: nil) { _ in nil }
        #expect(read.problems.isEmpty && read.spec == made)
    }

    @Test("A document that claims to be private and tells something is refused, with what it tells")
    func clear() throws {
        let spec = try spec()
        let made = StandIn.make(of: spec, id: seal.id, bundle: bundle)
        #expect(StandIn.mistake(in: spec)?.contains("name") == true)
        let changes: [((inout JobSpec) -> Void, String)] = [
            ({ $0.labels = ["client": "umbrella"] }, "labels"),
            ({ $0.steps[0].name = "gather" }, "steps"),
            ({ $0.steps[0].action = .command(["collect"]) }, "command"),
            ({ $0.steps[0].environment = ["A": "b"] }, "environment"),
            ({ $0.steps[0].outputs = ["found.csv"] }, "files"),
            ({ $0.steps[1].inputs[0].name = "accounts" }, "files"),
            ({ $0.steps[1].profile = "media" }, "more"),
        ]
        for (change, word) in changes {
            var told = made
            change(&told)
            #expect(StandIn.mistake(in: told)?.contains(word) == true, "\(word)")
        }
    }

    @Test("The bundle gives each task of the stand-in back as it was, and none that it does not have")
    func tasks() throws {
        let spec = try spec()
        let bundle = PrivateBundle(spec: spec, files: try FileTable([:]), secrets: [:], contents: [])
        let read = try PrivateBundle(head: JSON(parsing: bundle.head.canonical))
        #expect(read.spec == spec)
        func lease(_ number: Int, _ index: Int) -> Lease {
            Lease(
                attempt: AttemptID(task: TaskID(job: JobID(high: 0, low: 1), number: 0), token: 1),
                jobName: StandIn.name(of: seal.id), index: index, arguments: [StandIn.program, String(number)],
                environment: [:], inputs: [], outputs: [StandIn.resultName],
                resources: ResourceRequest(), profile: "standard", checkpoint: CheckpointPolicy(),
                priceBound: .zero, expiresAt: .zero, disconnectGrace: .zero, exclusive: false, killGrace: .zero)
        }
        let numbers = StandIn.numbered(spec.steps.map(\.name))
        let gather = try #require(numbers.firstIndex(of: "gather"))
        let task = try PrivateTask(of: read, for: lease(gather, 1))
        #expect(task.lease.arguments == ["collect", "--deep"] && task.lease.jobName == "merger")
        #expect(task.lease.environment["TOKEN_PLACE"] == "vault" && task.lease.outputs == ["found.csv"])
        #expect(task.place == SealedPlace(step: gather, element: 1))
        #expect(throws: JobsFailure.self) { try PrivateTask(of: read, for: lease(2, 0)) }
    }
}
