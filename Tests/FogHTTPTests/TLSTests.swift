import FogAPI
import FogCore
import FogHTTP
import FogNet
import Foundation
import Testing

/// Says hello to everybody.
private struct Greeter: CarrierEndpoint {
    func handle(_ request: CarrierRequest) async -> CarrierResponse {
        CarrierResponse(status: 200, headers: [:], body: Array("hello \(request.path)".utf8))
    }
}

@Suite("TLS under the coordinator's own key", .timeLimit(.minutes(10)))
struct TLSTests {
    private let key = SigningKey.generate()

    private func withTLSServer(_ body: @escaping @Sendable (Int) async throws -> Void) async throws {
        let identity = ServerIdentity(of: key, names: ["127.0.0.1", "localhost"])
        try await withServer(Greeter(), identity: identity) { port, _ in try await body(port) }
    }

    private static func ask(_ url: String, _ options: HTTPCarrier.Options) async throws -> String {
        let carrier = try HTTPCarrier(url, options: options)
        do {
            let answer = try await carrier.send(CarrierRequest(method: "GET", target: "/x"), deadline: .seconds(20))
            await carrier.shutDown()
            return String(decoding: answer.body, as: UTF8.self)
        } catch {
            await carrier.shutDown()
            throw error
        }
    }

    private static func options(pin: PublicKey?, proxy: HTTPCarrier.Proxy? = nil) -> HTTPCarrier.Options {
        var options = HTTPCarrier.Options()
        options.pin = pin
        options.proxy = proxy
        return options
    }

    @Test("who knows the key alone is served; who pins another, or trusts only the system, is not")
    func pinned() async throws {
        let pin = key.publicKey
        try await withTLSServer { port in
            let url = "https://127.0.0.1:\(port)"
            let answer = try await Self.ask(url, Self.options(pin: pin))
            #expect(answer == "hello /x")
            for wrong in [SigningKey.generate().publicKey, nil] {
                let failure = await #expect(throws: CarrierFailure.self) {
                    try await Self.ask(url, Self.options(pin: wrong))
                }
                #expect(failure?.code == "untrusted", "\(String(describing: failure))")
            }
        }
    }

    @Test("plain HTTP is not served where TLS is")
    func plain() async throws {
        try await withTLSServer { port in
            await #expect(throws: CarrierFailure.self) {
                try await Self.ask("http://127.0.0.1:\(port)", Self.options(pin: nil))
            }
        }
    }

    @Test("other programs agree: the leaf is good under the root, for its names and no others")
    func others() async throws {
        let root = CoordinatorCertificate.pem(CoordinatorCertificate.root(signedBy: key))
        let leafKey = SigningKey.generate()
        let leaf = CoordinatorCertificate.pem(
            CoordinatorCertificate.leaf(
                for: leafKey.publicKey, names: ["pool.example", "10.1.2.3", "not a name"], signedBy: key))
        try await TemporaryFolder.with { folder in
            try root.write(toFile: "\(folder)/root.pem", atomically: true, encoding: .utf8)
            try leaf.write(toFile: "\(folder)/leaf.pem", atomically: true, encoding: .utf8)
            func isGood(_ more: [String]) throws -> Bool {
                let process = Process()
                process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
                process.arguments =
                    ["openssl", "verify", "-check_ss_sig", "-CAfile", "\(folder)/root.pem"] + more
                    + ["\(folder)/leaf.pem"]
                process.standardOutput = FileHandle.nullDevice
                process.standardError = FileHandle.nullDevice
                try process.run()
                process.waitUntilExit()
                return process.terminationStatus == 0
            }
            #expect(try isGood(["-purpose", "sslserver", "-verify_hostname", "pool.example"]))
            #expect(try isGood(["-verify_ip", "10.1.2.3"]))
            #expect(try !isGood(["-verify_hostname", "other.example"]))
            #expect(try !isGood(["-purpose", "sslclient"]))
        }
    }

    // MARK: - Proxies

    @Test("https to another machine goes through the proxy, by its name; to this one it never does")
    func proxied() async throws {
        let pin = key.publicKey
        try await withTLSServer { port in
            let proxy = try ConnectProxy(to: port)
            defer { proxy.stop() }
            let setting = HTTPCarrier.Proxy(host: "127.0.0.1", port: proxy.port, credentials: "ada:s3cret")
            let answer = try await Self.ask("https://pool.example:8365", Self.options(pin: pin, proxy: setting))
            #expect(answer == "hello /x")
            let head = try #require(proxy.heads.first)
            #expect(head.hasPrefix("CONNECT pool.example:8365 HTTP/1.1"), "\(head)")
            let credentials = Data("ada:s3cret".utf8).base64EncodedString()
            #expect(head.lowercased().contains("proxy-authorization: basic \(credentials.lowercased())"), "\(head)")
            let direct = try await Self.ask("https://127.0.0.1:\(port)", Self.options(pin: pin, proxy: setting))
            #expect(direct == "hello /x")
            #expect(proxy.heads.count == 1)
        }
    }
}
