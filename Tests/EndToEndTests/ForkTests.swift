import Foundation
import Testing

extension EndToEnd {
    /// A coordinator whose log goes back to an older copy of itself.
    @Suite("A log that goes back")
    struct ForkTests {
        /// Files of a party's folder of checkpoints.
        private static func kept(_ home: String) -> [String] {
            (try? FileManager.default.contentsOfDirectory(atPath: "\(home)/checkpoints")) ?? []
        }

        private static func evidence(_ home: String) throws -> [[String: Any]] {
            try kept(home).filter { $0.contains(".evidence-") }.compactMap { name in
                let data = try Data(contentsOf: URL(filePath: "\(home)/checkpoints/\(name)"))
                return try JSONSerialization.jsonObject(with: data) as? [String: Any]
            }
        }

        @Test("Client and worker that kept a checkpoint notice, and each writes both signed checkpoints to a file")
        func rollback() async throws {
            let pool = try await Pool(workers: 1, slots: 1)
            let home = "\(pool.folder.path)/operator/state", worker = "\(pool.folder.path)/worker-0/state/worker"
            let file = "\(pool.folder.path)/backup.tar"
            try await pool.expect(["coordinator", "backup", file])
            for _ in 0..<3 { try await pool.expect(["ledger", "grant", "self", "5", "--reason", "more"]) }
            try await pool.expect(["ledger", "checkpoint"])
            // A worker looks when it starts.
            try await pool.killWorker(0)
            for name in Self.kept(worker) {
                try FileManager.default.removeItem(atPath: "\(worker)/checkpoints/\(name)")
            }
            try pool.startWorker(0)
            while Self.kept(worker).isEmpty { try await Task.sleep(for: .milliseconds(50)) }
            try await pool.killWorker(0)
            #expect(try Self.evidence(home).isEmpty && Self.evidence(worker).isEmpty)
            try await pool.killCoordinator()
            let state = "\(home)/coordinator"
            try FileManager.default.moveItem(atPath: state, toPath: "\(state).lost")
            try await pool.expect(["coordinator", "restore", file])
            try await pool.startCoordinator()
            let told = try await Cloud.fog(["ledger", "checkpoint"], home: pool.home)
            #expect(told.status == 1 && told.errors.contains("log_rollback"))
            try pool.startWorker(0)
            while try Self.evidence(worker).isEmpty { try await Task.sleep(for: .milliseconds(50)) }
            // And when the log is longer again, by other records.
            for _ in 0..<6 {
                _ = try await Cloud.fog(["ledger", "grant", "self", "7", "--reason", "other"], home: pool.home)
            }
            let forked = try await Cloud.fog(["ledger", "checkpoint"], home: pool.home)
            #expect(forked.status == 1 && forked.errors.contains("log_fork"))
            for found in try Self.evidence(home) + Self.evidence(worker) {
                let kept = try #require(found["kept"] as? String), shown = try #require(found["shown"] as? String)
                #expect(kept != shown)
                #expect(kept.hasPrefix("fog.ledger/") && shown.hasPrefix("fog.ledger/"))
            }
            #expect(try Set(Self.evidence(home).compactMap { $0["code"] as? String }) == ["log_rollback", "log_fork"])
            try await pool.stop()
        }
    }
}
