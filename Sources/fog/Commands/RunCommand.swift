internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogSandbox
import Glibc

/// `fog run`: a command somewhere else, as if it were here.
struct RunCommand: SessionCommand {
    static let configuration = CommandConfiguration(
        "run", "Run one command on some node: its output and its files land here.",
        examples: [
            "fog run -- echo hi",
            "fog run --in data.csv --out fit.json --cpu 2 --memory 2GiB -- python3 fit.py data.csv",
            "tar c src | fog run --in build.sh --out app -- ./build.sh",
        ],
        more: """
            A program named by a path (./x) is sent along, what is piped in too. Ends with the command's own exit code; \
            128 + n for a signal, 124 for time, 125 for Fog's own errors, 130 for Ctrl-C (the job goes on). While \
            it is held or no machine can take it, standard error says why; --quiet does not.
            """)

    @Option(name: .customLong("in"), help: "A file or folder to send along: PATH, or NAME=PATH.", completion: .file())
    var inputs: [String] = []

    @Option(name: .customLong("out"), help: "A file, folder/ or glob to bring back.")
    var outputs: [String] = []

    @Option(help: "Cores: 2, 500m.")
    var cpu: String?

    @Option(help: "Memory: 512MiB, 4GiB.")
    var memory: String?

    @Option(help: "Disk: 1GiB.")
    var disk: String?

    @Option(help: "Longest run: 30s, 10m, 2h.")
    var time: String?

    @Option(help: "Sandbox profile.")
    var profile: String?

    @Option(help: "A variable: NAME=VALUE, or NAME for its value here.")
    var env: [String] = []

    @Option(help: "What the node must have: ffmpeg, python3>=3.11, label:lab.")
    var requires: [String] = []

    @Option(help: "A secret, as the file /run/secrets/NAME there: NAME=@FILE, or NAME for a variable's value.")
    var secret: [String] = []

    @Option(help: "An archive with the root file system to run in.", completion: .file())
    var image: String?

    @Option(help: "The job's name; default the program's.")
    var name: String?

    @Option(
        help: "Hops between you and the machine: public, private, confidential or secret; above public all is sealed.")
    var privacy: String?

    @Flag(help: "Do not send what is piped in.")
    var noStdin = false

    @OptionGroup var common: CommonOptions

    @Argument(parsing: .postTerminator, help: "The command, behind --.")
    var command: [String] = []

    func validate() throws {
        if command.isEmpty { throw ValidationError("there is nothing to run: put the command behind --") }
    }

    func run(_ session: Session) async throws {
        do {
            let code = try await perform(session)
            guard code == 0 else { throw ExitCode(code) }
        } catch let code as ExitCode {
            throw code
        } catch {
            throw EndedWith(status: .ownError, error: error)
        }
    }

    private func perform(_ session: Session) async throws -> Int32 {
        var request = RunRequest(command: command)
        (request.inputs, request.outputs, request.environment) = (inputs, outputs, env)
        (request.cpu, request.memory, request.disk, request.time) = (cpu, memory, disk, time)
        (request.profile, request.name, request.requirements) = (profile, name, requires)
        let given = try SecretValues(secret, variables: session.environment)
        (request.secrets, request.image) = (Array(given.values.keys), image)
        let piped = noStdin ? nil : try PipedInput(session)
        request.standardInput = piped?.path
        let prepared = try request.prepared(folder: ".", variables: session.environment)
        var spec = prepared.spec
        if let privacy { spec.privacy = try PrivateWay.level(privacy, atLeast: .public) }
        try PrivateWay.check(spec.privacy, session)
        let client = try await session.client()
        let submission = Submission(session: session, client: client)
        let key = FogClient.newKey()
        let body = try await submission.upload(
            spec, folder: ".", places: prepared.places, secrets: try given.checked(against: spec), key: key)
        let job = try await submission.submit(body, key: key)
        piped?.remove()
        session.console.detail("job \(job.id)")
        let interrupt = Interrupt(session.console, Interrupt.detached(job.id.short))
        defer { interrupt.cancel() }
        let ended = try await JobFollowing(session, client).follow(job)
        return try await finish(ended, session, client)
    }

