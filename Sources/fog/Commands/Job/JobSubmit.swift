internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogManifestFile
import Foundation

/// `fog job submit`: brings a manifest and what it reads to the coordinator.
struct JobSubmit: SessionCommand {
    static let configuration = CommandConfiguration(
        "submit", "Submit a manifest or a script with #FOG lines.",
        examples: ["fog job submit render.yaml --follow", "id=$(fog job submit -q fit.yaml) && fog job wait $id"],
        more: """
            All mistakes of a manifest are told at once, with their places (exit 65). `fog job schema` prints the JSON \
            Schema for editors.
            """)

    @Argument(help: "The manifest; - reads it from standard input.", completion: .file())
    var file: String

    @Option(help: "A second submit with the same key and the same manifest gives the first one's job.")
    var idempotencyKey: String?

    @Flag(help: "Wait for the end; exit 0 when all succeeded, 1 otherwise.")
    var wait = false

    @Flag(help: "Print the logs as they come; waits for the end.")
    var follow = false

    @Flag(help: "Check, and tell what it would cost and where it could run; submit nothing.")
    var dryRun = false

    @Option(help: "The value of a secret: NAME=@FILE, or NAME for a variable's; can be repeated.")
    var secret: [String] = []

    @Option(help: "Stronger than the manifest's key: public, private, confidential or secret.")
    var privacy: String?

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let manifest = try Manifest.read(file, session)
        let spec = try Manifest.checked(manifest, privacy: privacy, session)
        try PrivateWay.check(spec.privacy, session)
        let given = try SecretValues(secret, variables: session.environment)
        // What it would cost can be asked without them.
        let secrets = dryRun ? nil : try given.checked(against: spec)
        let client = try await session.client()
        let submission = Submission(session: session, client: client)
        let key = try submission.key(idempotencyKey, spec)
        let body = try await submission.upload(
            spec, folder: manifest.folder, secrets: secrets, key: dryRun ? nil : key)
        guard !dryRun else { return try show(try await client.quote(body), session) }
        let job = try await submission.submit(body, key: key)
        guard wait || follow else { return try submission.announce(job) }
        // One document at the end; with the logs as they come, and for a bare id, at once.
        let announcesEnd = session.mode == .json && !follow
        if session.mode == .table {
            session.console.note("\(job.sentence): \(Human.count(job.tasks, "task"))")
        } else if !announcesEnd {
            try submission.announce(job)
        }
        let interrupt = Interrupt(session.console, Interrupt.detached(job.id.short))
        defer { interrupt.cancel() }
        let ended =
            follow
            ? try await JobFollowing(session, client).follow(job) : try await JobFollowing(session, client).end(of: job)
        if announcesEnd { try submission.announce(ended) }
        if session.mode == .table { try await JobFollowing(session, client).tell(ended) }
        throw ended.exitStatus.exit
    }

    private func show(_ quote: QuoteBody, _ session: Session) throws {
        try session.show(quote, id: quote.quote.description) {
            session.console.print(
                "\(DisplayText.clean(quote.name)): \(Human.count(quote.tasks, "task")), at most \(quote.quote) credits "
                    + "(\(quote.available) available)")
            for step in quote.steps { session.console.print(Explanations.text(of: step), terminator: "") }
        }
    }
}

/// Reading manifests for commands.
enum Manifest {
    static func read(_ file: String, _ session: Session) throws -> ManifestFile {
        guard file == "-" else { return try ManifestFile(path: file) }
        let bytes = FileHandle.standardInput.readData(ofLength: ManifestLimits.maxBytes + 1)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw JobsFailure("not_utf8", "standard input is not text in UTF-8")
        }
        return ManifestFile(text: text, path: "stdin", folder: ".")
    }

    /// The job; or all problems on standard error (with JSON also as a document), and exit 65.
    static func checked(_ manifest: ManifestFile, privacy: String?, _ session: Session) throws -> JobSpec {
        if !manifest.report.isEmpty { session.console.note(String(manifest.report.dropLast())) }
        guard var spec = manifest.outcome.spec else {
            let count = manifest.outcome.problems.count { $0.severity == .error }
            session.console.note("\(manifest.path): \(Human.count(count, "error")), nothing was submitted")
            if session.mode == .json { session.console.print(document(manifest)) }
            throw ExitStatus.badData.exit
        }
        if let privacy { spec.privacy = try PrivateWay.level(privacy, atLeast: spec.privacy) }
        return spec
    }

    static func document(_ manifest: ManifestFile) -> JSON {
        let problems = manifest.outcome.problems
        let errors: [JSON.Member] =
            manifest.outcome.spec == nil
            ? [
                .init(
                    "error",
                    .object(["code": "bad_manifest", "message": .string("\(manifest.path) is not valid"), "exit": 65]))
            ]
            : []
        return .object(
            errors + [
                .init("valid", .bool(manifest.outcome.spec != nil)), .init("file", .string(manifest.path)),
                .init("problems", .array(problems.map(\.json))),
            ])
    }
}
