internal import AsyncHTTPClient
internal import FogCore
internal import FogNet
internal import NIOSSL

/// Trust in one coordinator's key and in nothing else.
enum PinnedTrust {
    /// Connections under a certificate that the key signed. Whom it names does not matter: nobody else could have signed.
    static func configuration(_ key: PublicKey) throws(CarrierFailure) -> TLSConfiguration {
        do {
            var configuration = TLSConfiguration.makeClientConfiguration()
            let root = try NIOSSLCertificate(bytes: CoordinatorCertificate.root(of: key), format: .der)
            configuration.trustRoots = .certificates([root])
            configuration.certificateVerification = .noHostnameVerification
            configuration.minimumTLSVersion = .tlsv13
            configuration.verifySignatureAlgorithms = [.ed25519]
            return configuration
        } catch {
            throw CarrierFailure("protocol", "the pinned key cannot be used: \(error)")
        }
    }

    /// Whether a connection failed because the other side's certificate is not trusted, or is of a kind that the system's
    /// authorities never sign (Ed25519), which both sides then say in the handshake.
    static func isRefusal(_ error: any Error) -> Bool {
        let words = "\(error)"
        return words.contains("CERTIFICATE_VERIFY_FAILED") || words.contains("SSLV3_ALERT_HANDSHAKE_FAILURE")
    }
}

extension HTTPCarrier {
    /// An HTTP proxy that connections go through.
    package struct Proxy: Hashable, Sendable {
        package var host: String
        package var port: Int
        /// `user:password`, when the proxy asks for it.
        package var credentials: String?

        package init(host: String, port: Int, credentials: String? = nil) {
            self.host = host
            self.port = port
            self.credentials = credentials
        }

        var configuration: HTTPClient.Configuration.Proxy {
            guard let credentials else { return .server(host: host, port: port) }
            return .server(
                host: host, port: port,
                authorization: .basic(credentials: Base64.encode(Array(credentials.utf8))))
        }
    }
}
