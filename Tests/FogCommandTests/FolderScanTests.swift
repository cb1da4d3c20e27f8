import FogCommandLine
import FogCore
import FogJobs
import Foundation
import Testing

@Suite("Folders that are sent along")
struct FolderScanTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let rules: String
        let path: String
        let isFolder: Bool
        let isOut: Bool

        init(_ rules: String, _ path: String, _ isOut: Bool) {
            self.rules = rules
            self.path = path.hasSuffix("/") ? String(path.dropLast()) : path
            isFolder = path.hasSuffix("/")
            self.isOut = isOut
        }

        var testDescription: String { "`\(rules)` and \(path)\(isFolder ? "/" : "")" }
    }

    /// Held against `git check-ignore` 2.39, which gives the same answers.
    static let cases = [
        Case("", "a", false), Case("# a", "# a", false), Case("\\#a", "#a", true), Case("\\!a", "!a", true),
        Case("a", "a", true), Case("a", "x/a", true), Case("a", "ab", false), Case("a", "x/a/", true),
        Case("a/", "a", false), Case("a/", "a/", true), Case("a/", "x/a/", true), Case("/a", "a", true),
        Case("/a", "x/a", false), Case("x/a", "x/a", true), Case("x/a", "y/x/a", false), Case("*.o", "x.o", true),
        Case("*.o", "d/x.o", true), Case("*.o", "x.oo", false), Case("*.o\n!keep.o", "keep.o", false),
        Case("!keep.o\n*.o", "keep.o", true), Case("d/*.o", "d/x.o", true), Case("d/*.o", "d/e/x.o", false),
        Case("?.c", "a.c", true), Case("?.c", "ab.c", false), Case("[a-c].h", "b.h", true),
        Case("[a-c].h", "d.h", false), Case("[!a-c].h", "d.h", true), Case("[^a-c].h", "b.h", false),
        Case("[]x]", "]", true), Case("**/log", "log", true), Case("**/log", "a/b/log", true),
        Case("log/**", "log/", false), Case("log/**", "log/a", true), Case("log/**", "log/a/b", true),
        Case("a/**/b", "a/b", true), Case("a/**/b", "a/x/y/b", true), Case("a/**/b", "a/x/bb", false),
        Case("a*b*c", "aXbYc", true), Case("a*b*c", "abcb", false), Case("a ", "a", true), Case("a\\ ", "a ", true),
        Case("a\r", "a", true), Case("\n\n/\n", "a", false), Case("a\\*", "a*", true), Case("a\\*", "ab", false),
    ]

    @Test("Patterns are those of gitignore", arguments: cases)
    func pattern(of test: Case) throws {
        var rules = IgnoreRules()
        try rules.add(Array(test.rules.utf8), in: "", path: "x")
        #expect(rules.leavesOut(test.path, isFolder: test.isFolder) == test.isOut)
    }

    @Test("A deeper file of rules is stronger, and speaks of its own folder only")
    func nested() throws {
        var rules = IgnoreRules()
        try rules.add(Array("*.o\n/top".utf8), in: "", path: "x")
        try rules.add(Array("!keep.o\n/here".utf8), in: "sub", path: "x")
        #expect(rules.leavesOut("keep.o", isFolder: false))
        #expect(!rules.leavesOut("sub/keep.o", isFolder: false))
        #expect(rules.leavesOut("sub/here", isFolder: false))
        #expect(!rules.leavesOut("here", isFolder: false))
        #expect(!rules.leavesOut("sub/deep/here", isFolder: false))
    }

    @Test("Too many rules are refused")
    func bounds() {
        var rules = IgnoreRules()
        let many = Array(String(repeating: "a\n", count: IgnoreRules.maxRules + 1).utf8)
        #expect(throws: CommandLineFailure.self) { try rules.add(many, in: "", path: "x") }
        let long = [UInt8](repeating: UInt8(ascii: "a"), count: IgnoreRules.maxBytes + 1)
        #expect(throws: CommandLineFailure.self) { try rules.add(long, in: "", path: "x") }
    }

    @Test("What .fogignore names stays here, itself too; empty folders and execute bits go along")
    func scan() throws {
        try withFolder { folder in
            let site = "\(folder)/site"
            for path in ["empty", "build/deep", "src/only-ignored"] { try Disk.makeFolder("\(site)/\(path)") }
            try Disk.write(Array("build/\n*.tmp\n".utf8), to: "\(site)/.fogignore")
            try Disk.write(Array("x".utf8), to: "\(site)/build/deep/out.bin")
            try Disk.write(Array("x".utf8), to: "\(site)/src/only-ignored/x.tmp")
            try Disk.write(Array("#!/bin/sh\n".utf8), to: "\(site)/src/run", mode: 0o755)
            let scan = try InputScan(sources: ["site"], folder: folder)
            #expect(scan.files["site"]?.map(\.path) == ["src/run"])
            #expect(scan.files["site"]?.map(\.isExecutable) == [true])
            #expect(scan.files.emptyFolders(in: "site") == ["empty", "src/only-ignored"])
            #expect(try FileTable(json: JSON(parsing: scan.files.bytes)) == scan.files)
        }
    }

    @Test("A source without any file is an empty folder")
    func emptySource() throws {
        try withFolder { folder in
            try Disk.makeFolder("\(folder)/nothing")
            let scan = try InputScan(sources: ["nothing"], folder: folder)
            #expect(scan.files["nothing"]?.isEmpty == true)
            #expect(scan.files.emptyFolders(in: "nothing") == [""])
        }
    }

    @Test("A link inside its folder is followed; one that leads out is refused by name, unless it is left out")
    func links() throws {
        try withFolder { folder in
            let files = FileManager.default
            try Disk.makeFolder("\(folder)/site/lib")
            try Disk.write(Array("one".utf8), to: "\(folder)/site/lib/v1")
            try Disk.write(Array("secret".utf8), to: "\(folder)/outside")
            try files.createSymbolicLink(atPath: "\(folder)/site/current", withDestinationPath: "lib")
            try files.createSymbolicLink(atPath: "\(folder)/site/lib/latest", withDestinationPath: "v1")
            let scan = try InputScan(sources: ["site"], folder: folder)
            #expect(scan.files["site"]?.map(\.path) == ["current/latest", "current/v1", "lib/latest", "lib/v1"])

            for (name, target) in [("out", "../outside"), ("gone", "nowhere"), ("round", "round")] {
                let link = "\(folder)/site/\(name)"
                try files.createSymbolicLink(atPath: link, withDestinationPath: target)
                let failure = #expect(throws: CommandLineFailure.self) {
                    try InputScan(sources: ["site"], folder: folder)
                }
                #expect(failure?.code == "bad_input")
                #expect(failure?.message.contains("site/\(name)") == true, "\(failure?.message ?? "")")
                try Disk.write(Array("/\(name)\n".utf8), to: "\(folder)/site/.fogignore")
                #expect(try InputScan(sources: ["site"], folder: folder).files == scan.files)
                try files.removeItem(atPath: link)
            }
        }
    }

    @Test("The first file beyond a bound is named")
    func limits() throws {
        try withFolder { folder in
            try Disk.makeFolder("\(folder)/site")
            for (name, size) in [("a", 3), ("b", 4), ("c", 5)] {
                let bytes = [UInt8](repeating: UInt8(name.utf8.first ?? 0), count: size)
                try Disk.write(bytes, to: "\(folder)/site/\(name)")
            }
            func refusal(_ change: (inout InputScan.Limits) -> Void) -> String {
                var limits = InputScan.Limits()
                change(&limits)
                let failure = #expect(throws: CommandLineFailure.self) {
                    try InputScan(sources: ["site"], folder: folder, limits: limits)
                }
                return failure?.message ?? ""
            }
            #expect(refusal { $0.entries = 2 }.contains("site/c"))
            #expect(refusal { $0.fileBytes = ByteCount(4) }.contains("site/c"))
            #expect(refusal { $0.bytes = ByteCount(6) }.contains("site/b"))
        }
    }

    @Test("A program is known by its header, a script is not")
    func machines() throws {
        try withFolder { folder in
            try Disk.makeFolder("\(folder)/bin")
            try Disk.write(Array("#!/bin/sh\n".utf8), to: "\(folder)/bin/script", mode: 0o755)
            // Little-endian, 64 bits, EXEC, machine 183.
            var header: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0] + [UInt8](repeating: 0, count: 8)
            header += [2, 0, 183, 0]
            try Disk.write(header, to: "\(folder)/bin/tool", mode: 0o755)
            let scan = try InputScan(sources: ["bin"], folder: folder)
            #expect(scan.files["bin"]?.map(\.machine) == [nil, "aarch64"])
            let own = try InputScan(sources: ["/proc/self/exe"], folder: folder)
            var names = utsname()
            uname(&names)
            let machine = withUnsafeBytes(of: names.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            #expect(own.files["/proc/self/exe"]?.map(\.machine) == [machine])
        }
    }
}
