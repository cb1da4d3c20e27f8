import FogCore
import Foundation
import Testing

@testable import FogStore

@Suite("Secrets on the disk")
struct SecretFilesTests {
    private static func job(_ number: UInt64) -> JobID { JobID(high: 1, low: number) }

    @Test("What was sealed opens under its key only, and only unchanged")
    func box() throws {
        let (key, other) = (SecureRandom.bytes(32), SecureRandom.bytes(32))
        for text in ["", "x", String(repeating: "long", count: 5000)] {
            let sealed = SecretBox.seal(Array(text.utf8), key: key)
            #expect(sealed != SecretBox.seal(Array(text.utf8), key: key))
            #expect(try SecretBox.open(sealed, key: key) == Array(text.utf8))
            #expect(throws: CoreFailure.self) { try SecretBox.open(sealed, key: other) }
            for place in [0, 24, sealed.count - 1] {
                var changed = sealed
                changed[place] ^= 1
                #expect(throws: CoreFailure.self) { try SecretBox.open(changed, key: key) }
            }
            #expect(throws: CoreFailure.self) {
                try SecretBox.open(Array(sealed.dropLast(sealed.count - 10)), key: key)
            }
        }
    }

    @Test("Values read back after a restart, lie nowhere in clear, and go with their job")
    func files() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/secrets"
            let values = ["token": "tok-in-clear", "password": "pw-in-clear"]
            try SecretFiles(folder: path).put(values, for: Self.job(1))
            let files = try SecretFiles(folder: path)
            #expect(try files.read(Self.job(1)) == values)
            for name in try FileManager.default.contentsOfDirectory(atPath: path) {
                let bytes = try #require(FileManager.default.contents(atPath: "\(path)/\(name)"))
                #expect(bytes.range(of: Data("in-clear".utf8)) == nil)
                let mode =
                    try FileManager.default.attributesOfItem(atPath: "\(path)/\(name)")[.posixPermissions] as? Int
                #expect(mode == 0o600)
            }
            try files.delete(Self.job(1))
            try files.delete(Self.job(1))
            #expect(throws: StoreFailure.self) { try files.read(Self.job(1)) }
        }
    }

    @Test("One job's file is not another's, and another key opens none")
    func exchange() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/secrets"
            let files = try SecretFiles(folder: path)
            try files.put(["a": "1"], for: Self.job(1))
            try files.put(["a": "2"], for: Self.job(2))
            let manager = FileManager.default
            try manager.removeItem(atPath: "\(path)/\(Self.job(1))")
            try manager.copyItem(atPath: "\(path)/\(Self.job(2))", toPath: "\(path)/\(Self.job(1))")
            let failure = #expect(throws: StoreFailure.self) { try files.read(Self.job(1)) }
            #expect(failure?.code == "bad_secrets")
            try manager.removeItem(atPath: "\(path)/key")
            #expect(throws: StoreFailure.self) { try SecretFiles(folder: path).read(Self.job(2)) }
            try Data([1, 2, 3]).write(to: URL(filePath: "\(path)/key"))
            #expect(throws: StoreFailure.self) { try SecretFiles(folder: path) }
        }
    }

    @Test("What a crash left without a job is swept; the key and live jobs stay")
    func sweep() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/secrets"
            let files = try SecretFiles(folder: path)
            for number in 1...3 { try files.put(["a": "\(number)"], for: Self.job(UInt64(number))) }
            try Data("half".utf8).write(to: URL(filePath: "\(path)/\(Self.job(9)).new"))
            try files.sweep(keeping: [Self.job(2)])
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: path).sorted()
                    == ["\(Self.job(2))", "key"].sorted())
            #expect(try files.read(Self.job(2)) == ["a": "2"])
        }
    }
}
