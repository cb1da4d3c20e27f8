import Foundation
import Testing

extension EndToEnd {
    /// Machines whose owners come back while a task runs there.
    @Suite("Evicted")
    struct EvictionTests {
        @Test("A task survives three evictions, ends with the right answer, and each owner is paid for the part used")
        func threeTimes() async throws {
            // A pause evicts after a second, and nothing else in this policy does on a machine that works at all.
            let pool = try await Pool(
                workers: 4, slots: 1, owners: true,
                policy: "{base: dedicated, battery: any, evict_after: 1s, heat: {full: 2, throttled: 1, frozen: 0}}")
            // One machine at a time is lent, so that the test knows where the task is.
            for number in 1..<4 { try await pool.expect(["worker", "pause"], ofWorkerThatComes: number) }
            let manifest = try String(contentsOfFile: "\(Places.jobs)/collatz/collatz.yaml", encoding: .utf8)
            for name in ["collatz.py"] {
                let text = try String(contentsOfFile: "\(Places.jobs)/collatz/\(name)", encoding: .utf8)
                _ = try pool.folder.write(text, to: name)
            }
            // Slow enough that it cannot end before it was evicted three times.
            let id = try await pool.submit(manifest + "\nresources: {cpu: 0.15, memory: 128MiB}\n")
            for number in 0..<3 {
                try await pool.until("attempt \(number + 1) has begun") {
                    try await pool.log(id, attempt: number + 1).contains("begins at")
                }
                try await Task.sleep(for: .seconds(1))
                try await pool.expect(["worker", "pause"], onWorker: number)
                try await pool.until("attempt \(number + 1) has left") {
                    try await pool.job(id).attempts.contains { $0.token == number + 1 && $0.outcome != nil }
                }
                try await pool.expect(["worker", "resume"], onWorker: number + 1)
            }
            try await pool.expect(["job", "wait", id, "--timeout", "5m"])
            let job = try await pool.job(id)
            #expect(job.outcomes == ["evicted_user", "evicted_user", "evicted_user", "success"])
            // An eviction that left a checkpoint counts against nothing.
            #expect(job.rows.map { [$0.taskFailures, $0.hostFailures, $0.evictions] } == [[0, 0, 0]])
            #expect(job.attempts.allSatisfy { Double($0.paid) ?? 0 > 0 }, "\(job.attempts.map(\.paid))")
            var starts: [Int] = []
            for attempt in 1...4 {
                let line = try await pool.log(id, attempt: attempt).split(separator: "\n").first
                starts.append(Int(line?.split(separator: " ").last ?? "") ?? -1)
            }
            #expect(starts[0] == 1 && zip(starts, starts.dropFirst()).allSatisfy { $0 < $1 }, "\(starts)")
            let outputs = "\(pool.folder.path)/outputs"
            try await pool.expect(["job", "outputs", id, "--to", outputs])
            let longest = Reckoning.longestCollatz(below: 1_000_000)
            let answer = try String(contentsOfFile: "\(outputs)/longest.txt", encoding: .utf8)
            #expect(answer == "\(longest.start) takes \(longest.steps) steps\n")
            // Each owner has what its attempt was paid, and the books say so.
            for (number, attempt) in job.attempts.enumerated() {
                let balance = try await pool.expect(["ledger", "balance", "--quiet"], onWorker: number)
                #expect(balance.lines.first.map(String.init) == attempt.paid, "\(balance.output)")
            }
            try await pool.expect(["ledger", "audit"])
            try await pool.stop()
        }
    }
}

extension Pool {
    fileprivate func log(_ id: String, attempt: Int) async throws -> String {
        let end = try await Cloud.fog(["logs", id, "--task", "0", "--attempt", "\(attempt)"], home: home)
        return end.output
    }

    /// The bound only keeps a broken test from hanging.
    fileprivate func until(_ what: String, _ isSo: () async throws -> Bool) async throws {
        for _ in 0..<600 {
            if try await isSo() { return }
            try await Task.sleep(for: .milliseconds(200))
        }
        Issue.record("it never came about that \(what)")
    }
}
