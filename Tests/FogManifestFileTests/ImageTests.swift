import FogCore
import FogJobs
import Glibc
import Testing

@testable import FogManifestFile

/// What can be seen of an image's file before it is sent.
@Suite("A manifest's image")
struct ManifestImageTests {
    private static func problems(_ files: [String: String], image: String = "image.tar") throws -> [ManifestProblem] {
        var files = files
        files["job.yaml"] = "run: a\nimage: \(image)\n"
        return try withFolder(files) { try ManifestFile(path: "\($0)/job.yaml").outcome.problems }
    }

    /// A header with one entry, its checksum right.
    private static func header() -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        for (place, text) in [
            (0, "usr/"), (100, "0000755"), (124, "00000000000"), (136, "00000000000"), (148, "        "), (156, "5"),
            (257, "ustar\u{0}00"),
        ] {
            for (offset, byte) in text.utf8.enumerated() { block[place + offset] = byte }
        }
        let digits = String(block.reduce(0) { $0 + Int($1) }, radix: 8)
        for (offset, byte) in "\(String(repeating: "0", count: 6 - digits.count))\(digits)\u{0} ".utf8.enumerated() {
            block[148 + offset] = byte
        }
        return block
    }

    @Test("one that is not there, a folder, and a file that is no archive are told of at their place")
    func mistakes() throws {
        let cases: [([String: String], String, String)] = [
            (["imagf.tar": "x"], "not_found", "is not there"),
            (["image.tar/x": "x"], "bad_value", "is a folder"),
            (["image.tar": ""], "bad_image", "is empty"),
            (["image.tar": "hello"], "bad_image", "has 5 bytes"),
            (["image.tar": String(repeating: "hello ", count: 100)], "bad_image", "is no archive"),
            (["image.tar": "BZh91AY&SY"], "bad_image", "is compressed by bzip2"),
        ]
        for (files, code, words) in cases {
            let problems = try Self.problems(files)
            #expect(problems.map(\.code) == [code], "\(problems)")
            #expect(problems.first?.message.contains(words) == true, "\(problems)")
            #expect(problems.first?.mark == SourceMark(line: 2, column: 8))
        }
        #expect(try Self.problems([:], image: "/dev/null").map(\.code) == ["bad_image"])
    }

    @Test("what may be an image is not refused")
    func images() throws {
        #expect(try Self.problems([:], image: "host").isEmpty)
        #expect(try Self.problems(["image.tar": "\u{1f}"]).map(\.code) == ["bad_image"])
        #expect(ImageHead.mistake(in: Self.header()[...]) == nil)
        #expect(ImageHead.mistake(in: [0x1f, 0x8b, 8]) == nil)
        #expect(ImageHead.mistake(in: [UInt8](repeating: 0, count: 512)[...]) == nil)
        var broken = Self.header()
        broken[0] ^= 1
        #expect(ImageHead.mistake(in: broken[...]) == "is no archive")
    }
}
