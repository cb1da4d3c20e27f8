internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogManifestFile

/// `fog job validate`: checks manifests here, without a coordinator.
struct JobValidate: SessionCommand {
    static let configuration = CommandConfiguration(
        "validate", "Check manifests here, without a coordinator.",
        examples: ["fog job validate render.yaml", "fog job validate jobs/*.yaml -o json"])

    @Argument(help: "Manifests.", completion: .file())
    var files: [String]

    @OptionGroup var common: CommonOptions

    func validate() throws {
        if files.isEmpty { throw ValidationError("name at least one file") }
    }

    func run(_ session: Session) async throws {
        var documents: [JSON] = []
        var isValid = true
        for file in files {
            let manifest = try Manifest.read(file, session)
            documents.append(Manifest.document(manifest))
            if !manifest.report.isEmpty { session.console.note(String(manifest.report.dropLast())) }
            guard let spec = manifest.outcome.spec else {
                isValid = false
                continue
            }
            try NetworkCheck.check(spec, session)
            if session.mode == .table {
                session.console.print(
                    "\(file): job \(spec.name), \(Human.count(spec.steps.count, "step")), \(Human.count(spec.taskCount, "task"))"
                )
            }
        }
        if session.mode == .json { session.console.print(files.count == 1 ? documents[0] : .array(documents)) }
        if !isValid { throw ExitStatus.badData.exit }
    }
}

/// `fog job schema`: what editors need.
struct JobSchema: ParsableCommand {
    static let configuration = CommandConfiguration(
        "schema", "Print the manifest's JSON Schema, for editors.",
        examples: [
            "fog job schema > fog.schema.json",
            "# yaml-language-server: $schema=fog.schema.json   (first line of a manifest)",
        ])

    func run() throws { print(ManifestSchema.text, terminator: "") }
}
