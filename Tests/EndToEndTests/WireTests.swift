import FogCore
import FogMixnet
import Foundation
import Glibc
import Testing

extension EndToEnd {
    /// What who watches every link sees of a job that travels through the mixes.
    @Suite("On the wire", .timeLimit(.minutes(10)))
    struct WireTests {
        /// Random texts that a job is made of, to look for where they must not be.
        struct Secrets {
            let job = Self.text()
            let argument = Self.text()
            let file = Self.text()
            let input = Self.text()

            /// What the task makes of its input; it stands nowhere before.
            var output: String {
                String(
                    input.map { $0.hexDigitValue.map { Character(UnicodeScalar(UInt8(ascii: "g") + UInt8($0))) } ?? $0 }
                )
            }

            var all: [String] { [job, argument, file, input, output] }

            private static func text() -> String { Hex.encode(SecureRandom.bytes(12)) }

            /// - Parameter privacy: what the manifest asks for; who asks for none is known by everybody on the way.
            func manifest(in folder: TemporaryFolder, _ privacy: String) throws -> String {
                _ = try folder.write(input, to: file)
                return try folder.write(
                    """
                    name: j\(job)
                    privacy: \(privacy)
                    inputs: {"\(file)": "\(folder.path)/\(file)"}
                    outputs: [out]
                    run: |
                      : \(argument)
                      tr 0-9a-f g-v < \(file) | tee out
                    """, to: "job.yaml")
            }
        }

        @Test(
            "Of a job at the level secret every byte is a frame of one size between mixes, nobody meets another, and nothing is plain",
            .enabled(if: Wire.isPossible, "needs root, nsenter(1) and ip(8) for a network of its own"))
        func secret() async throws {
            let secrets = Secrets()
            try await watch(secrets, at: .secret, "secret", hiding: secrets.all)
        }

        @Test(
            "A private job's worker meets the coordinator alone, and nothing of the job is plain there either",
            .enabled(if: Wire.isPossible, "needs root, nsenter(1) and ip(8) for a network of its own"))
        func sealed() async throws {
            let secrets = Secrets()
            try await watch(secrets, at: .private, "private", hiding: secrets.all)
        }

        @Test(
            "Where the worker's way is direct it alone meets the coordinator, and what is public there is seen",
            .enabled(if: Wire.isPossible, "needs root, nsenter(1) and ip(8) for a network of its own"))
        func direct() async throws {
            let secrets = Secrets()
            try await watch(secrets, at: .private, "public", hiding: [])
        }

        /// - Parameter hidden: what of the job's texts nobody may see; the others are seen on the worker's way.
        private func watch(
            _ secrets: Secrets, at level: RouteLevel, _ privacy: String, hiding hidden: [String]
        ) async throws {
            let suite = PacketSuite.k400
            let control = "control-\(Hex.encode(SecureRandom.bytes(8)))"
            let wire = try await Wire(markers: secrets.all + [control], frameBytes: suite.packetBytes + 17)
            defer { wire.end() }
            let folder = try TemporaryFolder()
            let ports = try await wire.within { try await work(secrets, level, privacy, control, folder, wire) }

            let late = wire.flows.filter(\.isLate)
            // The watcher sees what is plain: the operator's own requests, before the job.
            #expect(wire.found[control] == [ports.coordinator])
            // Nobody meets another: every connection goes to a node of the network or to an authority.
            let strange = late.filter { !ports.nodes.contains($0.server) && !ports.authorities.contains($0.server) }
            // The worker's way is a direct one below the level secret, to the coordinator alone.
            let direct: Set<UInt16> = level == .secret ? [] : [ports.coordinator]
            #expect(Set(strange.map(\.server)) == direct)
            // Foundation wakes its own threads by datagrams of one byte, from a process to itself.
            #expect(wire.foreign.allSatisfy { $0[9] == 17 && $0[2...3] == [0, 29] }, "\(wire.foreign.prefix(5))")
            // One size between mix parties, after a greeting that is the same for all.
            let links = wire.flows.filter { ports.nodes.contains($0.server) }
            #expect(links.count > 20)
            for path in [\Wire.Flow.up, \.down] {
                let directions = links.map { $0[keyPath: path] }
                let ends = directions.reduce(into: [Int: Int]()) { $0.merge($1.remainders, uniquingKeysWith: +) }
                // Now and then TCP cuts a burst within a frame.
                let odd = ends.values.reduce(0, +) - (ends.values.max() ?? 0)
                #expect(odd * 100 <= ends.values.reduce(0, +), "\(ends)")
                let greetings = directions.reduce(into: Set<Int>()) { $0.formUnion($1.firstEnds) }
                #expect(greetings.count <= 2, "\(greetings)")
                #expect(directions.filter(\.hasGap).count < directions.count / 2)
            }
            #expect(links.map(\.up.bytes).reduce(0, +) > 1 << 20)
            // And nothing is plain, anywhere: on the wire or with the coordinator.
            for secret in secrets.all {
                let there = try files(in: "\(folder.path)/operator", holding: secret)
                #expect(there.isEmpty == hidden.contains(secret), "\(secret): \(there)")
                #expect(wire.found[secret] == (hidden.contains(secret) ? nil : [ports.coordinator]), "\(secret)")
            }
        }

        private struct Ports {
            let coordinator: UInt16
            let nodes: Set<UInt16>
            let authorities: Set<UInt16>
        }

