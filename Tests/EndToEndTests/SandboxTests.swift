import Foundation
import Glibc
import Testing

extension EndToEnd {
    /// `fog sandbox` and `fog profile`, without a coordinator.
    @Suite("The sandbox alone")
    struct SandboxTests {
        private let folder: TemporaryFolder

        init() throws {
            folder = try TemporaryFolder()
            try FileManager.default.createDirectory(atPath: "\(folder.path)/w", withIntermediateDirectories: false)
        }

        private func shell(_ script: String) async throws -> Child.End {
            var environment = ProcessInfo.processInfo.environment
            environment["SANDBOX"] = "\(Places.fog) sandbox run --work \(folder.path)/w --"
            environment["FOG"] = Places.fog
            return try await Child("/bin/sh", ["-c", script], environment: environment, folder: folder.path)
                .end(within: Cloud.patience)
        }

        @Test("a folder on standard input is no way out")
        func folderAsInput() async throws {
            let attempt = "cat /proc/self/fd/0/etc/passwd"
            #expect(try await shell("\(attempt) < /").output.contains("root:"))
            let inside = try await shell("$SANDBOX \(attempt) < /")
            #expect(inside.status != 0)
            #expect(!inside.output.contains("root:"))
        }

        @Test("the caller's files are read and written, and nothing else is done to them")
        func filesAsStreams() async throws {
            let attempt = "sh -c 'echo gone > /proc/self/fd/0; chmod 777 /proc/self/fd/1; cat'"
            for (prefix, isHeld) in [("", false), ("$SANDBOX", true)] {
                _ = try folder.write("before\n", to: "in")
                #expect(try await shell("rm -f out; umask 022; \(prefix) \(attempt) < in > out").status == 0)
                #expect(try folder.text(of: "in") == (isHeld ? "before\n" : "gone\n"))
                #expect(try folder.text(of: "out") == (isHeld ? "before\n" : "gone\n"))
                var status = stat()
                stat("\(folder.path)/out", &status)
                #expect(status.st_mode & 0o777 == (isHeld ? 0o644 : 0o777))
            }
        }

        @Test("of each output stream the profile's bytes are passed on, and the rest is counted")
        func outputFlood() async throws {
            let end = try await shell("$SANDBOX sh -c 'head -c 20000000 /dev/zero' | wc -c")
            #expect(end.output == "16777216\n")
            #expect(end.errors.contains("3222784 bytes of standard output were not passed on"))
        }

        @Test("a reader that leaves ends the task, and standard input passes")
        func pipes() async throws {
            #expect(try await shell("$SANDBOX yes | head -n 1").output == "y\n")
            #expect(try await shell("echo through | $SANDBOX cat").output == "through\n")
        }

        @Test(
            "a closed standard descriptor is nobody else's", arguments: [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
        func closedStreams(closed: String) async throws {
            // What the task prints must not land in a file that the agent opened under the number.
            let end = try await shell("$SANDBOX sh -c 'echo -1; echo -1 >&2; cat' \(closed)")
            #expect(end.status == 0, "\(end.errors)")
            #expect(end.output == (closed.contains(" >&-") || closed.hasPrefix(">&-") ? "" : "-1\n"))
        }

        @Test("a user without a home runs programs too")
        func homeless() async throws {
            let end = try await shell("env -u FOG_HOME -u XDG_CACHE_HOME HOME=/proc/nothing $SANDBOX echo ran")
            #expect(end.output == "ran\n", "\(end.errors)")
        }

        @Test("SIGTERM ends the task first, and leaves no control group")
        func terminated() async throws {
            let script = """
                $SANDBOX sh -c 'trap "echo asked; exit 5" TERM; echo up; while :; do sleep 0.01; done' > out &
                until grep -q up out 2> /dev/null; do sleep 0.01; done
                kill -TERM $!; wait $!; echo $?; find /sys/fs/cgroup -name "fog-$!-*" 2> /dev/null
                """
            let end = try await shell(script)
            #expect(end.output == "5\n", "\(end.errors)")
            #expect(try folder.text(of: "out") == "up\nasked\n")
        }

        @Test("profile check names dangers and writes the filter; a bad file is refused by its key")
        func check() async throws {
            let mobys = "\(Places.root)/Tests/Profiles/moby-default.json"
            let checked = try await shell("$FOG profile check \(mobys) --bpf filter -o json")
            #expect(checked.status == 0, "\(checked.errors)")
            let document = try #require(
                try JSONSerialization.jsonObject(with: Data(checked.outputBytes)) as? [String: Any])
            #expect(try folder.bytes(of: "filter").count == 8 * (document["instructions"] as? Int ?? 0))
            #expect(checked.output.contains("syscalls.ptrace"))
            #expect(try await shell("$FOG profile check \(mobys) --strict").status == 1)
            #expect(try await shell("$FOG profile check default --strict").status == 0)
            _ = try folder.write(#"{"name":"p","extends":"default","limits":{"threads":1}}"#, to: "p.json")
            let bad = try await shell("$FOG profile check ./p.json")
            #expect(bad.status == 1)
            #expect(bad.errors.contains("p.json: `limits.threads`"))
        }

        @Test("profiles are listed, shown, explained and compared")
        func read() async throws {
            let list = try await shell("$FOG profile list -o quiet").output.split(separator: "\n")
            #expect(list == ["build", "default", "media", "network-client", "none", "python", "strict"])
            #expect(try await shell("$FOG profile explain strict").output.contains("\nmay not\n"))
            let shown = try await shell("$FOG profile show python -o json")
            #expect(shown.output.contains("\"pids\": 256") && !shown.output.contains("extends"))
            let same = try await shell("$FOG profile diff default default")
            #expect(same.status == 0 && same.output.isEmpty)
            let other = try await shell("$FOG profile diff default python")
            #expect(other.status == 1 && other.output == "limits.pids\n  - 64\n  + 256\n")
            #expect(try await shell("$FOG profile explain network-client").output.contains("allow_hosts"))
            let refused = try await shell("$FOG sandbox run --allow-host example.org:443 --work w -- true")
            #expect(refused.status == 125 && refused.errors.contains("no_network"))
            let bad = try await shell(
                "$FOG sandbox run --profile network-client --allow-host https://example.org --work w -- true")
            #expect(bad.status == 125 && bad.errors.contains("without a scheme"), "\(bad.errors)")
        }
    }
}
