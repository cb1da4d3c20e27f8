import FogCore
import FogNet
import Foundation
import Testing

@testable import FogHTTP

@Suite("Packages for newcomers")
struct InstallFilesTests {
    private static func withFolder(_ files: [String: Data], _ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "fog-install-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, bytes) in files { try bytes.write(to: folder.appending(path: name)) }
        try body(folder.path)
    }

    private static func get(_ files: InstallFiles, _ target: String) -> CarrierResponse? {
        files.answer(CarrierRequest(method: "GET", target: target), url: "http://127.0.0.1:1")
    }

    @Test("a package comes whole, in parts, and nothing else comes")
    func parts() throws {
        let bytes = Data((0..<(9 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })
        try Self.withFolder(["fog-1-linux-x86_64.tar.gz": bytes, "secret.key": Data([1]), ".x.deb": Data([2])]) {
            folder in
            let files = try InstallFiles(folder: folder)
            #expect(files.items.map(\.name) == ["fog-1-linux-x86_64.tar.gz"])
            #expect(files.items[0].parts == 3)
            var got: [UInt8] = []
            for part in 0..<3 {
                let answer = try #require(Self.get(files, "/install/fog-1-linux-x86_64.tar.gz?part=\(part)"))
                #expect(answer.status == 200)
                got += answer.body
            }
            #expect(got == Array(bytes))
            #expect(Digest.sha256(got) == files.items[0].digest)
            for target in ["?part=3", "?part=-1", "?part=x", "", "?part=0&part=1"] {
                #expect(Self.get(files, "/install/fog-1-linux-x86_64.tar.gz\(target)")?.status == 400, "\(target)")
            }
            for name in ["secret.key", ".x.deb", "../secret.key", "%2e%2e/secret.key", ""] {
                #expect(Self.get(files, "/install/\(name)")?.status == 404, "\(name)")
            }
            #expect(Self.get(files, "/v1/info") == nil)
            #expect(files.answer(CarrierRequest(method: "POST", target: "/install"), url: "") == nil)
            let list = String(decoding: try #require(Self.get(files, "/install")).body, as: UTF8.self)
            #expect(list == "\(files.items[0].digest)  fog-1-linux-x86_64.tar.gz\n")
        }
    }

    @Test("a folder without packages is refused")
    func empty() throws {
        try Self.withFolder(["readme.txt": Data([1])]) { folder in
            #expect(throws: InstallFailure.self) { try InstallFiles(folder: folder) }
        }
        #expect(throws: InstallFailure.self) { try InstallFiles(folder: "/nowhere/at/all") }
    }
}
