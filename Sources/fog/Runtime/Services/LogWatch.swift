internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogLedger
internal import Logging
internal import ServiceLifecycle

/// Holds the coordinator's log against the checkpoint that this worker kept, now and then: a log that was cut short or
/// written anew shows here, whatever its operator says.
struct LogWatch: Service {
    let client: FogClient
    let kept: KeptCheckpoint
    let logger: Logger

    private static let every = TimeSpan.minutes(1)

    func run() async throws {
        let ticks = AsyncStream<Void> { continuation in
            let task = Task {
                while !Task.isCancelled {
                    continuation.yield()
                    try? await Task.sleep(for: Self.every.duration)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
        for await _ in ticks.cancelOnGracefulShutdown() {
            do {
                let newest = try await kept.follow(client)
                logger.debug("the log goes on", metadata: ["records": "\(newest?.head.size ?? 0)"])
            } catch let failure as CommandLineFailure where failure.code.hasPrefix("log_") {
                logger.critical(
                    "the coordinator's log is not the one that it was",
                    metadata: ["code": "\(failure.code)", "what": "\(failure.message)"])
            } catch {
                // Away, or older than logs with a tree: the next look tells more.
                logger.debug("the log could not be looked at", metadata: ["error": "\(error)"])
            }
        }
    }
}
