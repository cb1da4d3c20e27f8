import Foundation
import Testing

extension EndToEnd {
    /// What scripts may rely on.
    @Suite("Commands")
    struct CommandTests {
        private let cloud: Cloud

        init() throws { cloud = try EndToEnd.cloud }

        /// A command, and how it is to end.
        struct Case: Sendable, CustomTestStringConvertible {
            let arguments: [String]
            let status: Int32
            /// What stands on standard error.
            let words: String

            init(_ arguments: [String], _ status: Int32, _ words: String = "") {
                (self.arguments, self.status, self.words) = (arguments, status, words)
            }

            var testDescription: String { arguments.joined(separator: " ") }
        }

        // MARK: - fog run

        @Test(
            "run ends with the command's own exit code, 128 + n for a signal, 124 for time",
            arguments: [
                Case(["--", "true"], 0), Case(["--", "sh", "-c", "exit 7"], 7),
                Case(["--", "sh", "-c", "kill -9 $$"], 137), Case(["--time", "1s", "--", "sleep", "600"], 124),
                Case(["--", "./nothing"], 127),
            ])
        func exitCode(wanted: Case) async throws {
            let end = try await Cloud.fog(["run"] + wanted.arguments, home: cloud.home)
            #expect(end.status == wanted.status, "\(end.errors)")
        }

        @Test("run keeps standard output and standard error apart")
        func streams() async throws {
            let end = try await cloud.fog("run", "--", "sh", "-c", "echo out; echo err >&2")
            #expect(end.output == "out\n")
            #expect(end.errors == "err\n")
        }

        @Test("run sends what is piped in")
        func pipedInput() async throws {
            let text = String(decoding: try #require(Reckoning.licenses()["GPL-3"]), as: UTF8.self)
            let end = try await cloud.fog("run", "--", "cat", input: text)
            #expect(end.status == 0)
            #expect(end.output == text)
            #expect(end.errors.isEmpty)
        }

        @Test("run sends inputs and a program of one's own, and outputs land here")
        func files() async throws {
            let folder = try TemporaryFolder()
            let script = """
                #!/bin/sh -eu
                mkdir sums
                tr -d b < text > sums/$1
                echo "$2" > note.txt
                echo unasked > other.txt
                """
            let place = try folder.write(script, to: "make.sh")
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: place)
            _ = try folder.write("abcabc", to: "letters")
            let end = try await cloud.fog(
                "run", "--in", "text=letters", "--out", "sums/", "--out", "*.txt", "--", "./make.sh", "one",
                "two words",
                folder: folder.path)
            #expect(end.status == 0, "\(end.errors)")
            #expect(try folder.files() == ["letters", "make.sh", "note.txt", "other.txt", "sums/one"])
            #expect(try folder.text(of: "sums/one") == "acac")
            #expect(try folder.text(of: "note.txt") == "two words\n")
        }

        @Test("run fails as Fog's own error when an output is missing")
        func missingOutput() async throws {
            let end = try await cloud.fog("run", "--out", "nothing", "--", "true")
            #expect(end.status == 125)
            #expect(end.errors.contains("the output `nothing` was not written"), "\(end.errors)")
        }

        // MARK: - fog job

        @Test("The same idempotency key and manifest give the same job; another manifest is refused")
        func idempotency() async throws {
            let folder = try TemporaryFolder()
            let first = try folder.write("name: once\nrun: echo once\n", to: "once.yaml")
            let second = try folder.write("name: once\nrun: echo twice\n", to: "twice.yaml")
            func submit(_ manifest: String) async throws -> Child.End {
                try await cloud.fog("job", "submit", manifest, "--idempotency-key", "key-of-once", "--quiet")
            }
            let made = try await submit(first)
            #expect(made.status == 0, "\(made.errors)")
            let again = try await submit(first)
            #expect(again.status == 0, "\(again.errors)")
            #expect(again.output == made.output)
            let other = try await submit(second)
            #expect(other.status == 1)
            #expect(other.errors.contains("idempotency_conflict"), "\(other.errors)")
            let listed = try await cloud.fog("job", "list", "--name", "once", "--quiet")
            #expect(listed.output == made.output)
        }

