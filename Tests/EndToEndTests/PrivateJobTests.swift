import FogCore
import FogMixnet
import Foundation
import Testing

extension EndToEnd {
    /// Private jobs from a manifest to a machine and back, and what the coordinator has of them in the end: nothing.
    @Suite("Private jobs", .timeLimit(.minutes(10)))
    struct PrivateJobTests {
        /// A coordinator with a door into a network of processes, and a context that goes through it.
        private struct Place {
            let network: MixNetwork
            let home: TemporaryFolder
            let cloud: Cloud

            init() async throws {
                network = try await MixNetwork(
                    "--mixes", "3", "--authorities", "4", "--epoch", "15s", "--mean-delay", "5ms")
                home = try TemporaryFolder()
                cloud = try await Cloud(home: home.path, options: "--workers", "2", "--mix", network.path)
                let service = try service()
                while try await network.consensus().index(of: service.node) == nil {
                    try await Task.sleep(for: .milliseconds(100))
                }
                let set = try await cloud.fog(
                    "context", "mix", "dev", "--network", network.path, "--service", service.description)
                try #require(set.status == 0, "\(set.errors)")
            }

            /// What `fog dev --mix` prints as its service.
            private func service() throws -> MixServiceAddress {
                let folder = "\(home.path)/state/dev/coordinator/mix"
                let text = try String(contentsOfFile: "\(folder)/service.key", encoding: .utf8)
                let secret = try #require(Hex.decode(text.trimmingCharacters(in: .newlines)))
                return try MixServiceAddress(
                    node: MixKeyStore(folder: folder).identity.publicKey,
                    key: ServiceKeyRing(lasting: secret).publicKey)
            }

            /// Keys of the machines that take private jobs.
            func candidates() async throws -> [String] {
                let end = try await cloud.fog("candidate", "list", "--quiet")
                #expect(end.status == 0, "\(end.errors)")
                return end.lines.map { String($0) }
            }

            func pin(_ keys: [String]) async throws {
                let end = try await Cloud.fog(["candidate", "pin"] + keys, home: home.path)
                #expect(end.status == 0, "\(end.errors)")
            }

            /// Files of the coordinator that hold these bytes.
            func files(holding text: String) throws -> [String] {
                let folder = "\(home.path)/state/dev/coordinator"
                let names = try #require(FileManager.default.enumerator(atPath: folder)).compactMap { $0 as? String }
                return names.filter { name in
                    (try? Data(contentsOf: URL(filePath: "\(folder)/\(name)")))?.range(of: Data(text.utf8)) != nil
                }
            }
        }

        private static let manifest = "\(Places.jobs)/private.yaml"

        @Test("jobs/private.yaml runs on a machine that was pinned, and the coordinator has no word of it")
        func job() async throws {
            let place = try await Place()
            let cloud = place.cloud
            let unknown = try await cloud.fog("job", "submit", Self.manifest)
            #expect(unknown.status == 77 && unknown.errors.contains("not pinned"), "\(unknown.errors)")
            let machines = try await place.candidates()
            #expect(machines.count == 2)
            try await place.pin(machines)
            let dry = try await cloud.fog("job", "submit", Self.manifest, "--dry-run")
            #expect(dry.status == 0, "\(dry.errors)")

            let job = try await cloud.finished(Self.manifest)
            #expect(job.name == "risk")
            job.expectSmooth(tasks: 1)
            #expect(try await cloud.logs(job) == "3\n")
            let outputs = try await cloud.outputs(job)
            let ranked = try String(contentsOfFile: "\(outputs.path)/ranked.csv", encoding: .utf8)
            #expect(ranked == "old-mill,87\nquarry-road,233\nharbour-lane,412\n")
            #expect(try await cloud.job("risk").id == job.id)

            let seal = try #require(
                FileManager.default.contentsOfDirectory(atPath: "\(place.home.path)/state/private").first?
                    .split(separator: ".").first)
            // So the search does find what is there.
            #expect(try !place.files(holding: "sealed-\(seal)").isEmpty)
            for word in [
                "risk", "sort -t", "ranked", "accounts.csv", "SCORES", "harbour-lane", "quarry-road,233", "old-mill,87",
                "private/accounts.csv",
            ] {
                let found = try place.files(holding: word)
                #expect(found.isEmpty, "`\(word)` lies with the coordinator, in \(found)")
            }

            // Without its key nobody opens it, and that is said.
            try FileManager.default.removeItem(atPath: "\(place.home.path)/state/private")
            let lost = try await cloud.fog("job", "outputs", job.id)
            #expect(lost.status == 77 && lost.errors.contains("lost_key"), "\(lost.errors)")
            #expect(try await cloud.stop().status == 0)
            #expect(try await place.network.stop().status == 0)
        }

        @Test("It is never sent another way: not in clear, and not over fewer hops than it asks for")
        func refusal() async throws {
            let cloud = try EndToEnd.cloud
            for arguments in [
                ["job", "submit", Self.manifest], ["job", "submit", Self.manifest, "--dry-run"],
                ["run", "--privacy", "secret", "--", "true"],
            ] {
                let end = try await Cloud.fog(arguments, home: cloud.home)
                // `fog run` keeps the small numbers for the command's own.
                #expect(end.status == (arguments[0] == "run" ? 125 : 77), "\(end.errors)")
                #expect(end.errors.contains("nothing was sent") && end.errors.contains("fog context mix"))
            }
            // What says it is private and is not sealed is refused by the coordinator as well.
            let weaker = try await cloud.fog("job", "submit", Self.manifest, "--privacy", "public")
            #expect(weaker.status == 65 && weaker.errors.contains("only makes stronger"), "\(weaker.errors)")
        }
    }
}
