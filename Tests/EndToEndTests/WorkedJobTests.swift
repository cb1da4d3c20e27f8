import Foundation
import Testing

extension EndToEnd {
    /// Every manifest of `jobs/`, run for real and held against its result, computed here.
    @Suite("The worked jobs")
    struct WorkedJobTests {
        private let cloud: Cloud

        init() throws { cloud = try EndToEnd.cloud }

        /// What stands in `jobs/`, each with a test below.
        private static let manifests = [
            "collatz/collatz.yaml", "compress/compress.yaml", "folder/folder.yaml", "hello.yaml", "licenses.yaml",
            "machine.sh", "pi/pi.yaml", "primes/primes.yaml", "private.yaml",
            "readability/readability.yaml", "render/render.yaml", "retry.yaml", "secret.yaml", "timeout.yaml",
            "transcode.yaml", "volume.yaml", "wordcount.yaml",
        ]

        @Test("All are valid, begin with two lines that say what they show, and have a test here")
        func valid() async throws {
            let found = try FileManager.default.subpathsOfDirectory(atPath: Places.jobs)
            #expect(found.filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".sh") }.sorted() == Self.manifests)
            for name in Self.manifests {
                let place = "\(Places.jobs)/\(name)"
                let end = try await cloud.fog("job", "validate", place)
                #expect(end.status == 0, "\(end.errors)")
                let lines = try String(contentsOfFile: place, encoding: .utf8).split(separator: "\n")
                let head = lines.drop { $0.hasPrefix("#!") }.prefix(2)
                #expect(head.allSatisfy { $0.hasPrefix("# ") && $0.count > 40 }, "\(name)")
            }
        }

        @Test("hello: what the task prints stands on the screen")
        func hello() async throws {
            let end = try await cloud.fog("job", "submit", "\(Places.jobs)/hello.yaml", "--follow")
            #expect(end.status == 0)
            #expect(end.output.wholeMatch(of: /hello from dev-[12], task 0, attempt 1\n/) != nil, "\(end.output)")
        }

