import Foundation
import Glibc
import Testing

extension EndToEnd {
    /// `fog-sandbox run` through `fog sandbox serve`.
    @Suite("The sandbox that stands ready")
    struct ServedSandboxTests {
        private let folder: TemporaryFolder
        private let server: Child
        private let environment: [String: String]

        private static let front = "\(URL(filePath: Places.fog).deletingLastPathComponent().path)/fog-sandbox"

        init() async throws {
            folder = try TemporaryFolder()
            try FileManager.default.createDirectory(atPath: "\(folder.path)/w", withIntermediateDirectories: false)
            var environment = ProcessInfo.processInfo.environment
            environment["FOG_HOME"] = "\(folder.path)/home"
            // Where there is no `fog` beside it, it can only be served.
            let alone = "\(folder.path)/fog-sandbox"
            try FileManager.default.copyItem(atPath: Self.front, toPath: alone)
            environment["FRONT"] = alone
            environment["WHOLE"] = Self.front
            environment["FOG"] = Places.fog
            environment["SANDBOX"] = "\(alone) run --work w --"
            self.environment = environment
            server = try Child(Places.fog, ["sandbox", "serve", "--slots", "2"], environment: environment)
            _ = try await server.line(within: Cloud.patience) { $0.hasPrefix("ready ") }
        }

        private func shell(_ script: String) async throws -> Child.End {
            try await Child("/bin/sh", ["-c", script], environment: environment, folder: folder.path)
                .end(within: Cloud.patience)
        }

        @Test("streams, files and exit codes are those of the command, and it is in the sandbox")
        func passes() async throws {
            #expect(try await shell("echo through | $SANDBOX cat; echo $?").output == "through\n0\n")
            #expect(try await shell("$SANDBOX sh -c 'echo lost >&2; exit 7'; echo $?").output == "7\n")
            #expect(try await shell("$SANDBOX /nowhere; echo $?").output == "127\n")
            #expect(try await shell("$SANDBOX sh -c 'echo kept > made'; cat w/made").output == "kept\n")
            #expect(try await shell("$SANDBOX sh -c 'id -u; ls -d /home'").output == "1000\n")
            let flood = try await shell("$SANDBOX head -c 20000000 /dev/zero | wc -c")
            #expect(flood.output == "16777216\n" && flood.errors.contains("3222784 bytes of standard output"))
            let hidden = try await shell("$SANDBOX cat /proc/self/fd/0/etc/passwd < /")
            #expect(hidden.status != 0 && !hidden.output.contains("root:"))
        }

        @Test(
            "a closed standard descriptor is nobody else's", arguments: [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
        func closedStreams(closed: String) async throws {
            let end = try await shell("$SANDBOX sh -c 'echo -1; echo -1 >&2; cat' \(closed)")
            #expect(end.status == 0, "\(end.errors)")
            #expect(end.output == (closed.contains(" >&-") || closed.hasPrefix(">&-") ? "" : "-1\n"))
        }

        @Test("limits end the command, and say so")
        func limits() async throws {
            let late = try await shell("$FRONT run --work w --time 1s -- sleep 60; echo $?")
            #expect(late.output == "124\n" && late.errors.contains("ended by its time limit"))
            let large = try await shell(
                "$FRONT run --work w --memory 32MiB -- python3 -c 'x=bytearray(200<<20)'; echo $?")
            #expect(large.output == "137\n" && large.errors.contains("ran out of memory"), "\(large.errors)")
        }

        @Test("a signal to the client ends the command as it asks to; a client that is killed takes it along")
        func signals() async throws {
            let script = """
                $SANDBOX sh -c 'trap "echo asked; exit 5" TERM; echo up; while :; do sleep 0.01; done' > out &
                until grep -q up out 2> /dev/null; do sleep 0.01; done
                kill -TERM $!; wait $!; echo $?; cat out
                """
            #expect(try await shell(script).output == "5\nup\nasked\n")
            let killed = """
                $SANDBOX sh -c 'echo up; while :; do date +%N > beat; sleep 0.02; done' > out2 &
                until grep -q up out2 2> /dev/null; do sleep 0.01; done
                kill -KILL $!; wait $! 2> /dev/null
                for i in $(seq 500); do a=$(cat w/beat); sleep 0.1; [ "$a" = "$(cat w/beat)" ] && break; done; echo over $i
                """
            let end = try await shell(killed)
            #expect(end.output.hasPrefix("over ") && end.output != "over 500\n", "\(end.output) \(end.errors)")
        }

        @Test("more than there are slots wait for their turn")
        func turns() async throws {
            let script = "for i in 1 2 3 4 5 6; do $SANDBOX sh -c \"sleep 0.1; echo $i\" & done; wait"
            let end = try await shell(script)
            #expect(Set(end.lines) == ["1", "2", "3", "4", "5", "6"], "\(end.errors)")
        }

        @Test("what is not the sandbox's own is done by the whole program, as is everything where nobody serves")
        func elsewhere() async throws {
            let document = try await shell("$WHOLE run --work w -o json -- true")
            #expect(document.output.contains("\"ending\": \"exited\""), "\(document.errors)")
            #expect(try await shell("$WHOLE run -- true; echo $?").output == "64\n")
            let second = try await shell("$FOG sandbox serve")
            #expect(second.status != 0 && second.errors.contains("already_running"))
            server.signal(SIGTERM)
            #expect(try await server.end(within: Cloud.patience).status == 0)
            let alone = "[ -e home/state/sandbox.sock ] || $WHOLE run --work w -- echo alone"
            #expect(try await shell(alone).output == "alone\n")
            #expect(try await shell("$SANDBOX true").status == 125)
        }
    }
}
