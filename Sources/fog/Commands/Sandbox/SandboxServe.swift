internal import ArgumentParser
import Dispatch
internal import FogCommandLine
internal import FogCore
internal import FogSandbox
import Glibc
internal import Synchronization

/// `fog sandbox serve`: launchers that stand ready for `fog-sandbox run`.
struct SandboxServe: SessionCommand {
    static let configuration = CommandConfiguration(
        "serve", "Keep sandboxes ready for `fog-sandbox run`, in the foreground.",
        examples: ["fog sandbox serve", "fog sandbox serve --slots 4 &  fog-sandbox run --work /tmp/w -- id"],
        more: """
            For scripts that run many short commands: `fog-sandbox run` takes the options of `fog sandbox run` and has the \
            command run here, under the same profile and limits, without the time that a whole program and a new \
            launcher take to start. Of this user's processes only, through a socket in the state folder. What the options \
            ask beyond the sandbox (--output, --allow-host and so on) is left to `fog sandbox run`, as is everything \
            where nothing serves. A client that is killed takes its command along.
            """)

    @Option(help: "Commands at once, 1 to 64; default one a core. More wait for their turn.")
    var slots: Int?

    @OptionGroup var common: CommonOptions

    func validate() throws {
        if let slots, !(1...64).contains(slots) { throw ValidationError("--slots must be 1 to 64, found \(slots)") }
    }

    func run(_ session: Session) async throws {
        let door = try SandboxDoor(
            folder: session.folders.state, cache: session.folders.cache,
            profiles: ProfileFolder.locate(environment: session.environment),
            slots: slots ?? min(64, CurrentMachine.processors))
        let ended = AsyncStream<Void>.makeStream()
        let sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { ended.continuation.finish() }
            source.resume()
            return source
        }
        door.start()
        session.console.print(
            session.mode == .json
                ? JSON.object(["state": .string("ready"), "socket": .string(door.path)]).compact : "ready \(door.path)")
        for await _ in ended.stream {}
        for source in sources { source.cancel() }
        await door.close()
    }
}