        /// A coordinator, a worker and a submitter who know only the mixnet; a job from one end to the other.
        private func work(
            _ secrets: Secrets, _ level: RouteLevel, _ privacy: String, _ control: String, _ folder: TemporaryFolder,
            _ wire: Wire
        ) async throws -> Ports {
            func home(_ name: String) -> String { "\(folder.path)/\(name)" }
            func fog(_ arguments: String..., as name: String) async throws -> Child.End {
                let end = try await Cloud.fog(arguments, home: home(name))
                guard end.status == 0 else { throw Problem("fog \(arguments): \(end.errors)\(end.output)") }
                return end
            }
            let network = try await MixNetwork(
                "--mixes", "9", "--authorities", "4", "--epoch", "20s", "--payload-interval", "10ms")
            let coordinator = try Child(
                Places.fog,
                [
                    "coordinator", "run", "--listen", "127.0.0.1:0", "--trust-all-nodes", "--mix",
                    network.path,
                ], environment: Cloud.environment(home: home("operator")))
            let url = try await coordinator.line(within: Cloud.patience) { $0.hasPrefix("ready ") }
            let service = try await coordinator.line(within: Cloud.patience) { $0.hasPrefix("mix ") }
            let address = try MixServiceAddress(service.dropFirst("mix ".count))
            while true {
                let shown = try await Cloud.fog(
                    ["directory", "show", network.path, "-o", "json"], home: home("operator"))
                if shown.output.contains(address.node.description) { break }
                try await Task.sleep(for: .milliseconds(500))
            }
            _ = try await Cloud.fog(["job", "show", control], home: home("operator"))
            func token(_ role: String) async throws -> String {
                let made = try await fog(
                    "enroll", "create", "--role", role, "--owner", "self", "--quiet", as: "operator")
                return try #require(made.output.split(whereSeparator: \.isWhitespace).last.map(String.init))
            }
            let tokens = (worker: try await token("worker"), client: try await token("client"))

            wire.mark()
            for (name, token) in [("worker", tokens.worker), ("submitter", tokens.client)] {
                let isMixed = level == .secret || name == "submitter"
                let mixed = ["--mix", network.path, "--service", address.description, "--level", "\(level)"]
                let way = isMixed ? mixed : []
                let join = try await Cloud.fog(["join", token, "--name", name] + way, home: home(name))
                guard join.status == 0 else { throw Problem("fog join: \(join.errors)") }
                #expect(join.errors.contains("NO ANONYMITY") == isMixed)
            }
            let worker = try Child(
                Places.fog, ["worker", "run", "--policy", "always", "--name", "mixed", "--slots", "1"],
                environment: Cloud.environment(home: home("worker")))
            var machines: Set<String> = []
            while privacy != "public", machines.isEmpty {
                machines = Set(try await fog("candidate", "list", "--quiet", as: "submitter").lines.map(String.init))
            }
            for machine in machines { _ = try await fog("candidate", "pin", machine, as: "submitter") }
            let sent = try await fog(
                "job", "submit", try secrets.manifest(in: folder, privacy), "--wait", "--quiet", as: "submitter")
            let id = String(try #require(sent.lines.first))
            #expect(try await fog("logs", id, as: "submitter").output == secrets.output)
            _ = try await fog("job", "outputs", id, "--to", home("results"), as: "submitter")
            #expect(try folder.text(of: "results/out") == secrets.output)
            let node = try JSON(parsing: try await fog("node", "show", "mixed", "-o", "json", as: "submitter").output)
            #expect(node["report"]?["privacy"] == (level == .secret ? "secret" : "confidential"))
            #expect(node["report"]?["mix"] == (level == .secret ? "secret" : nil))

            for (child, name) in [(worker, "worker"), (coordinator, "coordinator")] {
                child.signal(SIGTERM)
                let end = try await child.end(within: Cloud.patience)
                #expect(end.status == 0, "\(name): \(end.errors)")
            }
            let ports = Ports(
                coordinator: try port(of: String(url)), nodes: try nodes(of: network, home("submitter")),
                authorities: Set(try network.file.authorities.map { try port(of: $0.url) }))
            #expect(try await network.stop().status == 0)
            return ports
        }

        private func files(in folder: String, holding text: String) throws -> [String] {
            let names = try #require(FileManager.default.enumerator(atPath: folder)).compactMap { $0 as? String }
            return names.filter { name in
                (try? Data(contentsOf: URL(filePath: "\(folder)/\(name)")))?.range(of: Data(text.utf8)) != nil
            }
        }

        private func port(of place: String) throws -> UInt16 {
            try #require(place.split(separator: ":").last.flatMap { UInt16($0) }, "\(place)")
        }

        /// Where the nodes listen that a client has heard of.
        private func nodes(of network: MixNetwork, _ home: String) throws -> Set<UInt16> {
            let name = Hex.encode(network.file.parameters.networkID.bytes.prefix(8))
            let folder = "\(home)/state/mixnet/\(name)/consensus"
            let files = try FileManager.default.contentsOfDirectory(atPath: folder)
            var ports: Set<UInt16> = []
            for file in files {
                let bytes = try Array(Data(contentsOf: URL(filePath: "\(folder)/\(file)")))
                for node in try SignedConsensus(bytes: bytes).consensus.nodes {
                    ports.formUnion(try node.descriptor.addresses.map { try port(of: $0) })
                }
            }
            return ports
        }
    }
}
