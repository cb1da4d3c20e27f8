import FogAPI
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
        InstallFiles.answer(CarrierRequest(method: "GET", target: target), of: files, url: "http://127.0.0.1:1")
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
            for target in ["?part=3", "?part=-1", "?part=x", "", "?part=0&part=1", "?part=00", "?piece=0"] {
                #expect(Self.get(files, "/install/fog-1-linux-x86_64.tar.gz\(target)")?.status == 400, "\(target)")
            }
            for name in ["secret.key", ".x.deb", "../secret.key", "%2e%2e/secret.key", ""] {
                #expect(Self.get(files, "/install/\(name)")?.status == 404, "\(name)")
            }
            #expect(Self.get(files, "/v1/info") == nil)
            #expect(InstallFiles.answer(CarrierRequest(method: "POST", target: "/install"), of: files, url: "") == nil)
            let list = String(decoding: try #require(Self.get(files, "/install")).body, as: UTF8.self)
            #expect(list == "\(files.items[0].digest)  fog-1-linux-x86_64.tar.gz\n")
        }
    }

    /// Held against the API's description, as all that a pool is asked.
    @Test("over the door: the list, the script, a package; a method or a package that is not there is refused")
    func door() async throws {
        let name = "fog-1-linux-x86_64.tar.gz"
        try await Pool.with(packages: [name: [1, 2, 3]]) { pool in
            func get(_ target: String) async throws -> CarrierResponse {
                try await pool.send(CarrierRequest(method: "GET", target: target))
            }
            #expect(try await get("/install/\(name)").body == [1, 2, 3])
            #expect(try await get("/install/fog%2D1-linux-x86_64.tar.gz?part=0").body == [1, 2, 3])
            #expect(String(decoding: try await get("/install.sh").body, as: UTF8.self).contains(name))
            #expect(String(decoding: try await get("/install").body, as: UTF8.self).contains(name))
            expectRefusal(try await get("/install/other.deb"), [404], code: "not_found", "another")
            // Not a space and a digit: an escape is two digits.
            expectRefusal(try await get("/install/\(name)?part=%+30"), [400], code: "bad_query", "a sign in an escape")
            expectRefusal(try await get("/install/\(name)?part=1"), [400], code: "bad_query", "part 1 of 1")
            expectRefusal(try await get("/install/\(name)?x=1"), [400], code: "bad_query", "no parameter")
            let post = try await pool.send(CarrierRequest(method: "POST", target: "/install"))
            expectRefusal(post, [405], code: "method_not_allowed", "POST")
            #expect(post.headers["allow"] == "GET")
        }
    }

    @Test("a coordinator that hands out nothing says so")
    func nothing() async throws {
        try await Pool.with { pool in
            for target in ["/install", "/install.sh", "/install/fog.deb", "/install/"] {
                let answer = try await pool.send(CarrierRequest(method: "GET", target: target))
                let problem = expectRefusal(answer, [404], code: "not_found", target)
                #expect(problem?.detail.contains("--install-files") == true, "\(target)")
            }
        }
    }

    @Test("a package that has changed since the start is not handed out in part")
    func changed() throws {
        try Self.withFolder(["fog.deb": Data([1, 2, 3])]) { folder in
            let files = try InstallFiles(folder: folder)
            try Data([1]).write(to: URL(filePath: "\(folder)/fog.deb"))
            let answer = try #require(Self.get(files, "/install/fog.deb"))
            #expect(answer.status == 503 && Problem(answer)?.code == "package_changed")
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
