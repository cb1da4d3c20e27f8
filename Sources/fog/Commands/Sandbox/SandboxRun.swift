internal import ArgumentParser
import Dispatch
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogSandbox
internal import FogWorker
import Glibc
internal import Synchronization

/// `fog sandbox run`: one command in a profile, as a worker would run it.
struct SandboxRun: SessionCommand {
    static let configuration = CommandConfiguration(
        "run", "Run one command in a sandbox on this machine.",
        examples: [
            "fog sandbox run --profile default --work /tmp/w -- /usr/bin/id",
            "fog sandbox run --profile python --work /tmp/w --memory 256MiB --time 10s -- python3 x.py",
            "fog sandbox run --profile network-client --allow-host example.org:443 --work /tmp/w -- curl https://example.org",
        ],
        more: """
            Ends with the command's exit code; 128 + n for a signal, 124 for time, 126 not executable, 127 not found, 125 \
            for the sandbox's own errors. With --output json the command's output goes to standard error. The command reads \
            and writes pipes, never this terminal or file itself; of each output stream the profile's stdout_bytes are \
            passed on. Ctrl-C and SIGTERM end it as its time limit would. `fog-sandbox run` takes the same options and is \
            done sooner where `fog sandbox serve` runs.
            """)

    @Option(help: "A file of sandbox-profiles/.")
    var profile = "default"

    @Option(help: "The folder that becomes /work, writable.", completion: .directory)
    var work: String

    @Option(help: "A file or folder to bind read-only below /work: PATH, or NAME=PATH.", completion: .file())
    var input: [String] = []

    @Option(help: "Memory: 512MiB.")
    var memory: String?

    @Option(help: "Cores: 1, 500m.")
    var cpu: String?

    @Option(help: "Disk: 1GiB.")
    var disk: String?

    @Option(help: "Longest run: 30s, 10m.")
    var time: String?

    @Option(help: "Processes and threads at once.")
    var pids: Int?

    @Option(help: "A variable: NAME=VALUE.")
    var env: [String] = []

    @Option(help: "HOST:PORT that the command may reach, in a profile with a proxy; can be repeated.")
    var allowHost: [String] = []

    @Option(help: "An address or range (127.0.0.1/32) that it may reach although it is private; can be repeated.")
    var allowAddress: [String] = []

    @Option(help: "From SIGTERM to SIGKILL.")
    var killGrace = "10s"

    @Flag(help: "Allow the profile `none`, which isolates nothing.")
    var allowUnsafe = false

    @OptionGroup var common: CommonOptions

    @Argument(parsing: .postTerminator, help: "The command, behind --.")
    var command: [String] = []

    func validate() throws {
        if command.isEmpty { throw ValidationError("there is nothing to run: put the command behind --") }
    }

    func run(_ session: Session) async throws {
        let result: SandboxResult
        let streams: Streams
        let proxy: TaskProxy?
        do {
            (result, streams, proxy) = try await perform(session)
        } catch {
            throw EndedWith(status: .ownError, error: error)
        }
        if session.mode == .json { session.console.print(Self.document(result, streams, proxy?.tally)) }
        if let tally = proxy?.tally, !tally.isEmpty { session.console.detail("network: \(tally.words)") }
        for words in result.missing { session.console.detail("not applied: \(words)") }
        for (name, relay) in [("output", streams.output), ("error", streams.errors)] where relay.dropped > 0 {
            session.console.note("fog sandbox: \(relay.dropped) bytes of standard \(name) were not passed on")
        }
        if session.mode == .table, let words = Self.words(result.ending) {
            session.console.note("fog sandbox: \(words)")
        }
        guard result.shellCode == 0 else { throw ExitCode(Int32(result.shellCode)) }
    }

    /// The command's standard streams; input only where there is something to read.
    private struct Streams {
        let input: StreamRelay?
        let output: StreamRelay
        let errors: StreamRelay

        init(_ session: Session, limit: ByteCount) throws {
            input = try StreamRelay.input(from: STDIN_FILENO)
            let destination = session.mode == .json ? STDERR_FILENO : STDOUT_FILENO
            output = try StreamRelay.output(to: destination, limit: limit)
            errors = try StreamRelay.output(to: STDERR_FILENO, limit: limit)
        }

