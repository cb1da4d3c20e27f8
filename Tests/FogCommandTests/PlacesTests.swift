import FogAPI
import FogCommandLine
import FogCore
import Foundation
import Glibc
import Testing

@Suite("Places")
struct PlacesTests {
    @Test("FOG_HOME holds everything of an installation")
    func ownHome() throws {
        let folders = try Folders(environment: [
            "FOG_HOME": "/srv/fog/", "XDG_CONFIG_HOME": "/elsewhere", "HOME": "/home/a",
        ])
        #expect(folders.contextsFile == "/srv/fog/config/contexts.json")
        #expect(folders.state == "/srv/fog/state")
    }

    @Test("Without it the XDG folders are used, those that are absolute")
    func xdg() throws {
        let folders = try Folders(environment: [
            "HOME": "/home/a", "XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "relative",
        ])
        #expect(folders.configuration == "/c/fog")
        #expect(folders.state == "/home/a/.local/state/fog")
        #expect(throws: CommandLineFailure.self) { try Folders(environment: [:]) }
        #expect(throws: CommandLineFailure.self) { try Folders(environment: ["FOG_HOME": "here"]) }
    }

    @Test("A key is kept with mode 0600, read back, and never written over")
    func keys() throws {
        try withFolder { folder in
            let path = "\(folder)/a/identity.key"
            let made = try KeyFile.readOrCreate(path)
            #expect(made.isNew)
            #expect(try KeyFile.readOrCreate(path).key.publicKey == made.key.publicKey)
            #expect(Disk.status(path).map { $0.st_mode & 0o777 } == 0o600)
            #expect(throws: CommandLineFailure.self) { try KeyFile.write(.generate(), to: path) }
        }
    }

    @Test("A key that others can read is refused with the command that mends it", arguments: [0o644, 0o640, 0o604])
    func exposedKeys(mode: Int) throws {
        try withFolder { folder in
            let path = "\(folder)/identity.key"
            try KeyFile.write(.generate(), to: path)
            chmod(path, mode_t(mode))
            let failure = #expect(throws: CommandLineFailure.self) { try KeyFile.read(path) }
            #expect(failure?.code == "key_exposed")
            #expect(failure?.help == "chmod 600 \(path)")
        }
    }

    @Test("Contexts survive the file; the first is the current one")
    func contexts() throws {
        try withFolder { folder in
            let path = "\(folder)/contexts.json"
            var file = try ContextsFile.load(path)
            #expect(file.contexts.isEmpty)
            try file.put(Self.context("lab"), makeCurrent: false)
            try file.put(Self.context("home"), makeCurrent: false)
            #expect(file.current == "lab")
            try file.use("home")
            try file.save(path)
            #expect(try ContextsFile.load(path) == file)
            var hidden = try file.require(file.contexts[0].name)
            hidden.mix = FogContext.MixWay(network: "/net.json", service: "fogkey1x/00", level: "secret")
            try file.put(hidden, makeCurrent: false)
            try file.save(path)
            #expect(try ContextsFile.load(path) == file)
            // A way through the mixnet that does not read is not read as none.
            let text = String(decoding: try #require(try Disk.readSmall(path)), as: UTF8.self)
            for wrong in [text.replacing("\"level\"", with: "\"levels\""), text.replacing("\"secret\"", with: "7")] {
                #expect(wrong != text)
                try Disk.write(Array(wrong.utf8), to: path, mode: 0o600)
                #expect(throws: CommandLineFailure.self) { try ContextsFile.load(path) }
            }
            #expect(Disk.status(path).map { $0.st_mode & 0o777 } == 0o600)
            let failure = #expect(throws: CommandLineFailure.self) { try file.use("hom") }
            #expect(failure?.help == "did you mean `home`?")
        }
    }

    @Test("A damaged contexts file says where it is wrong")
    func damagedContexts() throws {
        try withFolder { folder in
            let path = "\(folder)/contexts.json"
            try Disk.write(Array(#"{"contexts": [{"name": "lab", "server": 7}]}"#.utf8), to: path)
            let failure = #expect(throws: CommandLineFailure.self) { try ContextsFile.load(path) }
            #expect(failure?.message.contains("contexts[0].server") == true)
        }
    }

    @Test("A coordinator's name becomes a context's, apart from another coordinator's of that name")
    func names() throws {
        var file = ContextsFile()
        let first = Self.context("my-lab")
        try file.put(first, makeCurrent: true)
        #expect(file.freeName(for: "My Lab", coordinator: first.coordinator) == "my-lab")
        #expect(file.freeName(for: "My Lab", coordinator: SigningKey.generate().publicKey) == "my-lab-2")
        #expect(file.freeName(for: "???", coordinator: first.coordinator) == "fog")
    }

    private static func context(_ name: String) -> FogContext {
        FogContext(
            name: name, server: "http://127.0.0.1:7070", coordinator: SigningKey.generate().publicKey,
            identityFile: "/x/identity.key")
    }
}

@Suite("Join tokens")
struct JoinTokenTests {
    @Test("A token survives being written and read")
    func roundTrip() throws {
        let token = try JoinToken(
            url: "https://fog.example:7070", coordinator: SigningKey.generate().publicKey,
            secret: SecureRandom.bytes(16))
        #expect(token.description.hasPrefix("fog1"))
        #expect(try JoinToken(token.description) == token)
    }

    @Test("The form is fixed")
    func vector() throws {
        let key = try SigningKey(seed: [UInt8](repeating: 7, count: 32)).publicKey
        let token = try JoinToken(url: "http://127.0.0.1:1", coordinator: key, secret: [UInt8](0..<16))
        let bytes = [0, 0, 0, 18] + Array("http://127.0.0.1:1".utf8) + key.bytes + [UInt8](0..<16)
        #expect(token.description == "fog1" + Base32.encode(bytes))
    }

    @Test("A token that is cut, prolonged or of another kind is refused, and not repeated in the message")
    func refuses() throws {
        let text = try JoinToken(
            url: "http://127.0.0.1:1", coordinator: SigningKey.generate().publicKey, secret: SecureRandom.bytes(16)
        ).description
        let other = "fogkey1" + text.dropFirst(4)
        for wrong in [String(text.dropLast(3)), text + "00000000", other, "fog1", ""] {
            let failure = #expect(throws: CoreFailure.self) { try JoinToken(wrong) }
            #expect(failure?.code == "bad_token")
            #expect(failure?.message.contains(text.dropFirst(20).prefix(20)) == false)
        }
    }

    @Test("A secret of another length and a URL with a space are refused")
    func bounds() {
        let key = SigningKey.generate().publicKey
        #expect(throws: CoreFailure.self) { try JoinToken(url: "http://a", coordinator: key, secret: [1]) }
        #expect(throws: CoreFailure.self) {
            try JoinToken(url: "http://a b", coordinator: key, secret: SecureRandom.bytes(16))
        }
    }
}

/// A folder that is gone when the body is done.
func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let path = FileManager.default.temporaryDirectory.path + "/fog-command-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
}

func withFolder<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let path = FileManager.default.temporaryDirectory.path + "/fog-command-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try await body(path)
}
