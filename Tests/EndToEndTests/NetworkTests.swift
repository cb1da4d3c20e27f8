import Foundation
import Glibc
import Testing

extension EndToEnd {
    /// Jobs that name hosts, from the manifest to the server and back.
    @Suite("Jobs with a network", .timeLimit(.minutes(10)))
    struct NetworkTests {
        /// A web server on loopback that hands out the files of a folder.
        private func serve(_ folder: TemporaryFolder) async throws -> (server: Child, port: String) {
            let server = try Child(
                "/usr/bin/python3",
                ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder.path],
                environment: ProcessInfo.processInfo.environment)
            let line = try await server.line(within: Cloud.patience) { $0.contains(" port ") }
            let words = line.split(separator: " ")
            let place = try #require(words.firstIndex(of: "port"))
            return (server, String(words[place + 1]))
        }

        /// - Parameter more: lines of the manifest.
        private func manifest(_ name: String, fetch url: String, _ more: String) -> String {
            """
            name: \(name)
            env: {NO_PROXY: "", no_proxy: ""}
            run: |
              python3 - <<'END'
              import urllib.request, urllib.error
              try: data = urllib.request.urlopen("\(url)").read()
              except urllib.error.HTTPError as error: data = error.read(); print(error.code)
              open("got.bin", "wb").write(data)
              END
            outputs: [got.bin]
            \(more)
            """
        }

