internal import FogAPI
package import FogCore
internal import NIOSSL

/// What a coordinator serves TLS under: a key that it made for this run, vouched for by its own.
package struct ServerIdentity: Sendable {
    private let leaf: [UInt8]
    private let key: [UInt8]

    /// - Parameter names: hosts and addresses by which others may reach it.
    package init(of coordinator: SigningKey, names: [String]) {
        let fresh = SigningKey.generate()
        leaf = CoordinatorCertificate.leaf(for: fresh.publicKey, names: names, signedBy: coordinator)
        key = CoordinatorCertificate.privateKey(fresh)
    }

    func configuration() throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: [.certificate(try NIOSSLCertificate(bytes: leaf, format: .der))],
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: key, format: .der)))
        configuration.minimumTLSVersion = .tlsv13
        configuration.applicationProtocols = ["http/1.1"]
        return configuration
    }
}