        @Test("A bad manifest is refused with all its mistakes and their places, and nothing is submitted")
        func badManifest() async throws {
            let folder = try TemporaryFolder()
            _ = try folder.write("name: bad\nrunn: true\nresources: {memory: 4G}\n", to: "bad.yaml")
            let end = try await cloud.fog("job", "submit", "bad.yaml", "--output", "json", folder: folder.path)
            #expect(end.status == 65)
            for place in ["bad.yaml:2:1", "bad.yaml:3:21", "did you mean `run`?", "write 4GiB"] {
                #expect(end.errors.contains(place), "\(end.errors)")
            }
            struct Answer: Decodable {
                struct Mistake: Decodable {
                    let path: String
                    let line: Int
                    let column: Int
                }
                let valid: Bool
                let problems: [Mistake]
            }
            let answer = try JSONDecoder().decode(Answer.self, from: Data(end.outputBytes))
            #expect(!answer.valid)
            #expect(answer.problems.contains { $0.path == "runn" && $0.line == 2 && $0.column == 1 })
            #expect(answer.problems.contains { $0.path == "resources.memory" && $0.line == 3 && $0.column == 21 })
            #expect(try await cloud.fog("job", "list", "--name", "bad", "--quiet").output.isEmpty)
        }

        @Test("cancel ends what runs")
        func cancel() async throws {
            let folder = try TemporaryFolder()
            let manifest = try folder.write("name: endless\nrun: echo started; exec sleep 600\n", to: "endless.yaml")
            let id = try #require(try await cloud.fog("job", "submit", manifest, "--quiet").lines.first).description
            _ = try await cloud.start("logs", "--follow", id).line(within: Cloud.patience) { $0 == "started" }
            let end = try await cloud.fog("job", "cancel", id, "--reason", "wrong input")
            #expect(end.status == 0, "\(end.errors)")
            #expect(try await cloud.fog("job", "wait", id, "--timeout", "4m").status == 1)
            let job = try await cloud.job(id)
            #expect(job.state == "cancelled")
            #expect(job.cancelReason == "wrong input")
            #expect(job.outcomes == ["cancelled"])
            #expect(try await cloud.fog("job", "cancel", id).status == 1)
        }

        @Test("retry runs again, as a new job, what did not succeed")
        func retry() async throws {
            let folder = try TemporaryFolder()
            let manifest = """
                name: partly
                array: 0-2
                run: test "$FOG_TASK_INDEX" != 1
                retry: {max_attempts: 1}
                """
            let first = try await cloud.finished(try folder.write(manifest, to: "partly.yaml"), status: 1)
            #expect(first.counts == ["succeeded": 2, "failed": 1])
            let made = try await cloud.fog("job", "retry", first.id, "--failed", "--quiet")
            let id = try #require(made.lines.first, "\(made.errors)").description
            #expect(id != first.id)
            #expect(try await cloud.fog("job", "wait", id).status == 1)
            let second = try await cloud.job(id)
            #expect(second.counts == ["failed": 1])
            #expect(second.outcomes == ["exit_nonzero"])
            #expect(try await cloud.job(first.id).counts == first.counts)
        }

        @Test("A job that fits no node waits, and explain says why")
        func explain() async throws {
            let folder = try TemporaryFolder()
            let manifest = try folder.write("name: picky\nrun: 'true'\nrequires: [label:moon]\n", to: "picky.yaml")
            let id = try #require(try await cloud.fog("job", "submit", manifest, "--quiet").lines.first).description
            #expect(try await cloud.fog("job", "wait", id, "--timeout", "1s").status == 124)
            let end = try await cloud.fog("job", "explain", id)
            #expect(end.status == 0)
            #expect(end.output.contains("moon"), "\(end.output)")
            // Who waits is told on standard error, or asks for silence.
            #expect(try await cloud.fog("job", "hold", id, "--reason", "lunch").status == 0)
            let waited = try await cloud.fog("job", "wait", id, "--timeout", "1s")
            #expect(waited.errors.contains("is held: lunch; fog job explain \(id.prefix(8))"), "\(waited.errors)")
            #expect(!waited.output.contains("lunch; fog job explain"))
            let quiet = try await cloud.fog("job", "wait", id, "--timeout", "1s", "--quiet")
            #expect(!quiet.errors.contains("lunch"), "\(quiet.errors)")
            #expect(try await cloud.fog("job", "cancel", id).status == 0)
            let job = try await cloud.job(id)
            #expect(job.state == "cancelled")
            #expect(job.attempts.isEmpty)
        }

