import Foundation
import Glibc
import Testing

extension EndToEnd {
    /// Clouds of their own, which are ended and started again.
    @Suite("The life of a cloud")
    struct LifeTests {
        @Test(
            "Ended in the middle of its work and started again, it goes on: nothing is lost, nothing starts from zero")
        func restart() async throws {
            let folder = try TemporaryFolder()
            let home = "\(folder.path)/home"
            let resumed = try folder.write(
                """
                name: resumed
                run: |
                  if [ -f "$FOG_CHECKPOINT_DIR/state" ]; then
                    echo "goes on from $(cat "$FOG_CHECKPOINT_DIR/state")"
                    exit
                  fi
                  echo 41 > "$FOG_CHECKPOINT_DIR/state"
                  echo saved
                  exec sleep 600
                """, to: "resumed.yaml")
            let waiting = try folder.write("name: waiting\nrun: echo it was my turn\n", to: "waiting.yaml")
            // One slot, which the first job fills: the second waits for it.
            var cloud = try await Cloud(home: home, options: "--slots", "1")
            let first = try #require(try await cloud.fog("job", "submit", resumed, "--quiet").lines.first).description
            _ = try await cloud.start("logs", "--follow", first).line(within: Cloud.patience) { $0 == "saved" }
            let second = try #require(try await cloud.fog("job", "submit", waiting, "--quiet").lines.first).description
            #expect(try await cloud.job(first).state == "running")
            #expect(try await cloud.job(second).state == "pending")
            #expect(try await cloud.stop().status == 0)
            // Nobody is there to ask, which is not the same as jobs that go on.
            let unheard = try await cloud.fog("job", "wait", first, second, "--timeout", "1s")
            #expect(unheard.status == 3)
            #expect(unheard.errors.contains("cannot be reached"), "\(unheard.errors)")

            cloud = try await Cloud(home: home, options: "--slots", "1")
            let wait = try await cloud.fog("job", "wait", first, second, "--timeout", "4m")
            #expect(wait.status == 0, "\(wait.output)\(wait.errors)")
            let interrupted = try await cloud.job(first)
            #expect(interrupted.outcomes == ["drained", "success"])
            #expect(interrupted.rows.map(\.taskFailures) == [0])
            #expect(try await cloud.logs(interrupted) == "goes on from 41\n")
            let patient = try await cloud.job(second)
            patient.expectSmooth(tasks: 1)
            #expect(try await cloud.logs(patient) == "it was my turn\n")
            #expect(try await cloud.fog("ledger", "audit", "--quiet").status == 0)
            #expect(try await cloud.stop().status == 0)
        }

        @Test("A second cloud on the same home is refused while the first one runs")
        func locked() async throws {
            let cloud = try EndToEnd.cloud
            let end = try await cloud.fog("dev", "--listen", "127.0.0.1:0")
            #expect(end.status == 1)
            #expect(end.errors.contains("another process writes to this store"), "\(end.errors)")
            #expect(!end.output.contains("ready"))
        }

        @Test("A cloud listens on loopback only")
        func loopback() async throws {
            let home = try TemporaryFolder()
            let end = try await Cloud.fog(["dev", "--listen", "0.0.0.0:0"], home: home.path)
            #expect(end.status == 64)
            #expect(end.errors.contains("not_loopback"), "\(end.errors)")
        }

        @Test("Who joins with a token runs jobs of their own, and sees nothing of others")
        func joining() async throws {
            let (home, other) = (try TemporaryFolder(), try TemporaryFolder())
            let cloud = try await Cloud(home: home.path, listen: "127.0.0.1:\(try Self.freePort())")
            let hello = "\(Places.jobs)/hello.yaml"
            let job = try await cloud.finished(hello)
            let made = try await cloud.fog("enroll", "create", "--role", "client", "--credits", "5", "--quiet")
            let token = try #require(made.lines.first, "\(made.errors)").description
            func asAlice(_ arguments: String...) async throws -> Child.End {
                try await Cloud.fog(arguments, home: other.path)
            }
            let joined = try await asAlice("join", token, "--name", "alice")
            #expect(joined.status == 0, "\(joined.errors)")
            #expect(try await asAlice("ledger", "balance").output.contains("5 credits"))
            #expect(try await asAlice("ps", "--quiet").output.isEmpty)
            for command in ["show", "logs", "cancel"] {
                let end = try await asAlice("job", command, job.id)
                #expect(end.status == 1)
                #expect(end.errors.contains("not_found"), "\(end.errors)")
            }
            let own = try await asAlice("job", "submit", hello, "--wait", "--quiet")
            #expect(own.status == 0, "\(own.errors)")
            #expect(try await asAlice("ps", "--quiet").output == own.output)
            let second = try TemporaryFolder()
            let used = try await Cloud.fog(["join", token, "--name", "bob"], home: second.path)
            #expect(used.status == 1)
            #expect(used.errors.contains("bad_token"), "\(used.errors)")
            #expect(try await cloud.fog("ledger", "audit", "--quiet").status == 0)
            #expect(try await cloud.stop().status == 0)
        }

        /// A port that is free now: a token names the address that was asked for.
        private static func freePort() throws -> UInt16 {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let code = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { plain in
                    bind(descriptor, plain, size) == 0 ? getsockname(descriptor, plain, &size) : -1
                }
            }
            guard code == 0 else { throw Problem("no free port: \(String(cString: strerror(errno)))") }
            return UInt16(bigEndian: address.sin_port)
        }
    }
}
