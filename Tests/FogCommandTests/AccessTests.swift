import FogAPI
import FogCommandLine
import FogCore
import Foundation
import Testing

@Suite("Proxies")
struct ProxyTests {
    @Test(
        "who is reached through the proxy",
        arguments: [
            ("https://pool.example:8365", "", true), ("http://10.0.0.1:8365", "", false),
            ("https://127.0.0.1:8365", "", false), ("https://127.9.9.9", "", false), ("https://[::1]:1", "", false),
            ("https://localhost:8365", "", false), ("https://pool.example", "*", false),
            ("https://pool.example", "example", false), ("https://pool.example", ".pool.example", false),
            ("https://a.pool.example", "pool.example", false), ("https://carpool.example", "pool.example", true),
            ("https://pool.example:8365", "pool.example:8365", false),
            ("https://pool.example:8366", "pool.example:8365", true),
            ("https://10.1.2.3:1", "10.0.0.0/8", false), ("https://11.1.2.3:1", "10.0.0.0/8", true),
            ("https://10.1.2.3:1", "other, 10.1.2.3", false), ("https://POOL.example", "pool.EXAMPLE", false),
        ] as [(String, String, Bool)])
    func exceptions(server: String, exceptions: String, isProxied: Bool) throws {
        let setting = ProxySetting(environment: ["HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": exceptions])
        #expect(try (setting.proxy(for: server) != nil) == isProxied)
    }

    @Test("how the variable reads; small letters win")
    func values() throws {
        func read(_ environment: [String: String]) throws -> HTTPCarrier.Proxy? {
            try ProxySetting(environment: environment).proxy(for: "https://pool.example")
        }
        #expect(try read([:]) == nil)
        #expect(try read(["HTTPS_PROXY": ""]) == nil)
        #expect(try read(["HTTPS_PROXY": "proxy:3128"]) == .init(host: "proxy", port: 3128))
        #expect(try read(["ALL_PROXY": "http://proxy/"]) == .init(host: "proxy", port: 80))
        let both = ["HTTPS_PROXY": "http://big:1", "https_proxy": "http://a%40b:p%3aw@small:2"]
        #expect(try read(both) == .init(host: "small", port: 2, credentials: "a@b:p:w"))
        for bad in ["socks5://proxy:1", "http://:3", "http://proxy:0", "http://proxy:70000"] {
            let failure = #expect(throws: CommandLineFailure.self) { try read(["HTTPS_PROXY": bad]) }
            #expect(failure?.code == "bad_proxy", "\(bad)")
        }
    }
}

@Suite("Contexts and keys that change")
struct KeyRotationTests {
    private func context(_ name: String, _ coordinator: PublicKey, _ file: String) -> FogContext {
        FogContext(name: name, server: "https://\(name)", coordinator: coordinator, identityFile: file, isPinned: true)
    }

    @Test("a context that is removed is gone, and none is current instead")
    func remove() throws {
        let key = SigningKey.generate().publicKey
        var contexts = ContextsFile()
        try contexts.put(context("a", key, "x"), makeCurrent: true)
        try contexts.put(context("b", key, "x"), makeCurrent: false)
        try contexts.remove("a")
        #expect(contexts.contexts.map(\.name) == ["b"] && contexts.current == nil)
        #expect(throws: CommandLineFailure.self) { try contexts.remove("a") }
        #expect(try ContextsFile(json: contexts.json) == contexts, "the pin is kept too")
    }

    @Test("a key that one coordinator alone knows is replaced in place, and the old one kept")
    func alone() throws {
        try withFolder { folder in
            let (lab, file) = (SigningKey.generate().publicKey, "\(folder)/identity.key")
            let old = try KeyFile.readOrCreate(file).key
            var contexts = ContextsFile()
            try contexts.put(context("lab", lab, file), makeCurrent: true)
            let before = contexts
            let first = try KeyRotation(of: file)
            let again = try KeyRotation(of: file)
            #expect(first.isFresh && !again.isFresh && first.new.publicKey == again.new.publicKey)
            let files = try again.finish(for: lab, in: &contexts)
            #expect(files.new == file && contexts == before)
            #expect(try KeyFile.read(file).publicKey == again.new.publicKey)
            #expect(try KeyFile.read(files.old).publicKey == old.publicKey)
        }
    }

    @Test("a key that others know too stays, and the new one goes beside it")
    func shared() throws {
        try withFolder { folder in
            let (lab, other) = (SigningKey.generate().publicKey, SigningKey.generate().publicKey)
            let file = "\(folder)/identity.key"
            let old = try KeyFile.readOrCreate(file).key
            var contexts = ContextsFile()
            try contexts.put(context("lab", lab, file), makeCurrent: true)
            try contexts.put(context("studio", other, file), makeCurrent: false)
            let rotation = try KeyRotation(of: file)
            let files = try rotation.finish(for: lab, in: &contexts)
            #expect(files.old == file && contexts["lab"]?.identityFile == files.new)
            #expect(contexts["studio"]?.identityFile == file && contexts.current == "lab")
            #expect(try KeyFile.read(files.new).publicKey == rotation.new.publicKey)
            #expect(try KeyFile.read(file).publicKey == old.publicKey)
        }
    }

    @Test("a new key that was refused is dropped")
    func refused() throws {
        try withFolder { folder in
            let file = "\(folder)/identity.key"
            _ = try KeyFile.readOrCreate(file)
            let rotation = try KeyRotation(of: file)
            rotation.giveUp()
            #expect(try KeyRotation(of: file).isFresh)
        }
    }
}
