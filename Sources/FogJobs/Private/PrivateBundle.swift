package import FogCore

/// What a private job is to the machines that run it: the head of its bundle. The files it names follow in the archive.
package struct PrivateBundle: Sendable {
    package struct Content: Hashable, Sendable {
        package let digest: Digest
        package let size: Int64

        package init(digest: Digest, size: Int64) {
            self.digest = digest
            self.size = size
        }
    }

    /// The manifest, whole.
    package let spec: JobSpec
    package let files: FileTable
    /// Values of the secrets that it names.
    package let secrets: [String: String]
    /// In the order in which they follow.
    package let contents: [Content]
    private let tables: [Digest: SweepTable]

    private static let format = "fog-bundle-1"

    package init(spec: JobSpec, files: FileTable, secrets: [String: String], contents: [Content]) {
        self.spec = spec
        self.files = files
        self.secrets = secrets
        self.contents = contents
        tables = ManifestDocument(of: spec).tables
    }

    package var contentBytes: Int64 { contents.reduce(0) { $0 + $1.size } }

    package var head: JSON {
        .object([
            "format": .string(Self.format), "document": ManifestDocument(of: spec).json, "files": files.json,
            "secrets": .object(secrets.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) }),
            "tables": .object(
                tables.sorted { $0.key < $1.key }.map {
                    .init($0.key.description, .string(Base64.encode($0.value.csv)))
                }),
            "contents": .array(
                contents.map {
                    .object(["digest": .string($0.digest.description), "size": .integer($0.size)])
                }),
        ])
    }

    /// - Throws: `bad_bundle` for what is none, or whose manifest does not hold.
    package init(head: JSON) throws(JobsFailure) {
        guard head["format"]?.string == Self.format, let document = head["document"], let table = head["files"] else {
            throw Self.failure("it does not say `\(Self.format)`")
        }
        files = try FileTable(json: table)
        secrets = Dictionary((head["secrets"]?.members ?? []).map { ($0.name, $0.value.string ?? "") }) { $1 }
        var contents: [Content] = []
        for item in head["contents"]?.array ?? [] {
            guard let digest = try? Digest(item["digest"]?.string ?? ""), let size = item["size"]?.integer, size >= 0
            else { throw Self.failure("a content of it has no digest or size") }
            contents.append(Content(digest: digest, size: size))
        }
        self.contents = contents
        var raw: [Digest: [UInt8]] = [:]
        var tables: [Digest: SweepTable] = [:]
        for member in head["tables"]?.members ?? [] {
            guard let digest = try? Digest(member.name), let bytes = Base64.decode(member.value.string ?? "") else {
                throw Self.failure("a table of it has no digest or content")
            }
            raw[digest] = bytes
            tables[digest] = try SweepTable(csv: bytes)
        }
        self.tables = tables
        let known = raw
        let outcome = try SubmissionBundle.spec(document: document, files: files) { known[$0] }
        guard let spec = outcome.spec else {
            throw Self.failure(
                outcome.problems.first.map { "\($0.path): \($0.message)" } ?? "its manifest is not valid")
        }
        self.spec = spec
    }

    private static func failure(_ words: String) -> JobsFailure { JobsFailure("bad_bundle", "the bundle: \(words)") }
}

