import FogAPI
import FogCommandLine
import FogCore
import FogJobs
import Testing

/// What somebody is told who follows a job of which nothing runs.
@Suite("Words for who waits")
struct WaitWordsTests {
    private static func job(_ state: TaskState = .ready, held: String? = nil) -> JobBody {
        var step = StepProgress(name: "", base: 0, count: 1, blocked: false)
        step.counts = TaskCounts([state: 1])
        var progress = JobProgress(steps: [step], budget: .zero)
        progress.held = held
        return JobBody(
            JobRecord(
                id: JobID(high: 1, low: 2), name: "fit\u{1b}[2J", account: AccountID(high: 1, low: 1),
                submitter: SigningKey.generate().publicKey, submittedAt: .zero, idempotencyKey: nil,
                documentDigest: .zero, fileTable: nil, labels: [:], priority: 50, progress: progress))
    }

    private static func explanation(
        _ job: JobBody, reasons: [String] = [], headline: String? = nil, fitting: Int = 0
    ) -> JobExplanationBody {
        let steps = headline.map {
            [
                ExplanationBody(
                    step: "", headline: $0, advice: "", fitting: fitting, nodeCount: 1, reasons: [], nodes: [])
            ]
        }
        return JobExplanationBody(job: job, reasons: reasons, steps: steps ?? [], decisions: [])
    }

    /// What is said of one look after another.
    private static func said(_ looks: [(JobBody, JobExplanationBody?)]) -> [String?] {
        var words = WaitWords()
        return looks.map { words.line($0.0, $0.1) }
    }

    @Test("a job that is held, and one that no machine can take, are told of once a reason")
    func once() throws {
        let (job, held) = (Self.job(), Self.job(held: "budget: 0 of 1 left\n"))
        let lacking = Self.explanation(job, headline: "1 node: 1 without label:lab")
        let other = Self.explanation(job, reasons: ["task 0 is held: needs_more_owners: has 1, needs 3"])
        let said = Self.said([
            (held, nil), (held, nil), (job, lacking), (job, lacking), (job, other), (job, lacking),
        ])
        let line = try #require(said[0])
        #expect(line.contains("is held: budget: 0 of 1 left"))
        #expect(line.hasSuffix("; fog job explain \(held.id.short)"))
        #expect(!line.contains("\u{1b}") && !line.contains("\n"))
        #expect(said[2]?.contains("waits: 1 node: 1 without label:lab;") == true)
        #expect(said[4]?.contains("needs_more_owners") == true)
        #expect(said.map { $0 != nil } == [true, false, true, false, true, true])
    }

    @Test("what starts by itself is not told of", arguments: [nil, 1, 0])
    func passing(_ fitting: Int?) {
        let job = Self.job()
        let explanation = fitting.map {
            Self.explanation(job, headline: $0 == 0 ? nil : "1 node: 1 could take it now", fitting: $0)
        }
        #expect(Self.said([(job, explanation)]) == [nil])
    }

    @Test(
        "what runs or has ended is not told of; what waits again is",
        arguments: [TaskState.leased, .running, .validating, .succeeded])
    func again(_ state: TaskState) {
        let job = Self.job()
        let lacking = Self.explanation(job, headline: "1 node: 1 closed")
        let said = Self.said([(job, lacking), (Self.job(state), lacking), (job, lacking)])
        #expect(said.map { $0 != nil } == [true, false, true])
    }

    @Test("there are so many lines and no more")
    func bounded() {
        var words = WaitWords()
        let said = (0..<100).compactMap { words.line(Self.job(held: "reason \($0)"), nil) }
        let isExhausted = words.isExhausted
        #expect(said.count == WaitWords.maxLines)
        #expect(isExhausted)
    }
}
