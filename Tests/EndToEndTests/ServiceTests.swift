import Foundation
import Glibc
import Testing

extension EndToEnd {
    /// What a service manager, an operator's hook and a tracing system see of the real programs.
    @Suite("As services")
    struct ServiceTests {
        /// A Unix datagram socket, as systemd listens on one.
        private final class Manager {
            let path: String
            private let descriptor: Int32

            init(_ path: String) throws {
                self.path = path
                descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
                var place = sockaddr_un()
                place.sun_family = sa_family_t(AF_UNIX)
                withUnsafeMutableBytes(of: &place.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
                let bound = withUnsafePointer(to: &place) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                    }
                }
                guard descriptor >= 0, bound == 0 else { throw Problem("no socket at \(path)") }
            }

            deinit { close(descriptor) }

            /// The next datagram; nil when none comes for a while.
            func next() async -> String? {
                let descriptor = descriptor
                return await withCheckedContinuation { answer in
                    DispatchQueue.global().async {
                        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                        guard poll(&ready, 1, 30_000) == 1 else { return answer.resume(returning: nil) }
                        var bytes = [UInt8](repeating: 0, count: 4096)
                        let count = recv(descriptor, &bytes, bytes.count, 0)
                        answer.resume(
                            returning: count >= 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil)
                    }
                }
            }
        }

        @Test(
            "A coordinator tells its manager that it is ready, lives and stops; its log is JSON; its hook and traces work"
        )
        func coordinator() async throws {
            let folder = try TemporaryFolder()
            let manager = try Manager("\(folder.path)/notify")
            let hook = try folder.write("#!/bin/sh\ncat >> \(folder.path)/events\n", to: "hook")
            chmod(hook, 0o755)
            let home = "\(folder.path)/home"
            var environment = Cloud.environment(home: home)
            environment["NOTIFY_SOCKET"] = manager.path
            environment["WATCHDOG_USEC"] = "400000"
            environment["FOG_NOTIFY_COMMAND"] = hook
            environment["FOG_NOTIFY_EVENTS"] = "job_*"
            let coordinator = try Child(
                Places.fog,
                ["coordinator", "run", "--listen", "127.0.0.1:0", "--log-format", "json", "--log-level", "debug"],
                environment: environment)
            _ = try await coordinator.line(within: Cloud.patience) { $0.hasPrefix("ready ") }
            // The first sign of life may come before the address is known.
            var first: [String] = []
            while first.last?.hasPrefix("READY=1\nSTATUS=serves http://127.0.0.1:") != true, first.count < 50 {
                first.append(try #require(await manager.next()))
            }
            #expect(first.last?.hasPrefix("READY=1") == true)
            #expect(await manager.next() == "WATCHDOG=1")
            #expect(await manager.next() == "WATCHDOG=1")

            let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            let manifest = try folder.write("name: traced\nlabels: {team: a}\nrun: echo $TRACEPARENT\n", to: "job.yaml")
            var client = Cloud.environment(home: home)
            client["TRACEPARENT"] = trace
            let submitted = try await Child(Places.fog, ["job", "submit", manifest, "--quiet"], environment: client)
                .end(within: Cloud.patience)
            let id = String(try #require(submitted.lines.first, "\(submitted.errors)"))
            let events = try await Cloud.fog(["job", "events", id, "--output", "json"], home: home)
            #expect(events.output.contains("\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\""), "\(events.output)")
            // The hook's program writes when it is run.
            var told = ""
            for _ in 0..<200 where !told.contains("job_submitted") {
                try await Task.sleep(for: .milliseconds(50))
                told = (try? folder.text(of: "events")) ?? ""
            }
            #expect(told.contains("\"job_name\":\"traced\"") && told.contains("\"labels\":{\"team\":\"a\"}"), "\(told)")

            coordinator.signal(SIGTERM)
            let end = try await coordinator.end(within: Cloud.patience)
            #expect(end.status == 0)
            var last: String?
            while let said = await manager.next() {
                last = said
                if said == "STOPPING=1" { break }
            }
            #expect(last == "STOPPING=1")
            let lines = end.errors.split(separator: "\n").filter { $0.hasPrefix("{") }
            let records = try lines.map {
                try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
            }
            let submission = try #require(
                records.first { $0["message"] as? String == "job_submitted" }, "\(end.errors)")
            #expect(submission["job_id"] as? String == id)
            #expect(submission["trace_id"] as? String == "0af7651916cd43dd8448eb211c80319c")
            #expect(submission["level"] as? String == "debug" && submission["time"] is String)
        }

        @Test("A task finds the trace of its job; labels steer it; a machine that leaves is gone for good")
        func worker() async throws {
            let pool = try await Pool(workers: 1, slots: 1)
            let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            let manifest = try pool.folder.write(
                "name: steered\nrun: echo $TRACEPARENT\nrequires: [\"label:room=12\"]\n", to: "job.yaml")
            var client = Cloud.environment(home: "\(pool.folder.path)/operator")
            client["TRACEPARENT"] = trace
            let submitted = try await Child(Places.fog, ["job", "submit", manifest, "--quiet"], environment: client)
                .end(within: Cloud.patience)
            let id = String(try #require(submitted.lines.first, "\(submitted.errors)"))
            while try await pool.expect(["node", "list", "--quiet"]).lines.isEmpty {
                try await Task.sleep(for: .milliseconds(50))
            }
            let waiting = try await pool.expect(["job", "explain", id])
            #expect(waiting.output.contains("label:room=12"), "\(waiting.output)")
            try await pool.expect(["node", "label", "worker-0", "room=12", "quiet"])
            try await pool.expect(["job", "wait", id, "--timeout", "50s"])
            #expect(try await pool.expect(["logs", id]).output == "\(trace)\n")
            let top = try await pool.expect(["top", "--output", "json"])
            #expect(top.output.contains("\"room\": \"12\""), "\(top.output)")

            // A filter alone cancels nothing.
            let other = try await pool.submit(
                "name: never\nlabels: {sweep: x}\nrun: \"true\"\nrequires: [\"label:none\"]\n")
            let home = "\(pool.folder.path)/operator"
            let asked = try await Cloud.fog(["job", "cancel", "--label", "sweep=x"], home: home)
            #expect(asked.status == 1 && asked.output.contains("would cancel"), "\(asked.output)\(asked.errors)")
            #expect(try await pool.job(other).state == "pending")
            try await pool.expect(["job", "cancel", "--label", "sweep=x", "--yes"])
            #expect(try await pool.job(other).state == "cancelled")

            // Its folder is taken while it runs.
            let machine = "\(pool.folder.path)/worker-0"
            let busy = try await Cloud.fog(["worker", "leave"], home: machine)
            #expect(busy.errors.contains("another worker runs"), "\(busy.errors)")
            try await pool.killWorker(0)
            let left = try await Cloud.fog(["worker", "leave", "--purge"], home: machine)
            #expect(left.status == 0, "\(left.errors)")
            #expect(!FileManager.default.fileExists(atPath: "\(machine)/state/worker"))
            let back = try await Cloud.fog(["worker", "run"], home: machine)
            #expect(back.status != 0 && back.errors.contains("revoked"), "\(back.errors)")
        }
    }
}
