import Foundation
import Glibc
import Testing

extension EndToEnd {
    /// What tasks bring along, find on the machine, and are told.
    @Suite("Software and data of a task")
    struct DataTests {
        private let cloud: Cloud

        init() throws { cloud = try EndToEnd.cloud }

        @Test("A folder arrives with empty folders, links as content, and without what is ignored")
        func folder() async throws {
            let place = try TemporaryFolder()
            try FileManager.default.copyItem(atPath: "\(Places.jobs)/folder/tree", toPath: "\(place.path)/tree")
            try FileManager.default.copyItem(
                atPath: "\(Places.jobs)/folder/folder.yaml", toPath: "\(place.path)/folder.yaml")
            try FileManager.default.createDirectory(
                atPath: "\(place.path)/tree/empty/inner", withIntermediateDirectories: true)
            let job = try await cloud.finished("\(place.path)/folder.yaml")
            job.expectSmooth(tasks: 1)
            let script = try place.bytes(of: "tree/src/list").count
            let listing = try await cloud.outputs(job).text(of: "listing.txt")
            #expect(
                listing.split(separator: "\n") == [
                    "/", "empty/", "empty/inner/", "run \(script)", "src/", "src/keep.tmp 5", "src/list \(script)",
                ])
        }

        @Test("A program for another machine goes nowhere, and the job says why")
        func foreignProgram() async throws {
            let place = try TemporaryFolder()
            // The head of an ELF executable for s390x, which no test machine is.
            let head: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 2, 1] + Array(repeating: 0, count: 9) + [0, 2, 0, 22]
            try Data(head).write(to: URL(filePath: "\(place.path)/solve"))
            chmod("\(place.path)/solve", 0o755)
            let manifest = try place.write("name: foreign\nrun: ./solve\ninputs: [solve]\n", to: "foreign.yaml")
            let submitted = try await cloud.fog("job", "submit", manifest, "--quiet")
            let id = try #require(submitted.lines.first.map(String.init), "\(submitted.errors)")
            let explained = try await cloud.fog("job", "explain", id)
            #expect(explained.output.contains("arch:s390x for solve"), "\(explained.output)")
            #expect(try await cloud.job(id).attempts.isEmpty)
            #expect(try await cloud.fog("job", "cancel", id, "--reason", "seen").status == 0)
        }

        @Test("A volume is read in place; a job that wants another one waits with the reason")
        func volume() async throws {
            let job = try await cloud.finished("\(Places.jobs)/volume.yaml")
            job.expectSmooth(tasks: 2)
            let folder = try await cloud.outputs(job)
            let count = try folder.text(of: "3/words.txt").trimmingCharacters(in: .whitespacesAndNewlines)
            let text = try String(contentsOfFile: "\(Places.licenses)/GPL-3", encoding: .utf8)
            #expect(Int(count) == text.split(whereSeparator: \.isWhitespace).count)
            let place = try TemporaryFolder()
            let manifest = try place.write(
                "name: other\nrun: ls v\ninputs: {v: \"volume:genomes\"}\n", to: "other.yaml")
            let end = try await cloud.fog("job", "submit", manifest, "--dry-run")
            #expect(end.output.contains("volume:genomes"), "\(end.output)")
            let refused = try place.write(
                "name: write\nrun: echo x > v/new\ninputs: {v: \"volume:licenses\"}\nretry: {max_attempts: 1}\n",
                to: "write.yaml")
            #expect(try await cloud.finished(refused, status: 1).outcomes == ["exit_nonzero"])
        }

        // MARK: Images

        /// A root with a shell and what it needs, written by tar from this machine's own files.
        private func image(in place: TemporaryFolder, _ name: String) async throws -> String {
            let root = "\(place.path)/root"
            let files = FileManager.default
            for folder in ["usr/bin", "usr/lib", "etc"] {
                try files.createDirectory(atPath: "\(root)/\(folder)", withIntermediateDirectories: true)
            }
            let linked = try await Child("ldd", ["/bin/sh"], environment: ["PATH": "/usr/bin:/bin"]).end(
                within: Cloud.patience)
            for word in linked.output.split(whereSeparator: \.isWhitespace) where word.hasPrefix("/") {
                let real = URL(filePath: String(word)).resolvingSymlinksInPath().path
                let isLoader = word.contains("/ld-linux")
                let target = isLoader ? "\(root)\(word)" : "\(root)/usr/lib/\(word.split(separator: "/").last ?? "")"
                try files.createDirectory(
                    atPath: URL(filePath: target).deletingLastPathComponent().path, withIntermediateDirectories: true)
                try files.copyItem(atPath: real, toPath: target)
            }
            try files.copyItem(
                atPath: URL(filePath: "/bin/sh").resolvingSymlinksInPath().path, toPath: "\(root)/usr/bin/sh")
            try files.createSymbolicLink(atPath: "\(root)/bin", withDestinationPath: "usr/bin")
            _ = try place.write("NAME=tiny\n", to: "root/etc/os-release")
            let path = "\(place.path)/\(name)"
            let made = try await Child(
                "tar", ["-C", root, "-czf", path, "."], environment: ["PATH": "/usr/bin:/bin"]
            ).end(within: Cloud.patience)
            #expect(made.status == 0, "\(made.errors)")
            return path
        }

        @Test("An image takes the place of the machine's programs; all its tasks share one")
        func runsInImage() async throws {
            let place = try TemporaryFolder()
            _ = try await image(in: place, "tiny.tar.gz")
            let manifest = try place.write(
                """
                name: tiny
                image: tiny.tar.gz
                array: 0-5
                run: |
                  read line < /etc/os-release
                  echo "$line" /usr/bin/* > who.txt
                outputs: [who.txt]
                """, to: "tiny.yaml")
            let job = try await cloud.finished(manifest)
            job.expectSmooth(tasks: 6)
            let folder = try await cloud.outputs(job)
            for index in 0..<6 { #expect(try folder.text(of: "\(index)/who.txt") == "NAME=tiny /usr/bin/sh\n") }
            let direct = try await cloud.fog(
                "run", "--image", "\(place.path)/tiny.tar.gz", "--", "sh", "-c", "test ! -e /usr/bin/env && echo inside"
            )
            #expect(direct.output == "inside\n", "\(direct.errors)")
        }

        /// An archive with an entry that leaves it.
        private func hostileImage(in place: TemporaryFolder) async throws -> String {
            _ = try place.write("x", to: "payload")
            let path = "\(place.path)/bad.tar"
            let made = try await Child(
                "tar",
                ["-C", place.path, "-cf", path, "--transform", "s,payload,../../payload,", "-P", "payload"],
                environment: ["PATH": "/usr/bin:/bin"]
            ).end(within: Cloud.patience)
            #expect(made.status == 0, "\(made.errors)")
            return path
        }

        @Test("A hostile image is refused before it is sent, with the entry's name")
        func hostileImageAtHome() async throws {
            let place = try TemporaryFolder()
            let path = try await hostileImage(in: place)
            let manifest = try place.write("name: bad\nimage: bad.tar\nrun: \"true\"\n", to: "bad.yaml")
            for command in [["job", "submit", manifest], ["run", "--image", path, "--", "true"]] {
                let end = try await Cloud.fog(command, home: cloud.home)
                #expect(end.status == (command[0] == "run" ? 125 : 65), "\(end.status) \(end.errors)")
                #expect(
                    end.errors.contains("bad.tar") && end.errors.contains("`../../payload` leaves the image"),
                    "\(end.errors)")
            }
            #expect(try await cloud.fog("job", "list", "--name", "bad", "--quiet").lines.isEmpty)
        }

        @Test("A hostile image that was sent in another way fails the job with the entry's name, and leaves nothing")
        func hostileImageAtWorker() async throws {
            let place = try TemporaryFolder()
            let path = try await hostileImage(in: place)
            let digest = try await Child("b2sum", ["-l", "256", path], environment: ["PATH": "/usr/bin:/bin"])
                .end(within: Cloud.patience).output.prefix(64)
            // As an input of another job it is bytes like others.
            let carrier = try place.write("name: carrier\ninputs: [bad.tar]\nrun: \"true\"\n", to: "carrier.yaml")
            _ = try await cloud.finished(carrier)
            let manifest = try place.write(
                "name: bad\nimage: blob:\(digest)\nrun: \"true\"\nretry: {max_attempts: 1}\n", to: "bad.yaml")
            let job = try await cloud.finished(manifest, status: 1)
            #expect(job.outcomes == ["exit_nonzero"])
            #expect(job.attempts.map(\.exitCode) == [125])
            let shown = try await cloud.fog("job", "show", job.id)
            #expect(shown.output.contains("../../payload"), "\(shown.output)")
            let all = try FileManager.default.subpathsOfDirectory(atPath: cloud.home)
            #expect(!all.contains { $0.hasSuffix("payload") || $0.contains("partial/image-") })
        }

        // MARK: Secrets

        @Test("Secrets reach the task and no other place")
        func secrets() async throws {
            let place = try TemporaryFolder()
            let (token, password) = ("tok-\(UUID().uuidString)", "pw-\(UUID().uuidString)")
            let file = try place.write(token, to: "token")
            let manifest = "\(Places.jobs)/secret.yaml"
            let missing = try await cloud.fog("job", "submit", manifest, "--secret", "token=@\(file)")
            #expect(missing.status == 65)
            #expect(missing.errors.contains("password"))
            let open = try await cloud.fog("job", "submit", manifest, "--secret", "token=\(token)")
            #expect(open.status == 64)
            let passwordFile = try place.write(password, to: "password")
            let end = try await cloud.fog(
                "job", "submit", manifest, "--secret", "token=@\(file)", "--secret", "password=@\(passwordFile)",
                "--wait",
                "--quiet")
            #expect(end.status == 0, "\(end.errors)")
            let job = try await cloud.job(String(try #require(end.lines.first)))
            job.expectSmooth(tasks: 1)
            let lines = try await cloud.outputs(job).text(of: "lengths.txt").split(separator: "\n")
            #expect(lines.first == "\(token.utf8.count) \(password.utf8.count)")
            var told = ""
            for words in [
                ["job", "show", job.id, "-o", "json"], ["job", "events", job.id, "-o", "json"],
                ["job", "list", "-o", "json"],
            ] {
                told += try await Cloud.fog(words, home: cloud.home).output
            }
            #expect(told.contains(job.id))
            #expect(!told.contains(token) && !told.contains(password))
            for name in try FileManager.default.subpathsOfDirectory(atPath: cloud.home) {
                guard let bytes = FileManager.default.contents(atPath: "\(cloud.home)/\(name)") else { continue }
                #expect(bytes.range(of: Data(token.utf8)) == nil, "\(name) holds the secret")
                #expect(bytes.range(of: Data(password.utf8)) == nil, "\(name) holds the secret")
            }
            let folder = try #require(
                try FileManager.default.subpathsOfDirectory(atPath: cloud.home).first {
                    $0.hasSuffix("coordinator/secrets")
                })
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(cloud.home)/\(folder)") == ["key"])
            let again = try await cloud.fog("job", "retry", job.id)
            #expect(again.status != 0)
            #expect(again.errors.contains("secret"), "\(again.errors)")
        }

        // MARK: Transfers

        @Test("A client killed in the middle of an upload goes on where it stopped")
        func resumedUpload() async throws {
            let place = try TemporaryFolder()
            let size = 96 << 20
            // Bytes that differ from run to run, so that nothing is there before.
            var generator = SystemRandomNumberGenerator()
            let seed = generator.next()
            let block = (0..<1 << 17).map { seed &* UInt64($0 + 1) }.withUnsafeBytes { Data($0) }
            var bytes = Data()
            for number in 0..<size / block.count {
                bytes.append(block)
                bytes[bytes.count - 1] = UInt8(truncatingIfNeeded: number)
            }
            try bytes.write(to: URL(filePath: "\(place.path)/big"))
            let manifest = try place.write("name: big\nrun: wc -c big\ninputs: [big]\n", to: "big.yaml")
            let uploads =
                "\(cloud.home)/"
                + (try #require(
                    try FileManager.default.subpathsOfDirectory(atPath: cloud.home).first {
                        $0.hasSuffix("content/uploads")
                    }))
            func arrived() -> Int {
                let names = (try? FileManager.default.contentsOfDirectory(atPath: uploads)) ?? []
                return names.reduce(0) { sum, name in
                    let attributes = try? FileManager.default.attributesOfItem(atPath: "\(uploads)/\(name)")
                    return sum + ((attributes?[.size] as? Int) ?? 0)
                }
            }
            let first = try cloud.start("job", "submit", manifest, "--quiet")
            let clock = ContinuousClock()
            let limit = clock.now + Cloud.patience
            while arrived() < 8 << 20 {
                try #require(clock.now < limit, "nothing arrived")
                try await Task.sleep(for: .milliseconds(1))
            }
            first.signal(SIGKILL)
            _ = try await first.end(within: Cloud.patience)
            let kept = arrived()
            try #require(kept > 0 && kept < size, "the whole had arrived before the client was killed")
            let end = try await cloud.fog("job", "submit", manifest, "--wait", "--verbose")
            #expect(end.status == 0, "\(end.errors)")
            // Without a terminal no progress is drawn; --verbose says how much went over the wire.
            let said = try #require(end.errors.firstMatch(of: /uploaded \d+ blobs?, ([0-9.]+)MiB/), "\(end.errors)")
            let sent = try #require(Double(said.1))
            let rest = Double(size - kept) / Double(1 << 20)
            #expect(abs(sent - rest) < 1, "sent \(sent) MiB, \(rest) MiB were missing")
            #expect(!end.errors.contains("uploading"))
        }
    }
}
