import Foundation
import Testing

extension EndToEnd {
    /// A machine's owner at work with the real worker. Nothing here depends on the hour, the keyboard or the heat of the
    /// machine: a pause and a denied account hold whatever the sensors say.
    @Suite("The owner of a machine", .timeLimit(.minutes(10)))
    struct OwnerTests {
        /// What `fog node list` says that keeps the only node from work.
        private func closed(_ pool: Pool) async throws -> String {
            try await pool.expect(["node", "list", "--output", "json"]).output
        }

        private func wait(_ pool: Pool, _ isSo: (String) -> Bool) async throws {
            while !isSo(try await closed(pool)) { try await Task.sleep(for: .milliseconds(100)) }
        }

        @Test("He pauses it, changes its rules and names whose work it takes; the pool is told why")
        func controls() async throws {
            let pool = try await Pool(workers: 1, slots: 1, policy: "dedicated")
            let machine = "\(pool.folder.path)/worker-0"
            func worker(_ arguments: String...) async throws -> Child.End {
                try await Cloud.fog(["worker"] + arguments, home: machine)
            }
            try await wait(pool) { $0.contains("\"live\"") }

            let paused = try await worker("pause", "--for", "3h")
            #expect(paused.status == 0 && paused.output.contains("paused by the owner; resumes "), "\(paused.errors)")
            try await wait(pool) { $0.contains("closed: paused by the owner") }
            let id = try await pool.submit("name: waits\nrun: \"true\"\n")
            let why = try await pool.expect(["job", "explain", id])
            #expect(why.output.contains("paused by the owner"), "\(why.output)")
            // It outlives the process.
            try await pool.killWorker(0)
            try pool.startWorker(0)
            // The pool may still speak of the one that was killed; what follows is for the one that comes.
            while try await !worker("policy", "show", "--output", "json").output.contains("paused by the owner") {
                try await Task.sleep(for: .milliseconds(50))
            }
            try await wait(pool) { $0.contains("closed: paused by the owner") && $0.contains("\"live\"") }

            let wrong = try await worker("policy", "edit", "idel=5m")
            #expect(wrong.status == 65 && wrong.errors.contains("did you mean `idle`?"), "\(wrong.errors)")
            let edited = try await worker("policy", "edit", "base=dedicated", "submitters={deny: [operator]}")
            #expect(edited.status == 0 && edited.output.contains("deny: [\"operator\"]"), "\(edited.errors)")
            #expect(try await worker("resume").status == 0)
            try await wait(pool) { !$0.contains("paused by the owner") }
            let denied = try await pool.expect(["job", "explain", id])
            #expect(denied.output.contains("its owner does not take work of operator"), "\(denied.output)")
            let shown = try await worker("policy", "show", "--output", "json")
            #expect(shown.output.contains("\"dedicated, edited\""), "\(shown.output)")
            let events = try await worker("history", "--events", "50", "--output", "json")
            #expect(events.output.contains("\"paused\"") || events.output.contains("paused by the owner"))
            try await pool.stop()
            let gone = try await worker("pause")
            #expect(gone.status == 1 && gone.errors.contains("not_running"), "\(gone.errors)")
        }
    }
}
