internal import FogAPI
internal import FogCommandLine
internal import FogCoordinator
internal import FogHTTP
internal import FogLedger
internal import Logging
internal import ServiceLifecycle

/// A coordinator's way to its witnesses.
struct WitnessDoor: Service {
    /// A witness as `--witness` names it: `NAME+HASH+KEY@URL`.
    struct Place: Sendable {
        let key: NoteKey
        let url: String

        /// - Throws: `bad_witness`.
        init(_ text: String) throws {
            guard let at = text.lastIndex(of: "@"), let key = try? NoteKey(text[..<at]), key.kind == .cosignature else {
                throw CommandLineFailure(
                    "bad_witness", "a witness reads NAME+HASH+KEY@URL, found `\(text)`",
                    help: "fog witness run prints it", status: .usage)
            }
            self.key = key
            url = String(text[text.index(after: at)...])
        }
    }

    let places: [Place]
    let coordinator: Coordinator
    /// Of the newest cosigned checkpoint.
    let file: String
    let logger: Logger

    func run() async throws {
        if let note = try? Disk.readSmall(file) { await coordinator.keep(cosigned: note) }
        var options = HTTPCarrier.Options()
        // Their answers are signed.
        options.allowsPlaintext = true
        var ways: [(NoteKey, HTTPCarrier)] = []
        let result: Result<Void, any Error>
        do {
            for place in places { ways.append((place.key, try HTTPCarrier(place.url, options: options))) }
            let feed = WitnessFeed(
                of: coordinator, to: ways.map { .init(key: $0.0, carrier: $0.1) }, logger: logger
            ) { [file] in try Disk.write($0, to: file, mode: 0o600) }
            result = .success(try await feed.run())
        } catch {
            result = .failure(error)
        }
        for (_, carrier) in ways { await carrier.shutDown() }
        try result.get()
    }
}
