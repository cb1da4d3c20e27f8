internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogManifestFile

/// The way of a job to the coordinator: read the inputs, upload what it lacks, submit.
struct Submission: Sendable {
    let session: Session
    let client: FogClient

    /// - Parameter places: real paths of sources that do not lie where their name says.
    /// - Parameter secrets: values that the manifest names.
    /// - Parameter key: under which it will be submitted; nil = it will not be.
    func upload(
        _ spec: JobSpec, folder: String, places: [String: String] = [:], secrets: [String: String]?, key: String?
    ) async throws -> SubmitBody {
        guard spec.privacy == .public else {
            return try await PrivateSubmission(session: session, client: client)
                .seal(spec, folder: folder, places: places, secrets: secrets ?? [:], key: key)
        }
        let console = session.console
        try NetworkCheck.check(spec, session)
        let inputs = try LocalInputs(of: spec)
        let scan = try InputScan(sources: inputs.paths, folder: folder, places: places) { files, bytes in
            console.show { _ in "reading inputs: \(Human.count(files, "file")), \(ByteCount(bytes).brief)" }
        }
        console.show(live: nil)
        try await checkImages(of: spec, scan, folder: folder, places: places)
        let bundle = SubmissionBundle(spec: spec, files: scan.files)
        var contents = bundle.blobs.mapValues { Uploader.Content.bytes($0) }
        for (digest, path) in scan.places {
            contents[digest] = .file(path: path, size: scan.sizes[digest] ?? 0)
        }
        let progress = LiveProgress(
            session, label: "uploading", total: contents.values.reduce(0) { $0 + $1.size }, unit: .bytes,
            onlyLive: true)
        let known = contents.values.reduce(Int64(0)) { $0 + $1.size }
        let sent = try await Uploader(client: client) { sent, total in progress.update(done: known - total + sent) }
            .upload(contents)
        progress.finish()
        console.detail("uploaded \(Human.count(sent.contents, "blob")), \(ByteCount(sent.bytes).brief)")
        return SubmitBody(document: bundle.document.canonical, fileTable: bundle.files?.digest, secrets: secrets)
    }

    /// Reads the images that the coordinator lacks; what it has was read when it was sent.
    private func checkImages(
        of spec: JobSpec, _ scan: InputScan, folder: String, places: [String: String]
    ) async throws {
        let sources = ImageCheck.sources(of: spec)
        let digests = sources.compactMap { scan.files[$0]?.first?.digest }
        guard !digests.isEmpty else { return }
        let lacking = Set(try await client.missing(digests))
        for source in sources {
            guard let digest = scan.files[source]?.first?.digest, lacking.contains(digest) else { continue }
            session.console.show { _ in "reading the image \(source)" }
            defer { session.console.show(live: nil) }
            try ImageCheck.check(source, at: places[source] ?? LocalFile.place(of: source, in: folder))
        }
    }

    /// Under which key a job is submitted. Of a private job the coordinator gets a code of the words, which only this user
    /// can make again: people put names and dates into them.
    func key(_ words: String?, _ spec: JobSpec) throws -> String {
        guard let words, spec.privacy != .public else { return words ?? FogClient.newKey() }
        let code = try ContentKey(bytes: client.key.seed).tag("fog-idempotency-v1", Array(words.utf8))
        return Hex.encode(code.bytes)
    }

    /// Asks again under the same key when no answer comes: a network's retry never makes two jobs.
    func submit(_ body: SubmitBody, key: String) async throws -> JobBody {
        let client = client
        return try await Patience.short { try await client.submit(body, idempotencyKey: key) }
    }

    /// Prints what scripts rely on: `{"id", "state", "tasks"}`.
    func announce(_ job: JobBody) throws {
        switch session.mode {
        case .quiet: session.console.print(job.id.description)
        case .json:
            session.console.print(
                .object([
                    "id": .string(job.id.description), "name": .string(job.name), "state": .string(job.state.rawValue),
                    "tasks": .integer(Int64(job.tasks)), "held": job.held.map(JSON.string),
                ]))
        case .table:
            session.console.print("\(job.sentence): \(Human.count(job.tasks, "task"))")
            session.console.note("help: fog logs -f \(job.id.short), fog job explain \(job.id.short)")
        }
    }
}
