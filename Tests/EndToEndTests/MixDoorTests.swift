import FogCore
import FogMixnet
import Foundation
import Glibc
import Testing

extension EndToEnd {
    /// A coordinator with a door into a network of processes, and commands that know no other way to it.
    @Suite("Through the mixnet", .timeLimit(.minutes(10)))
    struct MixDoorTests {
        /// What `fog dev --mix` prints as its service.
        private func service(of home: String) throws -> MixServiceAddress {
            let folder = "\(home)/state/dev/coordinator/mix"
            let text = try String(contentsOfFile: "\(folder)/service.key", encoding: .utf8)
            let secret = try #require(Hex.decode(text.trimmingCharacters(in: .newlines)))
            return try MixServiceAddress(
                node: MixKeyStore(folder: folder).identity.publicKey, key: ServiceKeyRing(lasting: secret).publicKey)
        }

        /// What a command prints as a document.
        private func document(_ cloud: Cloud, _ arguments: String...) async throws -> JSON {
            let end = try await Cloud.fog(arguments + ["-o", "json"], home: cloud.home)
            #expect(end.status == 0, "\(end.errors)")
            return try JSON(parsing: end.output)
        }

        @Test(
            "A mix that lets packets go at once is found out by the coordinator, and costs its owner's machines trust")
        func watch() async throws {
            let network = try await MixNetwork(
                "--mixes", "3", "--authorities", "4", "--epoch", "30s", "--mean-delay", "20ms")
            let home = try TemporaryFolder()
            let cloud = try await Cloud(home: home.path, options: "--mix", network.path)
            let state = "\(home.path)/hasty"
            let made = try await cloud.fog("enroll", "create", "--role", "worker", "--owner", "self", "--quiet")
            let token = try #require(made.output.split(whereSeparator: \.isWhitespace).last.map(String.init))
            let claimed = try await cloud.fog("mixnode", "claim", token, "--state", state)
            #expect(claimed.status == 0, "\(claimed.errors)")
            let mix = try Child(
                Places.fog,
                [
                    "mixnode", "run", "--directory", network.path, "--listen", "127.0.0.1:0", "--state", state,
                    "--hasty",
                ],
                environment: Cloud.environment(home: home.path))
            let node = try #require(try await cloud.fog("node", "list", "--quiet").lines.first.map(String.init))
            var kinds: [JSON] = []
            while !kinds.contains(where: { $0["verdict"] == "mix_cheat" }) {
                try await Task.sleep(for: .seconds(1))
                let shown = try await document(cloud, "node", "show", node)
                kinds = (shown["reputation"]?.array ?? []).flatMap { $0["kinds"]?.array ?? [] }
            }
            #expect(kinds.first { $0["verdict"] == "mix_cheat" }?["count"] == 1)
            mix.signal(SIGTERM)
            #expect(try await mix.end(within: Cloud.patience).status == 0)
            #expect(try await cloud.stop().status == 0)
            #expect(try await network.stop().status == 0)
        }

        @Test("A job is sent, followed and read through the mixes alone, and without them nothing is sent")
        func job() async throws {
            let network = try await MixNetwork(
                "--mixes", "3", "--authorities", "4", "--epoch", "15s", "--mean-delay", "5ms")
            let home = try TemporaryFolder()
            let cloud = try await Cloud(home: home.path, options: "--mix", network.path)
            let service = try service(of: home.path)
            while try await network.consensus().index(of: service.node) == nil {
                try await Task.sleep(for: .milliseconds(100))
            }
            let set = try await cloud.fog(
                "context", "mix", "dev", "--network", network.path, "--service", service.description)
            #expect(set.status == 0, "\(set.errors)")
            #expect(set.errors.contains("NO ANONYMITY"))
            // Where nobody listens: what a command brings about from now on came through the mixes.
            let path = "\(home.path)/config/contexts.json"
            let contexts = try String(contentsOfFile: path, encoding: .utf8)
            let moved = contexts.replacingOccurrences(of: cloud.url, with: "http://127.0.0.1:1")
            try #require(moved != contexts)
            try moved.write(toFile: path, atomically: true, encoding: .utf8)
            let manifest = "\(home.path)/job.yaml"
            try "name: through\ncommand: [sh, -c, \"echo mixed; echo $FOG_TASK_INDEX > out\"]\n"
                .write(toFile: manifest, atomically: true, encoding: .utf8)
            let job = try await cloud.finished(manifest)
            // The guards are kept, and one set serves all commands.
            let kept = try FileManager.default.contentsOfDirectory(atPath: "\(home.path)/state/mixnet")
            #expect(kept.count == 1)
            #expect(try await cloud.logs(job) == "mixed\n")
            // By circuits, which the next command finds where the last one left them.
            let listed = try await document(cloud, "circuit", "list")
            let circuits = (listed["circuits"]?.array ?? []).filter { $0["packets"]?.integer != 0 }
            #expect((1...4).contains(circuits.count), "\(listed.compact)")
            #expect(circuits.allSatisfy { $0["level"] == "private" && $0["hops"] == 3 && $0["state"] != "building" })
            #expect(listed["guards"]?.array?.isEmpty == false)
            let name = try #require(circuits.first?["id"]?.string)
            let shown = try await document(cloud, "circuit", "show", String(name.prefix(8)))
            #expect(
                shown["guard"] == circuits.first?["guard"] && shown["network"] == .string(network.file.parameters.name))
            let folder = "\(home.path)/state/mixnet/\(try #require(kept.first))"
            for file in ["guards.json", "circuits.json"] {
                let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(file)")
                #expect(attributes[.posixPermissions] as? Int == 0o600)
            }
            let end = try await network.stop()
            #expect(end.status == 0, "\(end.errors)")
            let refused = try await cloud.fog("job", "show", job.id)
            #expect(refused.status != 0)
            #expect(refused.errors.contains("nothing was sent"), "\(refused.errors)")
            #expect(try await cloud.stop().status == 0)
        }
    }
}