    private func finish(_ job: JobBody, _ session: Session, _ client: FogClient) async throws -> Int32 {
        let attempts = try await JobPages(client: client, id: job.id).attempts(limit: 1000).attempts
        let attempt = attempts.last { $0.outcome == .success } ?? attempts.last
        if job.state == .succeeded, !outputs.isEmpty {
            let patterns = try outputs.map { try OutputPattern($0) }
            let fetching = OutputFetching(session: session, client: client)
            let (_, result) = try await fetching.bring(job, task: nil, into: ".") { name in
                let path = name.split(separator: "/").map { Array($0.utf8) }
                return patterns.contains { $0.matches(path) }
            }
            session.console.detail("fetched \(Human.count(result.fetched, "file")), \(ByteCount(result.bytes).brief)")
        }
        let code = RunRequest.shellCode(outcome: attempt?.outcome, exitCode: attempt?.exitCode, signal: attempt?.signal)
        let sealed = job.seal == nil ? nil : try await PrivateReading(session, client, job).detail()
        if let words = Self.words(for: attempt, sealed, job) { session.console.note(words) }
        return job.state == .cancelled ? ExitStatus.ownError.rawValue : code
    }

    /// What the exit code alone does not say.
    private static func words(for attempt: AttemptBody?, _ sealed: String?, _ job: JobBody) -> String? {
        guard job.state != .cancelled else {
            return "job \(job.id.short) was cancelled: \(DisplayText.clean(job.cancelReason ?? "no reason given"))"
        }
        guard let attempt, let outcome = attempt.outcome, outcome != .success else { return nil }
        // The program's own exit code says it all, unless there is more to say.
        let told = sealed ?? attempt.detail
        guard outcome != .exitNonzero || told != nil else { return nil }
        let detail = told.map { ": \(DisplayText.clean($0))" } ?? ""
        return "\(outcome.rawValue) on \(DisplayText.clean(attempt.nodeName ?? attempt.node.short))\(detail)"
    }
}

/// What was piped into this process, kept in a file until it is uploaded.
final class PipedInput {
    /// The most that is taken from a pipe.
    private static let limit: Int64 = 1 << 30
    /// A pipe that is silent so long is spoken of: nobody may know that it is waited for.
    private static let silenceMilliseconds: Int32 = 1500

    let path: String

    /// Nil when nothing is piped in: a terminal, /dev/null, or a pipe that ends at once.
    init?(_ session: Session) throws {
        var status = stat()
        guard fstat(STDIN_FILENO, &status) == 0, [S_IFREG, S_IFIFO, S_IFSOCK].contains(status.st_mode & S_IFMT) else {
            return nil
        }
        var ready = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        if poll(&ready, 1, Self.silenceMilliseconds) == 0 {
            session.console.note("reading standard input; --no-stdin does without")
        }
        try Disk.makeFolder(session.folders.cache, mode: 0o700)
        let path = "\(session.folders.cache)/stdin-\(getpid())"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CommandLineFailure("unwritable", "\(path): \(Disk.words())") }
        defer { close(descriptor) }
        self.path = path
        var size: Int64 = 0
        do {
            try Disk.readPieces(of: STDIN_FILENO, name: "standard input") { piece in
                size += Int64(piece.count)
                guard size <= Self.limit else {
                    throw CommandLineFailure(
                        "too_large", "more than \(ByteCount(Self.limit)) were piped in",
                        help: "write them to a file and use --in")
                }
                try Disk.writeAll(piece, to: descriptor, name: path)
            }
        } catch {
            unlink(path)
            throw error
        }
        if size == 0 {
            unlink(path)
            return nil
        }
    }

    func remove() { unlink(path) }

    deinit { unlink(path) }
}
