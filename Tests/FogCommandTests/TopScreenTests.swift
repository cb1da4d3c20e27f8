import FogAPI
import FogCommandLine
import FogCore
import FogJobs
import Testing

@Suite("fog top")
struct TopScreenTests {
    private static let time = Timestamp(seconds: 1_800_000_000)
    private static let account = AccountID(high: 1, low: 1)

    private static func look(granted: Int, accepted: Int, at seconds: Int64) -> TopScreen.Look {
        let job = JobID(high: 7, low: 9)
        let report = NodeReport(
            name: "lab-7", architecture: "x86_64", cpu: .cores(4), memory: .gibibytes(8), disk: .gibibytes(50))
        let row = NodeRow(
            id: NodeID(high: 3, low: 3), key: SigningKey.generate().publicKey, owner: account, enrolledAt: time,
            report: report, trusted: false)
        let node = NodeBody(
            row: row, owner: "ada", liveness: "live",
            allowance: Allowance(
                state: .open, reason: "dedicated", cpuCap: .cores(3), memoryCap: .gibibytes(7), slots: 4), closed: nil,
            leases: 2)
        let overview = OverviewBody(
            time: time + .seconds(seconds), granted: granted, accepted: accepted,
            queues: [
                .init(
                    account: account, name: "ada", jobs: 2, held: 1,
                    counts: TaskCounts([.ready: 40, .running: 2, .succeeded: 7]))
            ],
            running: [
                .init(
                    attempt: AttemptID(task: TaskID(job: job, number: 5), token: 1), job: "render", account: account,
                    node: "lab-7", state: .running, since: time)
            ], leases: 2)
        return TopScreen.Look(overview: overview, nodes: [node], at: .seconds(seconds))
    }

    @Test("shows rates, queues, machines and running tasks")
    func whole() throws {
        var top = TopScreen()
        top.add(Self.look(granted: 100, accepted: 90, at: 0))
        #expect(top.rates == nil)
        top.add(Self.look(granted: 120, accepted: 95, at: 10))
        #expect(top.rates?.granted == 2 && top.rates?.accepted == 0.5)
        let text = top.text()
        for wanted in ["1 live", "2 out, 40 ready", "ada", "lab-7", "2/4", "render", "open"] {
            #expect(text.contains(wanted), "\(wanted) in\n\(text)")
        }
        let document = try top.document()
        #expect(document["granted_per_second"]?.number == 2)
        #expect(document["nodes"]?.array?.count == 1)
    }

    @Test("a coordinator that started anew counts anew: no rate below zero")
    func restarted() {
        var top = TopScreen()
        top.add(Self.look(granted: 100, accepted: 90, at: 0))
        top.add(Self.look(granted: 3, accepted: 1, at: 10))
        #expect(top.rates == nil)
    }

    @Test("is never higher than the terminal", arguments: 3...20)
    func height(_ height: Int) {
        var top = TopScreen()
        top.add(Self.look(granted: 0, accepted: 0, at: 0))
        let lines = top.text(width: 80, height: height).split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count <= height)
        if lines.count == height, height < 13 { #expect(lines.last?.contains("more lines") == true) }
    }
}
