import Foundation
import Testing

extension EndToEnd {
    /// Processes that die without a word, under load.
    @Suite("Killed at any moment")
    struct KillTests {
        @Test("Coordinator and workers are killed again and again: every task ends once and is paid once")
        func killedUnderLoad() async throws {
            let pool = try await Pool(workers: 2, slots: 2)
            // Long enough that the killing ends before the work does.
            let id = try await pool.submit(
                """
                name: load
                run: sleep 0.1; echo $FOG_TASK_INDEX > out.txt
                array: 0-239
                outputs: [out.txt]
                resources: {memory: 64MiB, cpu: 0.5}
                """)
            var random = SystemRandomNumberGenerator()
            for round in 0..<9 {
                try await Task.sleep(for: .milliseconds(Int.random(in: 100...700, using: &random)))
                switch round % 3 {
                case 0:
                    try await pool.killCoordinator()
                    try await pool.startCoordinator()
                case 1:
                    try await pool.killWorker(0)
                    try pool.startWorker(0)
                default:
                    try await pool.killWorker(1)
                    try await pool.killCoordinator()
                    try await pool.startCoordinator()
                    try pool.startWorker(1)
                }
            }
            let wait = try await pool.expect(["job", "wait", id, "--timeout", "4m"])
            #expect(wait.output.contains("succeeded"))
            let job = try await pool.job(id)
            #expect(job.counts == ["succeeded": 240])
            let wins = job.attempts.filter { $0.outcome == "success" }
            #expect(wins.count == 240)
            #expect(Set(wins.map(\.task)).count == 240)
            #expect(job.attempts.allSatisfy { $0.outcome != nil })
            try await pool.expect(["ledger", "audit"])
            try await pool.stop()
        }

        @Test("Credits that are moved while the coordinator is killed are moved, and once")
        func moved() async throws {
            let pool = try await Pool(workers: 1, slots: 1, owners: true)
            var random = SystemRandomNumberGenerator()
            let letters = Array("0123456789abcdefghjkmnpqrstvwxyz")
            for _ in 0..<4 {
                let transfers = (0..<4).map { _ in
                    let id = String((0..<25).map { _ in letters[Int.random(in: 0..<32, using: &random)] }) + "0"
                    return ["ledger", "transfer", "worker-0", "1.5", "--id", id]
                }
                let first = try transfers.map {
                    try Child(Places.fog, $0, environment: Cloud.environment(home: pool.home))
                }
                // Some have not asked yet, some wait, some were answered.
                try await Task.sleep(for: .milliseconds(Int.random(in: 20...200, using: &random)))
                try await pool.killCoordinator()
                try await pool.startCoordinator()
                for child in first { _ = try await child.end(within: Cloud.patience) }
                for transfer in transfers { try await pool.expect(transfer) }
            }
            #expect(try await pool.expect(["ledger", "balance", "worker-0", "--quiet"]).output.hasPrefix("24"))
            #expect(try await pool.expect(["ledger", "balance", "--quiet"]).output.hasPrefix("9976"))
            try await pool.expect(["ledger", "audit"])
            try await pool.stop()
        }

        @Test("While the coordinator is away its tasks go on, and none is begun again")
        func away() async throws {
            let pool = try await Pool(workers: 1, slots: 20)
            let id = try await pool.submit(
                """
                name: long
                run: sleep 15
                array: 0-19
                resources: {memory: 16MiB, cpu: 0.01}
                """)
            // All of them are out before the coordinator dies.
            func areOut() async throws -> Bool {
                let counts = try await pool.job(id).counts
                return counts["leased", default: 0] + counts["running", default: 0] == 20
            }
            var tries = 0
            while tries < 1000, try await !areOut() {
                tries += 1
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(tries < 1000)
            try await pool.killCoordinator()
            // Longer than it takes to count a node as lost, and than the rest of the tasks.
            try await Task.sleep(for: .seconds(17))
            try await pool.startCoordinator()
            try await pool.expect(["job", "wait", id, "--timeout", "4m"])
            try await pool.job(id).expectSmooth(tasks: 20)
            try await pool.expect(["ledger", "audit"])
            try await pool.stop()
        }
    }
}