/// One task of a private job as its machine runs it.
package struct PrivateTask: Sendable {
    /// The lease as it would be if the job were public. Its inputs name contents of the bundle.
    package let lease: Lease
    package let place: SealedPlace
    /// Sealed results of earlier steps among the stand-in's inputs: where each goes, and what it was sealed as.
    package let needed: [(input: LeaseInput, folder: String, part: JobSeal.Part)]

    /// - Parameter lease: the stand-in's.
    /// - Throws: `bad_seal` for a lease of a task that the bundle does not have; what the manifest's own words break.
    package init(of bundle: PrivateBundle, for lease: Lease) throws(JobsFailure) {
        guard lease.arguments.count == 2, lease.arguments[0] == StandIn.program, let number = Int(lease.arguments[1]),
            let step = bundle.spec.step(numbered: number)
        else { throw JobsFailure("bad_seal", "the lease is for a step that the bundle does not have") }
        let expanded = try Substitution.expand(step, element: lease.index)
        place = SealedPlace(step: number, element: lease.index)
        var inputs: [LeaseInput] = []
        var volumes: [LeaseVolume] = []
        for input in expanded.inputs {
            switch try InputSource(input.source) {
            case .volume(let volume):
                volumes.append(LeaseVolume(name: input.name, volume: volume.name, path: volume.path))
            case .local: inputs += try bundle.files.leaseInputs(for: input)
            case .blob: throw JobsFailure("bad_seal", "the input `\(clipped(input.name))` is not in the bundle")
            }
        }
        var own = Lease(
            attempt: lease.attempt, jobName: bundle.spec.name,
            index: try Substitution.element(lease.index, of: step).index, arguments: expanded.arguments,
            environment: expanded.environment, inputs: inputs, volumes: volumes.isEmpty ? nil : volumes,
            secrets: step.secrets.isEmpty
                ? nil : step.secrets.map { LeaseSecret(use: $0, value: bundle.secrets[$0.name]) },
            outputs: expanded.outputs, resources: lease.resources, profile: step.profile, checkpoint: step.checkpoint,
            priceBound: lease.priceBound, expiresAt: lease.expiresAt, disconnectGrace: lease.disconnectGrace,
            exclusive: lease.exclusive, killGrace: lease.killGrace)
        own.allowHosts = step.allowHosts.isEmpty ? nil : step.allowHosts
        own.checkpointFiles = lease.checkpointFiles
        self.lease = own
        needed = try Self.needed(by: step, of: bundle.spec, lease)
    }

    private static func needed(
        by step: StepSpec, of spec: JobSpec, _ lease: Lease
    ) throws(JobsFailure) -> [(input: LeaseInput, folder: String, part: JobSeal.Part)] {
        var found: [(input: LeaseInput, folder: String, part: JobSeal.Part)] = []
        for input in lease.inputs where input.name != StandIn.bundleName {
            let parts = input.name.split(separator: "/")
            guard let number = parts.first.flatMap({ StandIn.step(inName: String($0)) }),
                let need = spec.step(numbered: number), step.needs.contains(need.name),
                let element = parts.count == 2 ? 0 : Int(parts[1]), parts.last.map(String.init) == StandIn.resultName,
                parts.count <= 3
            else { throw JobsFailure("bad_seal", "an input of the lease is neither the bundle nor an earlier result") }
            let label = try Substitution.element(element, of: need).index
            found.append(
                (
                    input, need.elements == .single ? "\(need.name)/" : "\(need.name)/\(label)/",
                    .result(SealedPlace(step: number, element: element))
                ))
        }
        return found
    }
}

extension JobSpec {
    /// The step of a number (``StandIn/numbered(_:)``), or nil.
    func step(numbered number: Int) -> StepSpec? {
        let names = StandIn.numbered(steps.map(\.name))
        return names.indices.contains(number) ? steps.first { $0.name == names[number] } : nil
    }
}

extension FileTable {
    /// The files behind one local input, as a lease names them.
    /// - Throws: `missing_input` when the table does not hold its source.
    package func leaseInputs(for input: InputSpec) throws(JobsFailure) -> [LeaseInput] {
        guard let entries = self[input.source] else {
            throw JobsFailure("missing_input", "the input `\(input.source)` was not uploaded")
        }
        let name = input.name.hasSuffix("/") ? String(input.name.dropLast()) : input.name
        let empty = emptyFolders(in: input.source).map { path in
            LeaseInput.emptyFolder(path.isEmpty ? name : name + "/" + path)
        }
        return empty
            + entries.map { entry in
                LeaseInput(
                    name: entry.path.isEmpty ? input.name : name + "/" + entry.path, digest: entry.digest,
                    size: entry.size.bytes, executable: entry.isExecutable)
            }
    }
}
