internal import ArgumentParser
import Dispatch
import Glibc
internal import ServiceLifecycle

/// For processes that another one of ours started: they end when it has, however it ended.
struct LifelineOptions: ParsableArguments {
    @Flag(help: ArgumentHelp("End when standard input does.", visibility: .private))
    var endWithInput = false

    var services: [any Service] { endWithInput ? [Lifeline()] : [] }
}

/// Runs until standard input ends.
private struct Lifeline: Service {
    func run() async {
        let (ended, continuation) = AsyncStream.makeStream(of: Void.self)
        let source = DispatchSource.makeReadSource(fileDescriptor: STDIN_FILENO, queue: .global())
        source.setEventHandler {
            var bytes = [UInt8](repeating: 0, count: 512)
            if read(STDIN_FILENO, &bytes, bytes.count) <= 0 { continuation.finish() }
        }
        source.resume()
        await cancelWhenGracefulShutdown { for await _ in ended {} }
        source.cancel()
    }
}