        @Test("wordcount: every word of the text has its number")
        func wordcount() async throws {
            let job = try await cloud.finished("\(Places.jobs)/wordcount.yaml")
            job.expectSmooth(tasks: 1)
            let folder = try await cloud.outputs(job)
            let table = Reckoning.table(try folder.text(of: "words.txt"))
            let wanted = Reckoning.words(in: try #require(Reckoning.licenses()["GPL-3"]))
            #expect(wanted.count > 500)
            #expect(table.count == wanted.count)
            #expect(Reckoning.counts(table) == wanted)
            #expect(table.map(\.count) == table.map(\.count).sorted(by: >))
            let printed = Reckoning.table(try await cloud.logs(job))
            #expect(printed.map(\.word) == table.prefix(10).map(\.word))
        }

        @Test("pi: eight tasks throw, one adds up what all of them left")
        func pi() async throws {
            struct Hits: Decodable {
                let seed: Int
                let darts: Int
                let hits: Int
            }
            let job = try await cloud.finished("\(Places.jobs)/pi/pi.yaml")
            job.expectSmooth(tasks: 9)
            let folder = try await cloud.outputs(job)
            #expect(try folder.files() == ["estimate/pi.txt"] + (0..<8).map { "hits/\($0)/hits.json" })
            let parts = try (0..<8).map {
                try JSONDecoder().decode(Hits.self, from: Data(folder.bytes(of: "hits/\($0)/hits.json")))
            }
            #expect(parts.map(\.seed) == Array(0..<8))
            #expect(Set(parts.map(\.hits)).count > 1)
            let (darts, hits) = (parts.reduce(0) { $0 + $1.darts }, parts.reduce(0) { $0 + $1.hits })
            #expect(darts == 800_000)
            let text = try folder.text(of: "estimate/pi.txt")
            let estimate = try #require(text.firstMatch(of: /pi = ([0-9.]+),/).flatMap { Double($0.1) }, "\(text)")
            #expect(abs(estimate - 4 * Double(hits) / Double(darts)) < 1e-6)
            // Six standard errors of 800,000 darts.
            #expect(abs(estimate - Double.pi) < 0.0111)
        }

        @Test("compress: a task a row of the table, each with its own text and file")
        func compress() async throws {
            let job = try await cloud.finished("\(Places.jobs)/compress/compress.yaml")
            job.expectSmooth(tasks: 4)
            let folder = try await cloud.outputs(job)
            let names = ["0/GPL-3-1.gz", "1/GPL-3-9.gz", "2/Apache-2.0-1.gz", "3/Apache-2.0-9.gz"]
            #expect(try folder.files() == names)
            let texts = try Reckoning.licenses()
            for (name, license) in zip(names, ["GPL-3", "GPL-3", "Apache-2.0", "Apache-2.0"]) {
                let unpacked = try await Child(
                    "gzip", ["-dc", "\(folder.path)/\(name)"], environment: ["PATH": "/usr/bin:/bin"]
                ).end(within: Cloud.patience)
                #expect(unpacked.status == 0)
                #expect(unpacked.outputBytes == texts[license], "\(name)")
            }
            let sizes = try names.map { try folder.bytes(of: $0).count }
            #expect(sizes[1] < sizes[0] && sizes[3] < sizes[2])
        }

        @Test("licenses: the counts of four heaps add up to those of all texts")
        func licenses() async throws {
            let job = try await cloud.finished("\(Places.jobs)/licenses.yaml")
            job.expectSmooth(tasks: 6)
            let folder = try await cloud.outputs(job)
            let texts = try Reckoning.licenses()
            #expect(try folder.files().filter { $0.hasPrefix("deal/heaps/") }.count == texts.count)
            var wanted: [String: Int] = [:]
            for text in texts.values { wanted.merge(Reckoning.words(in: text), uniquingKeysWith: +) }
            func counts(_ name: String) throws -> [String: Int] {
                Reckoning.counts(Reckoning.table(try folder.text(of: name)))
            }
            #expect(try counts("add/words.txt") == wanted)
            for heap in 0..<4 { #expect(try counts("count/\(heap)/words.txt").values.reduce(0, +) > 1000) }
        }

        @Test("readability: a Python program finds the packages that were sent along")
        func readability() async throws {
            struct Measure: Decodable {
                let words: Int
                let sentences: Int
                let ari: Double
            }
            let job = try await cloud.finished("\(Places.jobs)/readability/readability.yaml")
            job.expectSmooth(tasks: 1)
            let folder = try await cloud.outputs(job)
            let found = try JSONDecoder().decode([String: Measure].self, from: Data(folder.bytes(of: "index.json")))
            let texts = try Reckoning.licenses()
            #expect(Set(found.keys) == Set(texts.keys))
            for (name, text) in texts {
                let wanted = Reckoning.readability(of: String(decoding: text, as: UTF8.self))
                #expect(found[name]?.words == wanted.words, "\(name)")
                #expect(found[name]?.sentences == wanted.sentences, "\(name)")
                #expect(abs((found[name]?.ari ?? 0) - wanted.index) < 0.006, "\(name)")
            }
        }

        @Test("render: a picture a task", .enabled(if: Places.hasProgram("povray"), "povray is not installed here"))
        func render() async throws {
            let job = try await cloud.finished("\(Places.jobs)/render/render.yaml")
            job.expectSmooth(tasks: 4)
            let folder = try await cloud.outputs(job)
            let pictures = try (0..<4).map { try folder.bytes(of: "\($0)/frame.png") }
            // The signature of PNG, length and name of its first chunk, and in it width 160 and height 120.
            let signature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
            let head = signature + [0, 0, 0, 13] + Array("IHDR".utf8) + [0, 0, 0, 160, 0, 0, 0, 120]
            for picture in pictures { #expect(Array(picture.prefix(head.count)) == head) }
            #expect(Set(pictures).count == 4)
        }

        @Test(
            "transcode: a film in parts, joined again",
            .enabled(
                if: Places.hasProgram("ffmpeg") && Places.hasProgram("ffprobe"), "ffmpeg is not installed here"))
        func transcode() async throws {
            let job = try await cloud.finished("\(Places.jobs)/transcode.yaml")
            job.expectSmooth(tasks: 5)
            let folder = try await cloud.outputs(job)
            #expect(try folder.bytes(of: "join/film.mp4").dropFirst(4).prefix(4) == Array("ftyp".utf8)[...])
            let seconds = try await cloud.logs(job, "--task", "4", "--stdout")
            #expect(abs((Double(seconds.dropLast()) ?? 0) - 6) < 0.1, "\(seconds)")
        }

        @Test("retry: the first attempt fails, the second succeeds after the delay")
        func retry() async throws {
            let start = ContinuousClock.now
            let job = try await cloud.finished("\(Places.jobs)/retry.yaml")
            #expect(ContinuousClock.now - start >= .seconds(1))
            #expect(job.state == "succeeded")
            #expect(job.outcomes == ["exit_nonzero", "success"])
            #expect(job.attempts.map(\.exitCode) == [75, 0])
            #expect(job.attempts.map(\.token) == [1, 2])
            #expect(job.rows.map(\.taskFailures) == [1])
            #expect(try await cloud.logs(job) == "attempt 2: done\n")
            let first = try await cloud.fog("logs", job.id, "--task", "0", "--attempt", "1", "--stderr")
            #expect(first.errors == "attempt 1: no luck\n")
        }

        @Test("timeout: the attempt is ended, the job failed")
        func timeout() async throws {
            let start = ContinuousClock.now
            let job = try await cloud.finished("\(Places.jobs)/timeout.yaml", status: 1)
            #expect(ContinuousClock.now - start >= .seconds(2))
            #expect(job.state == "failed")
            #expect(job.counts == ["failed": 1])
            #expect(job.outcomes == ["timeout"])
            #expect(job.attempts.map(\.exitCode) == [nil])
            #expect(job.attempts.map(\.signal) == [15])
        }

        @Test("primes: each attempt goes on from the checkpoint of the one before")
        func primes() async throws {
            let job = try await cloud.finished("\(Places.jobs)/primes/primes.yaml")
            #expect(job.state == "succeeded")
            #expect(job.outcomes == ["checkpointed", "checkpointed", "success"])
            #expect(job.attempts.map(\.exitCode) == [85, 85, 0])
            // A checkpoint is progress: it counts against nothing.
            #expect(job.rows.map { [$0.taskFailures, $0.hostFailures, $0.evictions] } == [[0, 0, 0]])
            for token in 1...3 {
                let log = try await cloud.logs(job, "--task", "0", "--attempt", "\(token)")
                #expect(log.hasPrefix("attempt \(token) begins at \((token - 1) * 10_000)\n"), "\(log)")
            }
            let folder = try await cloud.outputs(job)
            #expect(try folder.text(of: "count.txt") == "\(Reckoning.primes(below: 30_000)) primes below 30000\n")
        }

        @Test("collatz: left in peace it is done in one go; see also how it is evicted")
        func collatz() async throws {
            let job = try await cloud.finished("\(Places.jobs)/collatz/collatz.yaml")
            job.expectSmooth(tasks: 1)
            let folder = try await cloud.outputs(job)
            let longest = Reckoning.longestCollatz(below: 1_000_000)
            #expect(try folder.text(of: "longest.txt") == "\(longest.start) takes \(longest.steps) steps\n")
        }

        @Test("machine: a script with its wishes in its own lines")
        func machine() async throws {
            let job = try await cloud.finished("\(Places.jobs)/machine.sh")
            job.expectSmooth(tasks: 2)
            #expect(job.name == "machine")
            var names = utsname()
            uname(&names)
            let architecture = withUnsafeBytes(of: &names.machine) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            for task in 0..<2 {
                let log = try await cloud.logs(job, "--task", "\(task)")
                #expect(log == "task \(task): Linux \(architecture), 1 core for 1 thread\n")
            }
        }
    }
}