        func release() { for relay in [input, output, errors] { relay?.release() } }
    }

    private func perform(_ session: Session) async throws -> (SandboxResult, Streams, TaskProxy?) {
        let profile = try SandboxProfile.load(
            named: profile, from: ProfileFolder.locate(environment: session.environment))
        var options = SandboxHost.Options()
        // Where nothing can be kept, filters are compiled each time.
        if (try? Disk.makeFolder(session.folders.cache, mode: 0o700)) != nil {
            options.filterFolder = "\(session.folders.cache)/filters"
        }
        let host = try SandboxHost(launcherPath: Launcher.locate(), options: options)
        do {
            let slot = try await host.slot(profile: profile, index: 0)
            let streams = try Streams(session, limit: profile.limits.standardOutputBytes)
            var task = try task(in: Disk.absolute("."))
            let proxy = try proxy(session, profile)
            task.network = proxy
            task.standardInput = streams.input?.taskEnd ?? -1
            task.standardOutput = streams.output.taskEnd
            task.standardError = streams.errors.taskEnd
            let ending = EndingSignals(slot, grace: task.killGrace)
            defer { ending.cancel() }
            let result = try await slot.run(task)
            streams.release()
            // The launcher's end takes along what may still hold the streams.
            await host.shutdown()
            await streams.output.finished()
            await streams.errors.finished()
            return (result, streams, proxy)
        } catch {
            await host.shutdown()
            throw error
        }
    }

    /// - Parameter folder: where relative paths start, absolute.
    func task(in folder: String) throws -> SandboxTask {
        var resources = ResourceRequest()
        if let memory { resources.memory = try ByteCount(memory) }
        if let disk { resources.disk = try ByteCount(disk) }
        if let time { resources.time = try TimeSpan(time) }
        if let cpu { resources.cpu = try Self.millicores(cpu) }
        resources.pids = pids
        var task = SandboxTask(
            arguments: command, environment: try variables(), workFolder: Self.path(work, folder),
            inputs: input.map { Self.input($0, folder) },
            resources: resources, killGrace: try TimeSpan(killGrace))
        task.allowUnsafe = allowUnsafe
        return task
    }

    /// The command's way into the network, as a worker gives it; who runs it here allows it by that.
    private func proxy(_ session: Session, _ profile: SandboxProfile) throws -> TaskProxy? {
        guard profile.network == .proxy else {
            guard allowHost.isEmpty else {
                throw CommandLineFailure(
                    "no_network",
                    "the profile `\(profile.name)` has no network, and --allow-host names a host to reach",
                    help: "--profile network-client", status: .usage)
            }
            return nil
        }
        guard allowHost.count <= AllowedHost.maxCount else {
            throw CommandLineFailure(
                "too_many", "--allow-host is given \(allowHost.count) times, wanted at most \(AllowedHost.maxCount)",
                status: .usage)
        }
        var options = ProxyHost.Options()
        options.isAllowed = true
        options.exempt = session.settings.proxyExempt
        for text in allowAddress {
            guard let range = NetworkRange(text) else {
                throw CommandLineFailure(
                    "bad_address", "--allow-address reads an address or a range such as 127.0.0.1/32, found `\(text)`",
                    status: .usage)
            }
            options.exempt.append(range)
        }
        if let context = try? session.contexts().currentContext {
            options.coordinator = WorkerConfiguration.CoordinatorPlace(url: context.server)
        }
        return ProxyHost(options).proxy(for: try allowHost.map { text throws(JobsFailure) in try AllowedHost(text) })
    }

    private func variables() throws -> [String: String] {
        var variables: [String: String] = [:]
        for text in env {
            guard let equals = text.firstIndex(of: "=") else {
                throw CommandLineFailure("bad_env", "--env reads NAME=VALUE, found `\(text)`", status: .usage)
            }
            variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
        }
        return variables
    }

    private static func path(_ text: String, _ folder: String) -> String {
        text.hasPrefix("/") ? text : "\(folder)/\(text)"
    }

