import FogCore
import Glibc
import Testing

@testable import FogSandbox

@Suite("Outputs")
struct OutputTests {
    @Test(
        "patterns",
        arguments: [
            ("a.txt", "a.txt", true), ("a.txt", "b/a.txt", false), ("d/", "d/x/y", true), ("d/", "dx", false),
            ("d", "d/x", true), ("*.csv", "a.csv", true), ("*.csv", "d/a.csv", false), ("**/*.csv", "a.csv", true),
            ("**/*.csv", "x/y/a.csv", true), ("d/**", "d/x/y", true), ("d/**/z", "d/z", true), ("?.x", "a.x", true),
            ("?.x", "ab.x", false), ("[a-c]1", "b1", true), ("[!a-c]1", "b1", false), ("[!a-c]1", "d1", true),
            ("*", ".hidden", false), (".*", ".hidden", true), ("[]]", "]", true), ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false), ("./a", "a", true), ("[", "[", true), ("**", "a/b/c", true),
        ])
    func patterns(pattern: String, path: String, wanted: Bool) throws {
        let names = path.split(separator: "/").map { Array($0.utf8) }
        #expect(try OutputPattern(pattern).matches(names) == wanted)
    }

    @Test(
        "a pattern leads nowhere else",
        arguments: [
            "../x", "/etc/passwd", "", "a//b", "a/../b", ".", "a\nb", "a/.", "../\u{301}x", "/\u{301}x", "a/\u{fe0f}b",
        ])
    func badPatterns(pattern: String) {
        #expect(throws: SandboxFailure.self) { try OutputPattern(pattern) }
    }

    @Test("many stars cost no more than a few")
    func stars() throws {
        let pattern = try OutputPattern(String(repeating: "**/", count: 15) + String(repeating: "a*", count: 200) + "b")
        #expect(!pattern.matches(Array(repeating: Array(repeating: UInt8(ascii: "a"), count: 250), count: 30)))
    }

    private func with<Result>(_ body: (String) throws -> Result) throws -> Result {
        let folder = try Fixture.temporaryFolder()
        defer { Fixture.remove(folder) }
        mkdir(folder + "/d", 0o755)
        mkdir(folder + "/d/e", 0o755)
        for (name, mode) in [("a.txt", 0o644), ("run", 0o755), ("d/1", 0o644), ("d/e/2", 0o644), ("in", 0o644)] {
            close(open(folder + "/" + name, O_WRONLY | O_CREAT, mode_t(mode)))
        }
        return try body(folder)
    }

    private func code(_ body: () throws -> [CollectedFile]) -> String {
        do {
            return try body().map(\.name).joined(separator: " ")
        } catch let failure as SandboxFailure {
            return failure.code
        } catch {
            return "\(error)"
        }
    }

    @Test("names, trees and globs are collected, inputs are not")
    func collects() throws {
        try with { folder in
            func collect(_ patterns: [String], _ inputs: Set<String> = []) -> String {
                code { try OutputCollector.collect(workFolder: folder, patterns: patterns, excluding: inputs) }
            }
            #expect(collect(["a.txt", "d/"]) == "a.txt d/1 d/e/2")
            #expect(collect(["**"], ["in", "d/e"]) == "a.txt d/1 run")
            #expect(collect(["d"]) == "d/1 d/e/2")
            #expect(collect(["none.txt"]) == "missing_output")
            #expect(collect(["none/"]) == "missing_output")
            #expect(collect(["none*"]) == "")
            #expect(collect(["in"], ["in"]) == "missing_output")
            let files = try OutputCollector.collect(workFolder: folder, patterns: ["run", "a.txt"])
            #expect(files.map(\.isExecutable) == [false, true])
        }
    }

    @Test("links, pipes and sockets are never collected")
    func kinds() throws {
        try with { folder in
            symlink("/etc/passwd", folder + "/link")
            symlink("/etc", folder + "/links")
            symlink(".", folder + "/d/loop")
            mkfifo(folder + "/pipe", 0o644)
            func collect(_ patterns: [String]) -> String {
                code { try OutputCollector.collect(workFolder: folder, patterns: patterns) }
            }
            #expect(collect(["**"]) == "a.txt d/1 d/e/2 in run")
            #expect(collect(["link"]) == "bad_output")
            #expect(collect(["pipe"]) == "bad_output")
            #expect(collect(["links/"]) == "missing_output")
            #expect(collect(["links/passwd"]) == "missing_output")
        }
    }

    @Test(
        "evil names are refused where they are meant and ignored elsewhere",
        arguments: ["a\nb", "\u{1b}[31m", "a\\b", "\u{7f}"])
    func names(name: String) throws {
        try with { folder in
            close(open(folder + "/d/" + name, O_WRONLY | O_CREAT, 0o644))
            #expect(code { try OutputCollector.collect(workFolder: folder, patterns: ["d/"]) } == "bad_output")
            #expect(code { try OutputCollector.collect(workFolder: folder, patterns: ["a.txt"]) } == "a.txt")
        }
    }

    @Test("a name that is not UTF-8 is refused")
    func bytes() throws {
        try with { folder in
            let path = Array((folder + "/").utf8) + [0x78, 0xff, 0xfe]
            Folder.withName(path) { _ = close(open($0, O_WRONLY | O_CREAT, 0o644)) }
            #expect(code { try OutputCollector.collect(workFolder: folder, patterns: ["*"]) } == "bad_output")
        }
    }

    @Test("files, bytes and depth are bounded")
    func bounds() throws {
        try with { folder in
            var limits = OutputCollector.Limits()
            limits.files = 2
            #expect(
                code { try OutputCollector.collect(workFolder: folder, patterns: ["**"], limits: limits) }
                    == "too_many_outputs")
            limits = .init()
            limits.bytes = ByteCount(10)
            truncate(folder + "/a.txt", 11)
            #expect(
                code { try OutputCollector.collect(workFolder: folder, patterns: ["**"], limits: limits) }
                    == "outputs_too_large")
            limits = .init()
            limits.entries = 3
            #expect(
                code { try OutputCollector.collect(workFolder: folder, patterns: ["**"], limits: limits) }
                    == "too_many_outputs")
            var path = folder
            for _ in 0..<40 {
                path += "/x"
                mkdir(path, 0o755)
            }
            #expect(code { try OutputCollector.collect(workFolder: folder, patterns: ["**"]) } == "bad_output")
            #expect(code { try OutputCollector.collect(workFolder: folder, patterns: ["run"]) } == "run")
        }
    }

    @Test("a folder's size counts blocks and files, and follows no link")
    func measure() throws {
        try with { folder in
            symlink("/usr", folder + "/usr")
            let measured = FolderMeasure(folder, limit: .max, maxEntries: 1000)
            #expect(measured.entries == 8)
            #expect(measured.bytes < 1 << 20)
        }
    }
}
