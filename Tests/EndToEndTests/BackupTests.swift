import Foundation
import Testing

extension EndToEnd {
    /// The coordinator's folder lost, and made again from a backup.
    @Suite("Backup and restore")
    struct BackupTests {
        @Test(
            "Restored from a backup that was made under load: the work goes on, every task ends once, the books are clean"
        )
        func restored() async throws {
            let pool = try await Pool(workers: 2, slots: 2)
            let id = try await pool.submit(
                """
                name: load
                run: sleep 0.1; echo $FOG_TASK_INDEX > out.txt
                array: 0-119
                outputs: [out.txt]
                resources: {memory: 64MiB, cpu: 0.5}
                """)
            let home = "\(pool.folder.path)/operator"
            let file = "\(pool.folder.path)/backup.tar"
            // Something is paid before, and something is under way.
            func succeeded() async throws -> Int { try await pool.job(id).counts["succeeded", default: 0] }
            while try await succeeded() < 10 { try await Task.sleep(for: .milliseconds(50)) }
            try await pool.expect(["coordinator", "backup", file])
            // And something is granted, done and paid that the backup does not know of.
            let known = try await succeeded()
            while try await succeeded() < known + 10 { try await Task.sleep(for: .milliseconds(50)) }
            let refused = try await Cloud.fog(["coordinator", "restore", file], home: home)
            #expect(refused.status == 64)
            #expect(refused.errors.contains("is not empty"))
            try await pool.killCoordinator()
            let state = "\(home)/state/coordinator"
            try FileManager.default.moveItem(atPath: state, toPath: "\(state).lost")
            let restore = try await pool.expect(["coordinator", "restore", file])
            #expect(restore.output.contains("the ledger is whole"))
            try await pool.startCoordinator()
            try await pool.expect(["job", "wait", id, "--timeout", "100s"])
            let job = try await pool.job(id)
            #expect(job.counts == ["succeeded": 120])
            let wins = job.attempts.filter { $0.outcome == "success" }
            #expect(wins.count == 120 && Set(wins.map(\.task)).count == 120)
            // Whatever was granted after the restoring lies above its floor, the second of the restoring since 2025.
            let later = job.attempts.filter { $0.token > 100 }
            #expect(!later.isEmpty && later.allSatisfy { $0.token > 50_000_000 })
            try await pool.expect(["ledger", "audit"])
            let gc = try await pool.expect(["coordinator", "gc", "--dry-run", "--output", "json"])
            #expect(gc.output.contains("\"jobs\": 0"))
            try await pool.stop()
        }
    }
}