        @Test(
            "A job fetches a file from the host that it names, and from no other",
            .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3"), "needs python3"))
        func fetches() async throws {
            let folder = try TemporaryFolder()
            let content = Data((0..<(1 << 20)).map { _ in UInt8.random(in: 0...255) })
            try content.write(to: URL(fileURLWithPath: "\(folder.path)/data.bin"))
            let (server, port) = try await serve(folder)
            defer { server.signal(SIGTERM) }
            let home = try TemporaryFolder()
            try FileManager.default.createDirectory(
                atPath: "\(home.path)/config", withIntermediateDirectories: true)
            // Loopback is what the owner of this machine opens here.
            _ = try home.write("proxy: {allow_addresses: 127.0.0.1/32}\n", to: "config/config.yaml")
            let cloud = try await Cloud(home: home.path)

            let url = "http://127.0.0.1:\(port)/data.bin"
            let list = "profile: network-client\nallow_hosts: [\"127.0.0.1:\(port)\"]"
            let fetch = try await cloud.finished(
                try folder.write(manifest("fetch", fetch: url, list), to: "fetch.yaml"))
            let outputs = try await cloud.outputs(fetch)
            #expect(try Data(contentsOf: URL(fileURLWithPath: "\(outputs.path)/got.bin")) == content)

            let other = "profile: network-client\nallow_hosts: [\"127.0.0.1:1\"]"
            let refused = try await cloud.finished(
                try folder.write(manifest("other", fetch: url, other), to: "other.yaml"))
            #expect(try await cloud.logs(refused) == "403\n")
            #expect(try await cloud.outputs(refused).text(of: "got.bin").contains("(host_not_allowed)"))

            // The coordinator is no host for tasks, whatever the owner opened.
            let place = String(cloud.url.dropFirst("http://".count))
            let hosts = "profile: network-client\nallow_hosts: [\"\(place)\"]"
            let inward = try await cloud.finished(
                try folder.write(manifest("inward", fetch: "\(cloud.url)/v1/info", hosts), to: "inward.yaml"))
            #expect(try await cloud.outputs(inward).text(of: "got.bin").contains("(coordinator) (address_refused)"))
            #expect(try await cloud.stop().status == 0)
        }

        @Test("A job that names hosts runs only where the machine's owner allows it, and is told so")
        func allowed() async throws {
            let pool = try await Pool(workers: 1, slots: 1, policy: "dedicated")
            let list = "name: out\nrun: \"true\"\nprofile: network-client\nallow_hosts: [\"example.org:443\"]\n"
            let id = try await pool.submit(list)
            let plain = try await pool.submit("name: in\nrun: \"true\"\nprofile: network-client\n")
            try await pool.expect(["job", "wait", plain, "--timeout", "4m"])
            let why = try await pool.expect(["job", "explain", id])
            #expect(why.output.contains("its owner lets no task reach the network"), "\(why.output)")
            #expect(try await pool.job(id).state == "pending")
            try await pool.expect(["worker", "policy", "edit", "base=dedicated", "network=allow"], onWorker: 0)
            try await pool.expect(["job", "wait", id, "--timeout", "4m"])
            #expect(try await pool.job(id).attempts.map(\.outcome) == ["success"])
            try await pool.stop()
        }

        @Test(
            "When the owner takes the network back, a running task's connections are cut and it is told why",
            .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3"), "needs python3"))
        func takenBack() async throws {
            let folder = try TemporaryFolder()
            let (server, port) = try await serve(folder)
            defer { server.signal(SIGTERM) }
            let pool = try await Pool(workers: 1, slots: 1, policy: "dedicated")
            try await pool.killWorker(0)
            _ = try pool.folder.write("proxy: {allow_addresses: 127.0.0.1}\n", to: "worker-0/config/config.yaml")
            try pool.startWorker(0)
            let id = try await pool.submit(
                """
                name: held
                profile: network-client
                allow_hosts: ["127.0.0.1:\(port)"]
                run: |
                  python3 -u - <<'END'
                  import os, socket
                  def ask():
                    s = socket.create_connection(os.environ["HTTPS_PROXY"][7:].split(":"))
                    s.sendall(b"CONNECT 127.0.0.1:\(port) HTTP/1.1\\r\\n\\r\\n")
                    return s, s.recv(4096).decode()
                  s, answer = ask()
                  print(answer.split()[1])
                  try: print("over", s.recv(1))
                  except OSError: print("over b''")
                  print(ask()[1].split("Fog-Error: ")[1].split()[0])
                  END
                """)
            func edit(_ network: String) async throws {
                try await pool.expect(
                    ["worker", "policy", "edit", "base=dedicated", "network=\(network)"], onWorker: 0)
            }
            while !FileManager.default.fileExists(atPath: "\(pool.folder.path)/worker-0/state/worker/control.sock") {
                try await Task.sleep(for: .milliseconds(50))
            }
            try await edit("allow")
            let logs = try Child(
                Places.fog, ["logs", "--follow", id], environment: Cloud.environment(home: pool.home))
            _ = try await logs.line(within: Cloud.patience) { $0 == "200" }
            try await edit("deny")
            try await pool.expect(["job", "wait", id, "--timeout", "4m"])
            let end = try await logs.end(within: Cloud.patience)
            #expect(end.output == "200\nover b''\nnetwork_denied\n", "\(end.output)\(end.errors)")
            try await pool.stop()
        }

        @Test("A manifest whose profile has no network is refused at its place")
        func validated() async throws {
            let folder = try TemporaryFolder()
            let path = try folder.write("run: \"true\"\nallow_hosts: [\"example.org:443\"]\n", to: "x.yaml")
            let profiles = "\(Places.root)/sandbox-profiles"
            for name in ["default.json", "python.json"] {
                try FileManager.default.copyItem(atPath: "\(profiles)/\(name)", toPath: "\(folder.path)/\(name)")
            }
            _ = try folder.write(#"{"name": "mine", "extends": "python"}"#, to: "mine.json")
            let own = try folder.write(
                "run: \"true\"\nprofile: mine\nallow_hosts: [\"example.org:443\"]\n", to: "y.yaml")
            var environment = Cloud.environment(home: folder.path)
            environment["FOG_PROFILES"] = folder.path
            let other = try await Child(Places.fog, ["job", "validate", own], environment: environment)
                .end(within: Cloud.patience)
            #expect(other.status == 65 && other.errors.contains("the profile `mine` has no network"), "\(other.errors)")
            let end = try await Cloud.fog(["job", "validate", path], home: folder.path)
            #expect(end.status == 65)
            #expect(
                end.errors.contains("x.yaml:2:14") && end.errors.contains("profile: network-client"), "\(end.errors)")
        }
    }
}