        @Test("keep says until when a job stays, and show remembers it")
        func keep() async throws {
            struct Kept: Decodable {
                let until: String?

                enum CodingKeys: String, CodingKey { case until = "kept_until" }
            }
            let folder = try TemporaryFolder()
            let manifest = try folder.write("name: keepsake\nrun: 'true'\n", to: "keepsake.yaml")
            let job = try await cloud.finished(manifest)
            func kept(_ span: String) async throws -> String? {
                let end = try await cloud.fog("job", "keep", job.id, "--for", span, "--output", "json")
                #expect(end.status == 0, "\(end.errors)")
                let answer = try JSONDecoder().decode(Kept.self, from: Data(end.outputBytes))
                return answer.until
            }
            let until = try #require(try await kept("90d"))
            let day = String(until.prefix(10))
            #expect(try await cloud.fog("job", "show", job.id).output.contains("until \(day)"))
            #expect(try await kept("0s") == nil)
            #expect(try await !cloud.fog("job", "show", job.id).output.contains("until \(day)"))
            let wrong = try await cloud.fog("job", "keep", job.id, "--for", "ages")
            #expect(wrong.status == 64)
        }

        @Test("A dry run tells the price and submits nothing")
        func dryRun() async throws {
            let folder = try TemporaryFolder()
            let manifest = try folder.write("name: dry\nrun: 'true'\nresources: {cpu: 2, time: 1h}\n", to: "dry.yaml")
            let end = try await cloud.fog("job", "submit", manifest, "--dry-run", "--output", "json")
            #expect(end.status == 0, "\(end.errors)")
            struct Quote: Decodable {
                let name: String
                let tasks: Int
                let quote: String
                let offers: [Offer]
            }
            struct Offer: Decodable {
                let purchase: String
                let core: String
            }
            let quote = try JSONDecoder().decode(Quote.self, from: Data(end.outputBytes))
            #expect(quote.name == "dry" && quote.tasks == 1)
            // Two cores for an hour, at the price of a core-hour that moves with use, and more for the memory.
            let offer = try #require(quote.offers.first { $0.purchase == "on-demand" })
            let core = try #require(Double(offer.core))
            #expect((0.25...4).contains(core))
            #expect((Double(quote.quote) ?? 0) > 2 * core)
            #expect(try await cloud.fog("job", "list", "--name", "dry", "--quiet").output.isEmpty)
        }

        @Test("ps lists jobs, the newest first, by state and name; logs prints what tasks wrote")
        func listing() async throws {
            let folder = try TemporaryFolder()
            let manifest = """
                name: talk
                array: 0-1
                run: |
                  echo "out $FOG_TASK_INDEX"
                  echo "err $FOG_TASK_INDEX" >&2
                """
            let place = try folder.write(manifest, to: "talk.yaml")
            let older = try await cloud.finished(place)
            let newer = try await cloud.finished(place)
            let listed = try await cloud.fog("ps", "--name", "talk", "--quiet")
            #expect(listed.lines == [newer.id[...], older.id[...]])
            let table = try await cloud.fog("ps", "--limit", "1")
            #expect(table.lines.count == 2)
            #expect(table.output.contains("talk") && table.output.contains("succeeded"), "\(table.output)")
            let unended = try await cloud.fog("ps", "--state", "pending,running", "--name", "talk", "--quiet")
            #expect(unended.status == 0)
            #expect(unended.output.isEmpty)
            let all = try await cloud.fog("logs", newer.id)
            #expect(all.lines == ["0 | out 0", "1 | out 1"])
            #expect(all.errors == "0 | err 0\n1 | err 1\n")
            #expect(try await cloud.logs(newer, "--task", "1", "--stdout") == "out 1\n")
            // A unique beginning of an id is enough.
            #expect(try await cloud.job(String(newer.id.prefix(8))).id == newer.id)
        }

        // MARK: - fog ledger