    private static func input(_ text: String, _ folder: String) -> SandboxInput {
        if let equals = text.firstIndex(of: "="), !Disk.exists(path(text, folder)) {
            return SandboxInput(
                hostPath: path(String(text[text.index(after: equals)...]), folder), name: String(text[..<equals]))
        }
        return SandboxInput(
            hostPath: path(text, folder), name: text.split(separator: "/").last.map(String.init) ?? "")
    }

    private static func millicores(_ text: String) throws -> Millicores {
        if text.hasSuffix("m"), let count = Int64(text.dropLast()), count > 0 { return Millicores(count) }
        guard let cores = Double(text), cores > 0, cores <= 4096 else {
            throw CommandLineFailure("bad_cpu", "cores read 2, 0.5 or 500m, found `\(text)`", status: .usage)
        }
        return Millicores(Int64((cores * 1000).rounded()))
    }

    /// What the exit code alone does not say.
    static func words(_ ending: Ending) -> String? {
        switch ending {
        case .exited, .signaled: nil
        case .timeout: "ended by its time limit"
        case .cpuTimeout: "used more processor time than its limit"
        case .outOfMemory: "ran out of memory"
        case .diskExceeded: "wrote more than its disk limit"
        case .violation: "made a system call that its profile forbids"
        case .notFound: "no such program"
        case .notExecutable: "not executable here"
        case .launchFailed(let step, let number): "\(step.words) failed: \(Disk.words(number))"
        case .killed: "was killed"
        }
    }

    private static func name(_ ending: Ending) -> String {
        switch ending {
        case .exited: "exited"
        case .signaled: "signaled"
        case .timeout: "timeout"
        case .cpuTimeout: "cpu_timeout"
        case .outOfMemory: "oom"
        case .diskExceeded: "disk_exceeded"
        case .violation: "sandbox_violation"
        case .notFound: "not_found"
        case .notExecutable: "not_executable"
        case .launchFailed: "launch_failed"
        case .killed: "killed"
        }
    }

    private static func document(_ result: SandboxResult, _ streams: Streams, _ network: ProxyTally?) -> JSON {
        .object([
            "ending": .string(name(result.ending)), "exit_code": result.exitCode.map { .integer(Int64($0)) },
            "signal": result.signal.map { .integer(Int64($0)) }, "shell_code": .integer(Int64(result.shellCode)),
            "detail": words(result.ending).map(JSON.string),
            "usage": .object([
                "cpu_nanoseconds": .integer(result.usage.cpuNanoseconds),
                "wall_nanoseconds": .integer(result.usage.wallNanoseconds),
                "peak_bytes": .integer(result.usage.peakBytes), "source": .string(result.usage.source.rawValue),
            ]),
            "network": network.map { tally in
                .object([
                    "bytes_in": .integer(tally.bytesIn), "bytes_out": .integer(tally.bytesOut),
                    "connections": .integer(Int64(tally.connections)),
                    "refusals": .object(
                        tally.refusals.sorted { $0.key < $1.key }.map {
                            JSON.Member($0.key, .integer(Int64($0.value)))
                        }),
                ])
            },
            "stdout_dropped_bytes": .integer(streams.output.dropped),
            "stderr_dropped_bytes": .integer(streams.errors.dropped),
            "missing_isolation": .array(result.missing.map(JSON.string)),
        ])
    }
}

/// Ctrl-C and SIGTERM end the task: SIGTERM first, SIGKILL after the grace, at once when asked a second time.
private final class EndingSignals {
    private let sources: [any DispatchSourceSignal]

    init(_ slot: SandboxSlot, grace: TimeSpan) {
        let asked = Mutex(0)
        sources = [SIGINT, SIGTERM].map { number in
            // Dispatch sees the signal only when its default, to end the process, is off.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                let isFirst = asked.withLock { count in
                    count += 1
                    return count == 1
                }
                // Unstructured: a signal has no task to belong to; the run it ends is awaited by the command.
                Task { await slot.terminate(grace: isFirst ? grace : .zero) }
            }
            source.resume()
            return source
        }
    }

    func cancel() {
        for source in sources { source.cancel() }
        signal(SIGINT, SIG_DFL)
        signal(SIGTERM, SIG_DFL)
    }
}
