internal import FogCommandLine
internal import FogCore
internal import FogHTTP
internal import Logging
internal import ServiceLifecycle
internal import UnixSignals

/// Runs long-lived parts until SIGTERM or Ctrl-C lets them finish.
enum ServiceRun {
    /// From the signal until what still runs is cut off.
    private static let patience = TimeSpan.minutes(2)

    /// Parts are stopped in reverse order: what stands later in the list may rest on what stands before it.
    static func group(_ services: [any Service], logger: Logger) -> ServiceGroup {
        var configuration = ServiceGroupConfiguration(
            services: services.map { service in
                // One part that ends takes the others along in order, so that each can put its things away.
                .init(
                    service: service, successTerminationBehavior: .gracefullyShutdownGroup,
                    failureTerminationBehavior: .gracefullyShutdownGroup)
            },
            gracefulShutdownSignals: [.sigterm, .sigint], cancellationSignals: [.sigquit], logger: logger)
        configuration.maximumGracefulShutdownDuration = patience.duration
        configuration.maximumCancellationDuration = .seconds(10)
        return ServiceGroup(configuration: configuration)
    }

    /// A logger to standard error.
    static func logger(_ label: String, _ options: LogOptions, verbose: Bool, quietly: Bool = false) -> Logger {
        options.logger(label, usual: verbose ? .debug : quietly ? .warning : .info)
    }

    /// Reads `HOST:PORT`; port 0 asks the kernel for a free one.
    /// - Throws: `bad_address`.
    static func address(_ text: String) throws -> HTTPServer.Address {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65535).contains(port), colon > text.startIndex
        else {
            throw CommandLineFailure(
                "bad_address", "an address reads HOST:PORT, found `\(text)`", help: "--listen 127.0.0.1:8364",
                status: .usage)
        }
        return HTTPServer.Address(host: String(text[..<colon]), port: port)
    }

    static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || host == "[::1]" || host.hasPrefix("127.")
    }
}