        @Test("The amounts of an account's history add up to its balance; what is reserved is told apart")
        func history() async throws {
            struct History: Decodable {
                struct Line: Decodable {
                    let kind: String
                    let amount: String
                    let reserved: String?
                }
                let lines: [Line]
            }
            struct Balance: Decodable {
                let balance: String
            }
            func micro(_ credits: String) throws -> Int {
                NSDecimalNumber(decimal: try #require(Decimal(string: credits)) * 1_000_000).intValue
            }
            #expect(try await cloud.fog("run", "--", "true").status == 0)
            let end = try await cloud.fog("ledger", "history", "--limit", "100000", "--output", "json")
            let history = try JSONDecoder().decode(History.self, from: Data(end.outputBytes))
            let balance = try JSONDecoder().decode(
                Balance.self,
                from: Data(try await cloud.fog("ledger", "balance", "--output", "json").outputBytes))
            #expect(try history.lines.reduce(0) { try $0 + micro($1.amount) } == micro(balance.balance))
            let pending = history.lines.filter { $0.kind == "pending" }
            #expect(!pending.isEmpty)
            for line in pending {
                #expect(try micro(line.amount) == 0)
                #expect(try micro(try #require(line.reserved)) > 0)
            }
            #expect(history.lines.allSatisfy { ($0.reserved != nil) == ($0.kind == "pending") })
            let table = try await cloud.fog("ledger", "history", "--limit", "100000")
            let reserved = table.lines.filter { $0.contains(" pending ") }
            #expect(reserved.count == pending.count)
            #expect(reserved.allSatisfy { $0.contains("(") && !$0.contains("+") }, "\(table.output)")
        }

        // MARK: - The way to the coordinator

        @Test(
            "What runs a coordinator speaks to none: it offers neither --server nor --context",
            arguments: [["dev"], ["coordinator", "run"]])
        func ownCoordinator(command: [String]) async throws {
            let help = try await Cloud.fog(command + ["--help"], home: cloud.home)
            #expect(help.status == 0)
            #expect(help.output.contains("--output") && help.output.contains("--listen"), "\(help.output)")
            #expect(!help.output.contains("--server") && !help.output.contains("--context"), "\(help.output)")
            let end = try await Cloud.fog(command + ["--server", cloud.url], home: cloud.home)
            #expect(end.status == 64)
            #expect(try await cloud.fog("ps", "--help").output.contains("--server"))
        }

        @Test(
            "A coordinator that is not known, not there or misspelt is told apart, by words and by exit code",
            arguments: [
                Case(["ps", "--context", "elsewhere"], 64, "there is no context `elsewhere`"),
                Case(["context", "use", "elsewhere"], 64, "known: dev"),
                Case(["ps", "--server", "gopher://x"], 64, "https://HOST:PORT"),
                Case(["ps", "--server", "http://127.0.0.1:1"], 69, "cannot be reached"),
                Case(["job", "wait", "hello", "--server", "http://127.0.0.1:1"], 3, "cannot be reached"),
                Case(["run", "--server", "http://127.0.0.1:1", "--", "true"], 125, "cannot be reached"),
                Case(["job", "show", "never-submitted"], 1, "not_found"),
            ])
        func wrongWay(wanted: Case) async throws {
            let end = try await Cloud.fog(wanted.arguments, home: cloud.home)
            #expect(end.status == wanted.status)
            #expect(end.errors.contains(wanted.words), "\(end.errors)")
            #expect(end.output.isEmpty)
        }

        @Test("A home that knows nobody says so; a key that is not enrolled may do nothing")
        func stranger() async throws {
            let home = try TemporaryFolder()
            let lost = try await Cloud.fog(["ps"], home: home.path)
            #expect(lost.status == 64)
            #expect(lost.errors.contains("fog dev") && lost.errors.contains("fog join"), "\(lost.errors)")
            let keyless = try await Cloud.fog(["ps", "--server", cloud.url], home: home.path)
            #expect(keyless.status == 77)
            #expect(try await Cloud.fog(["identity", "create"], home: home.path).status == 0)
            for command in [["ps"], ["job", "show", "hello"], ["run", "--", "true"]] {
                var arguments = command
                arguments.insert(contentsOf: ["--server", cloud.url], at: command.first == "job" ? 2 : 1)
                let end = try await Cloud.fog(arguments, home: home.path)
                #expect(end.status == (command.first == "run" ? 125 : 77))
                #expect(end.errors.contains("unknown_key"), "\(end.errors)")
            }
        }
    }
}
