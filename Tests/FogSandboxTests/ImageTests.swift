import FogCore
import Glibc
import Testing

@testable import FogSandbox

@Suite("Images")
struct ImageTests {
    struct Hostile: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// What the refusal must name.
        let names: String
        let archive: [UInt8]

        init(_ what: String, names: String, _ build: (inout TarBuilder) -> Void) {
            (testDescription, self.names, archive) = (what, names, TarBuilder.make(build))
        }

        init(_ what: String, names: String, bytes: [UInt8]) {
            (testDescription, self.names, archive) = (what, names, bytes)
        }
    }

    private static let deep = Array(repeating: "d", count: 65).joined(separator: "/")
    private static let good = TarBuilder.make { $0.file("a", "1") }

    static let hostile: [Hostile] = [
        Hostile("an absolute path", names: "/etc/passwd") { $0.file("/etc/passwd", "x") },
        Hostile("a path with ..", names: "a/../../x") { $0.file("a/../../x", "x") },
        Hostile(".. alone", names: "`..`") { $0.folder("..") },
        Hostile("an absolute long name of GNU", names: "/etc/x") {
            $0.long("L", "/etc/x"); $0.file("a", "x")
        },
        Hostile("a long name of GNU with ..", names: "../x") {
            $0.long("L", "../x"); $0.file("a", "x")
        },
        Hostile("an absolute path of pax", names: "/etc/x") {
            $0.pax([("path", "/etc/x")]); $0.file("a", "x")
        },
        Hostile("a path of pax with ..", names: "b/../../x") {
            $0.pax([("path", "b/../../x")]); $0.file("a", "x")
        },
        Hostile("a link out", names: "a/out") { $0.link("a/out", to: "../../etc/passwd") },
        Hostile("an absolute link out", names: "out") { $0.link("out", to: "/../etc") },
        Hostile("a link out by a long link", names: "out") {
            $0.long("K", "../up"); $0.link("out", to: "x")
        },
        Hostile("a link out by pax", names: "out") {
            $0.pax([("linkpath", "../up")]); $0.link("out", to: "x")
        },
        Hostile("a link without a target", names: "out") { $0.link("out", to: "") },
        Hostile("a file behind a link", names: "l/x") {
            $0.link("l", to: "/etc"); $0.file("l/x", "x")
        },
        Hostile("a file behind a file", names: "f/x") {
            $0.file("f", "x"); $0.file("f/x", "x")
        },
        Hostile("a file in a folder's place", names: "`f`") {
            $0.file("f/x", "x"); $0.file("f", "x")
        },
        Hostile("a hard link out", names: "h") { $0.add("h", kind: "1", link: "../../etc/passwd") },
        Hostile("an absolute hard link", names: "h") { $0.add("h", kind: "1", link: "/etc/passwd") },
        Hostile("a hard link to nothing", names: "h") { $0.add("h", kind: "1", link: "gone") },
        Hostile("a hard link to a link", names: "h") {
            $0.link("l", to: "/etc/passwd"); $0.add("h", kind: "1", link: "l")
        },
        Hostile("a hard link to a folder", names: "h") {
            $0.folder("d"); $0.add("h", kind: "1", link: "d")
        },
        Hostile("a character device", names: "dev/null") { $0.add("dev/null", kind: "3") },
        Hostile("a block device", names: "dev/sda") { $0.add("dev/sda", kind: "4") },
        Hostile("a FIFO", names: "pipe") { $0.add("pipe", kind: "6") },
        Hostile("a sparse file of GNU", names: "s") { $0.add("s", kind: "S") },
        Hostile("a sparse file of pax", names: "sparse") {
            $0.pax([("GNU.sparse.major", "1")]); $0.file("a", "x")
        },
        Hostile("an unknown kind", names: "`k`") { $0.add("k", kind: "Z") },
        Hostile("a name twice", names: "`a/b` stands twice") {
            $0.file("a/b", "1"); $0.file("a/b", "2")
        },
        Hostile("a name twice, spelt differently", names: "`a/b` stands twice") {
            $0.file("a/b", "1"); $0.file("./a/./b", "2")
        },
        Hostile("a folder twice", names: "`d` stands twice") {
            $0.folder("d/"); $0.folder("d/")
        },
        Hostile("a file without a name", names: "no name") { $0.file("", "x") },
        Hostile("a folder with content", names: "d") { $0.add("d", Array("xx".utf8), kind: "5") },
        Hostile("a link with content", names: "l") { $0.add("l", Array("xx".utf8), kind: "2", link: "a") },
        Hostile("too many folders", names: "deeper") {
            $0.long("L", deep + "/x"); $0.file("a", "x")
        },
        Hostile("a part that is too long", names: "255 bytes") {
            $0.long("L", String(repeating: "n", count: 256)); $0.file("a", "x")
        },
        Hostile("a path that is too long", names: "4095") {
            $0.long("L", String(repeating: "n/", count: 2100)); $0.file("a", "x")
        },
        Hostile("a pax header beyond its bound", names: "header of") {
            $0.pax([("comment", String(repeating: "c", count: TarReader.maxMetadataBytes))]); $0.file("a", "x")
        },
        Hostile("a pax header that does not read", names: "pax") {
            $0.add("x", Array("99 path=a\n".utf8), kind: "x"); $0.file("a", "x")
        },
        Hostile("a global path", names: "`path`") {
            $0.pax([("path", "/etc/x")], isGlobal: true); $0.file("a", "x")
        },
        Hostile("a long name for nothing", names: "name of an entry") { $0.long("L", "x") },
        Hostile("a bomb of size", names: "bomb") { $0.add("bomb", [], size: 8_589_934_591) },
        Hostile("a bomb of size by pax", names: "bomb") {
            $0.pax([("size", "999999999999999999")]); $0.add("bomb", [])
        },
        Hostile("a bomb of count", names: "f/100") { for number in 0..<200 { $0.file("f/\(number)", "") } },
        Hostile("a bomb of names at the top", names: "names at its top") {
            for number in 0...ImagePlan.maxTopNames { $0.folder("\(number)") }
        },
        Hostile("a wrong checksum", names: "checksum", bytes: [1] + good.dropFirst()),
        Hostile("half an archive", names: "stops", bytes: Array(good.prefix(700))),
        Hostile("no end", names: "stops", bytes: Array(good.prefix(1024))),
        Hostile("an entry behind the end", names: "empty block", bytes: [UInt8](repeating: 0, count: 512) + good),
        Hostile("no bytes", names: "stops", bytes: []),
        Hostile("noise", names: "checksum", bytes: (0..<2048).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 13) }),
        Hostile("half a gzip", names: "before its end", bytes: Array(TarBuilder.gzip(good).dropLast(20))),
        Hostile(
            "a gzip that was changed", names: "zlib",
            bytes: Array(TarBuilder.gzip(good).enumerated().map { $0.offset == 11 ? $0.element ^ 1 : $0.element })),
        Hostile("zstd", names: "zstd", bytes: [0x28, 0xb5, 0x2f, 0xfd] + good),
        Hostile("xz", names: "xz", bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0] + good),
        Hostile(
            "a layout whose layer leaves it", names: "../x",
            bytes: TarBuilder.layout([TarBuilder.make { $0.file("../x", "") }])),
        Hostile("a layout of another machine", names: "s390x", bytes: TarBuilder.layout([good], architecture: "s390x")),
        Hostile(
            "a layout with other content", names: "other content",
            bytes: TarBuilder.layout([good]) { blobs in
                for (name, bytes) in blobs { blobs[name] = bytes.map { $0 ^ 1 } }
            }),
        Hostile("a layout without its blobs", names: "is not in it", bytes: TarBuilder.layout([good]) { $0 = [:] }),
        Hostile("a compressed layout", names: "compressed", bytes: TarBuilder.gzip(TarBuilder.layout([good]))),
        Hostile(
            "a whiteout of the parent", names: "whiteout",
            bytes: TarBuilder.layout([good, TarBuilder.make { $0.file(".wh...", "") }])),
        Hostile(
            "a layer that writes through a lower one's link", names: "l/x",
            bytes: TarBuilder.layout([
                TarBuilder.make { $0.link("l", to: "/etc") }, TarBuilder.make { $0.file("l/x", "x") },
            ])),
        Hostile(
            "a layer that links to a lower one's link", names: "h",
            bytes: TarBuilder.layout([
                TarBuilder.make { $0.link("l", to: "/etc/passwd") },
                TarBuilder.make { $0.add("h", kind: "1", link: "l") },
            ])),
    ]

    /// Unpacks as a worker does; nothing but the archive is left when it is refused.
    private func unpack(_ archive: [UInt8], into folder: String, limits: ImageLimits = ImageLimits()) throws {
        let path = folder + "/archive"
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        try #require(file >= 0)
        archive.withUnsafeBytes { _ = write(file, $0.baseAddress, $0.count) }
        close(file)
        let plan = try ImagePlan(try ImageArchive(path: path, limits: limits), architecture: "x86_64")
        try #require(mkdir(folder + "/root", 0o755) == 0)
        try ImageUnpacker.unpack(plan, from: try ImageArchive(path: path, limits: limits), into: folder + "/root")
    }

    @Test("What a stranger's archive must not hold is refused by name, and nothing lands outside", arguments: hostile)
    func refuses(_ hostile: Hostile) throws {
        let folder = try Fixture.temporaryFolder()
        defer { Fixture.remove(folder) }
        var limits = ImageLimits()
        (limits.entries, limits.bytes) = (100, 1 << 30)
        // Only the bomb of count has so many entries; the others are judged by the same bound.
        if hostile.names == "names at its top" { limits.entries = 1000 }
        let failure = #expect(throws: SandboxFailure.self) { try unpack(hostile.archive, into: folder, limits: limits) }
        #expect(failure?.code == "bad_image")
        #expect(failure?.message.contains(hostile.names) == true, "\(failure?.message ?? "")")
        // What only shows while it is unpacked stays below the root, which the caller removes.
        #expect(Set(entries(folder)).subtracting(["archive", "root"]).isEmpty)
        #expect(entries(folder + "/root").filter { $0 != "l" && $0 != "a" }.isEmpty)
    }

    @Test("Bytes come in pieces of any size; the entries are the same")
    func pieces() throws {
        let archive = TarBuilder.make { tar in
            tar.folder("./")
            tar.folder("usr/bin/")
            tar.file("usr/bin/tool", "tool", mode: 0o4755)
            tar.link("bin", to: "usr/bin")
            tar.add("usr/bin/same", kind: "1", link: "./usr/bin/tool")
            tar.long("L", "usr/" + String(repeating: "n", count: 150))
            tar.file("short", String(repeating: "x", count: 1000))
            tar.pax([("path", "usr/é"), ("mtime", "1234567890.5"), ("comment", "none")])
            tar.file("short", "pax")
        }
        var whole: [TarEntry] = []
        for size in [1, 7, 511, 512, 513, archive.count] {
            var (reader, found, content): (TarReader, [TarEntry], [UInt8]) = (TarReader(), [], [])
            for start in stride(from: 0, to: archive.count, by: size) {
                try reader.read(archive[start..<min(archive.count, start + size)]) { event in
                    switch event {
                    case .entry(let entry): found.append(entry)
                    case .content(let bytes): content += bytes
                    case .endOfContent: content.append(UInt8(ascii: "|"))
                    }
                }
            }
            try reader.finish()
            #expect(content == Array("tool|\(String(repeating: "x", count: 1000))|pax|".utf8))
            if whole.isEmpty { whole = found }
            #expect(found == whole)
        }
        #expect(
            whole.map(\.name) == [
                "", "usr/bin", "usr/bin/tool", "bin", "usr/bin/same", "usr/" + String(repeating: "n", count: 150),
                "usr/é",
            ])
        #expect(whole[2].mode == 0o755)
        #expect(whole[6].modified == 1_234_567_890)
    }

    @Test("A damaged archive is refused or read, never more", arguments: 0..<40)
    func damage(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let layout = TarBuilder.layout([
            TarBuilder.make {
                $0.file("a/b", "x"); $0.link("l", to: "a"); $0.pax([("path", "p")])
            }
        ])
        for base in [Self.good, TarBuilder.gzip(Self.good), layout] {
            for _ in 0..<25 {
                var bytes = base
                for _ in 0..<Int.random(in: 1...6, using: &generator) {
                    bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
                }
                let folder = try Fixture.temporaryFolder()
                defer { Fixture.remove(folder) }
                do {
                    try unpack(bytes, into: folder)
                } catch let failure as SandboxFailure {
                    #expect(failure.code == "bad_image", "\(failure)")
                }
                #expect(Set(entries(folder)).subtracting(["archive", "root"]).isEmpty)
            }
        }
    }

    @Test(
        "Layers lie over each other: files are replaced, whiteouts take away, folders stay", arguments: [false, true])
    func layers(compressed: Bool) throws {
        let lower = TarBuilder.make { tar in
            tar.file("etc/keep", "lower")
            tar.file("etc/replaced", "lower")
            tar.file("etc/gone", "lower")
            tar.file("data/one", "lower")
            tar.file("data/deep/two", "lower")
            tar.file("tree/x", "lower")
            tar.file("file-then-folder", "lower")
        }
        let upper = TarBuilder.make { tar in
            tar.file("etc/.wh.gone", "")
            tar.file("etc/replaced", "upper", mode: 0o755)
            tar.file("data/.wh..wh..opq", "")
            tar.file("data/three", "upper")
            tar.file(".wh.tree", "")
            tar.file("tree/y", "upper")
            tar.folder("file-then-folder")
            tar.file("file-then-folder/z", "upper")
            tar.add("etc/same", kind: "1", link: "etc/keep")
        }
        let layers = [lower, upper].map { compressed ? TarBuilder.gzip($0) : $0 }
        let folder = try Fixture.temporaryFolder()
        defer { Fixture.remove(folder) }
        try unpack(TarBuilder.layout(layers), into: folder)
        let root = folder + "/root"
        #expect(entries(root).sorted() == ["data", "etc", "file-then-folder", "tree"])
        #expect(entries(root + "/etc").sorted() == ["keep", "replaced", "same"])
        #expect(entries(root + "/data") == ["three"])
        #expect(entries(root + "/tree") == ["y"])
        #expect(Files.text(root + "/etc/replaced") == "upper")
        #expect(Files.text(root + "/etc/same") == "lower")
        #expect(Files.text(root + "/file-then-folder/z") == "upper")
        var status = stat()
        #expect(stat(root + "/etc/replaced", &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o555)
        #expect(status.st_mtim.tv_sec == 1_000_000_000)
    }

    @Test("In a plain archive `.wh.` is a name like others")
    func plainNames() throws {
        let folder = try Fixture.temporaryFolder()
        defer { Fixture.remove(folder) }
        try unpack(TarBuilder.make { $0.file("a/.wh.b", "x") }, into: folder)
        #expect(entries(folder + "/root/a") == [".wh.b"])
    }

    // MARK: - In the sandbox

    private static func bytes(_ path: String) throws -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        try #require(file >= 0, "\(path)")
        defer { close(file) }
        var status = stat()
        fstat(file, &status)
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        try #require(read(file, &bytes, bytes.count) == bytes.count)
        return bytes
    }

    /// A root with a shell and the two libraries it needs, copied from this machine.
    private static func shellImage() throws -> [UInt8] {
        let maps = try #require(Files.text("/proc/self/maps"))
        let libc = try #require(
            maps.split(separator: "\n").first { $0.hasSuffix("/libc.so.6") }?.split(separator: " ").last)
        let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"]
        let loader = try #require(loaders.first { access($0, R_OK) == 0 })
        let (shell, content, loading) = (try bytes("/bin/sh"), try bytes(String(libc)), try bytes(loader))
        return TarBuilder.make { tar in
            tar.add("usr/bin/sh", shell, mode: 0o755)
            tar.link("bin", to: "usr/bin")
            tar.add(String(loader.dropFirst()), loading, mode: 0o755)
            // The loader looks here in every case.
            tar.add("usr/lib/libc.so.6", content, mode: 0o755)
            tar.file("etc/os-release", "NAME=tiny\n")
            tar.file("tmp/hidden", "x")
            tar.file("proc/hidden", "x")
            tar.file("marker", "of the image")
        }
    }

    @Test("A task finds the image where the machine's own programs would be, and cannot write to it")
    func runs() async throws {
        try await Fixture.with { fixture in
            try unpack(Self.shellImage(), into: fixture.folder)
            let slot = try await fixture.host.slot(
                profile: try Fixture.profile(), image: fixture.folder + "/root", index: 0)
            let path = fixture.folder + "/output"
            let output = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            defer { close(output) }
            let script = """
                while read line; do echo "$line"; done < /etc/os-release
                read mark < /marker; echo "$mark"
                echo /*
                echo /tmp/* /usr/bin/*
                read name rest < /proc/self/stat; [ "$name" -gt 0 ] && echo proc
                echo data > /work/file && echo data > /tmp/file && echo data > /dev/null && echo writable
                (echo x > /usr/bin/new) 2>/dev/null || echo read-only
                (echo x > /marker) 2>/dev/null || echo read-only
                """
            var task = SandboxTask(arguments: ["sh", "-c", script], workFolder: fixture.work())
            (task.standardOutput, task.standardError) = (output, output)
            let result = try await slot.run(task)
            #expect(result.exitCode == 0)
            let top = ["bin", "dev", "etc", "lib", "lib64", "marker", "proc", "run", "tmp", "usr", "work"]
            let lines = (Files.text(path) ?? "").split(separator: "\n").map(String.init)
            #expect(lines.first == "NAME=tiny")
            #expect(lines.contains("of the image"))
            #expect(
                Set(try #require(lines.dropFirst(2).first).split(separator: " ").map { String($0.dropFirst()) })
                    .subtracting(top).isEmpty)
            #expect(Array(lines.dropFirst(3)) == ["/tmp/* /usr/bin/sh", "proc", "writable", "read-only", "read-only"])
            await fixture.host.discard(slot)
            let own = try await fixture.shell("test ! -e /marker && echo host")
            #expect(own.output == "host\n")
        }
    }

    @Test("Secrets are files that the task alone reads, in memory, and gone with it")
    func secrets() async throws {
        try await Fixture.with { fixture in
            let script = """
                cat /run/secrets/token; stat -c ' %a %u %s' /run/secrets/token
                stat -f -c %T /run/secrets; ls -A /run/secrets
                """
            let told = try await fixture.shell(script) { $0.secrets = ["token": "hidden", "other": "x"] }
            #expect(told.output == "hidden 400 1000 6\ntmpfs\nother\ntoken\n", "\(told.result)")
            let next = try await fixture.shell("ls -A /run/secrets; grep -c secrets /proc/mounts")
            #expect(next.output == "0\n")
            for name in ["../x", "a/b", ""] {
                let failure = await #expect(throws: SandboxFailure.self) {
                    _ = try await fixture.shell("true") { $0.secrets = [name: "x"] }
                }
                #expect(failure?.code == "bad_task")
            }
        }
    }

    @Test("A profile without isolation takes no image")
    func unisolated() async throws {
        try await Fixture.with { fixture in
            let failure = await #expect(throws: SandboxFailure.self) {
                _ = try await fixture.host.slot(profile: try Fixture.profile("none"), image: "/", index: 0)
            }
            #expect(failure?.code == "bad_task")
        }
    }
}
