internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// The way of a private job to the coordinator: everything is sealed here, once, and its key to each machine that this
/// user's policy takes.
struct PrivateSubmission: Sendable {
    let session: Session
    let client: FogClient

    /// What the coordinator is given. The bundle is there when this returns, and the job's key on this machine's disk.
    /// - Parameter key: under which it will be submitted; nil = it will not be, and no key is kept.
    /// - Throws: `not_private`, `bad_private` for a job that cannot be, `no_candidates`, and what the parts throw.
    func seal(
        _ spec: JobSpec, folder: String, places: [String: String], secrets: [String: String], key: String?
    ) async throws -> SubmitBody {
        try PrivateWay.check(spec.privacy, session)
        try NetworkCheck.check(spec, session)
        if let mistake = spec.privateMistake {
            throw CommandLineFailure("bad_private", mistake, status: .badData)
        }
        let inputs = try LocalInputs(of: spec)
        let scan = try InputScan(sources: inputs.paths, folder: folder, places: places)
        let chosen = try await candidates(for: spec, files: scan.files, except: [])
        let contents = scan.sizes.sorted { $0.key < $1.key }.map {
            PrivateBundle.Content(digest: $0.key, size: $0.value)
        }
        let bundle = PrivateBundle(spec: spec, files: scan.files, secrets: secrets, contents: contents)
        let digest = Digest.blake2b(Array(bundle.head.canonical.utf8))
        let before = try key.flatMap {
            try session.jobKeys.record(submitted: digest, under: $0, to: client.coordinatorKey)
        }
        let seal = before?.seal ?? .generate()
        try Disk.makeFolder(session.folders.cache, mode: 0o700)
        let file = try BundleFile(
            bundle, seal: seal, places: scan.places, path: "\(session.folders.cache)/bundle-\(seal.id)")
        defer { file.remove() }
        let document = ManifestDocument(of: StandIn.make(of: spec, id: seal.id, bundle: file.digest)).canonical
        if let key, before == nil {
            // Before anything is sent: a key that is lost cannot be had back.
            try session.jobKeys.keep(
                JobKeyRecord(
                    seal: seal, coordinator: client.coordinatorKey,
                    bundle: PrivateBundle(spec: spec, files: scan.files, secrets: [:], contents: contents).head,
                    standIn: document, submission: digest, idempotencyKey: key))
        }
        let keys = try Self.wrap(seal, to: chosen, bundle: file.digest)
        session.console.detail("sealed to \(Human.count(chosen.count, "machine")), \(ByteCount(file.size).brief)")
        let progress = LiveProgress(session, label: "uploading", total: file.size, unit: .bytes, onlyLive: true)
        _ = try await Uploader(client: client) { sent, _ in progress.update(done: sent) }
            .upload([file.digest: .file(path: file.path, size: file.size)])
        progress.finish()
        return SubmitBody(document: document, fileTable: nil, keys: keys)
    }

    /// Seals the key of a job that was submitted before to machines that do not have it.
    /// - Parameter known: those that have it, so far as this user knows.
    /// - Throws: `no_candidates`, `lost_key`.
    func reseal(_ job: JobBody) async throws -> (job: JobBody, machines: Int) {
        guard let id = job.seal else {
            throw CommandLineFailure("not_private", "job \(job.id.short) is public: it has no key to be sealed")
        }
        let record = try session.jobKeys.record(of: id)
        let standIn = try SubmissionBundle.spec(document: JSON(parsing: record.standIn), files: nil) { _ in nil }
        guard let bundle = standIn.spec.flatMap({ StandIn.bundle(of: $0) }) else {
            throw CommandLineFailure("bad_job_key", "the stand-in of \(id) does not read", status: .denied)
        }
        let known = Set(try await client.job(job.id.description).sealedTo ?? [])
        let own = try PrivateBundle(head: record.bundle)
        let chosen = try await candidates(for: own.spec, files: own.files, except: known)
        let keys = try Self.wrap(record.seal, to: chosen, bundle: bundle)
        return (try await client.reseal(job.id, adding: keys), chosen.count)
    }

    private static func wrap(
        _ seal: JobSeal, to machines: [CandidateStatement], bundle: Digest
    ) throws -> SealedKeys {
        var boxes: [String: Base64Bytes] = [:]
        for machine in machines {
            boxes[machine.machine.id.description] = try seal.wrapped(to: machine, bundle: bundle)
        }
        return try SealedKeys(boxes)
    }

    private func candidates(
        for spec: JobSpec, files: FileTable, except known: Set<String>
    ) async throws -> [CandidateStatement] {
        let policy = try CandidatePolicy.load(session.folders.candidatesFile)
        let found = try await client.candidates(
            CandidatesRequest(resources: spec.largestRequest, region: spec.placement.region)
        ).candidates
        let choice = policy.choose(
            among: found, for: spec, files: files, coordinator: client.coordinatorKey, except: known, at: session.now)
        for refusal in choice.refused {
            session.console.detail("not sealed to \(DisplayText.clean(refusal.name)): \(refusal.words)")
        }
        guard choice.chosen.isEmpty else { return choice.chosen }
        let words = choice.refused.prefix(8).map { "\n  \(DisplayText.clean($0.name)): \($0.words)" }.joined()
        throw CommandLineFailure(
            "no_candidates",
            found.isEmpty
                ? "the coordinator knows no machine that is there, is large enough and takes private jobs: nothing was sent"
                : "none of \(Human.count(found.count, "machine")) may be given the job's key: nothing was sent\(words)",
            help: "fog candidate list; compare a key with the machine's owner, then fog candidate pin KEY",
            status: .denied)
    }
}
