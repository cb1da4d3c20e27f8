import FogCore
import FogJobs
import FogManifestFile

/// Manifests as a submitter's file, a document that came in, a file table, a sweep's table. The first byte chooses.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzManifest(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = input(data, size)
    guard let kind = bytes.first else { return 0 }
    let rest = Array(bytes.dropFirst())
    switch kind % 4 {
    case 0:
        guard let text = String(validating: rest, as: UTF8.self) else { return 0 }
        check(ManifestFile(text: text, path: "job.yaml", folder: nil).outcome)
    case 1:
        guard let json = try? JSON(parsing: rest, maxDepth: ManifestLimits.maxDepth) else { return 0 }
        let again = try? JSON(parsing: json.canonical, maxDepth: ManifestLimits.maxDepth)
        hold(again?.canonical == json.canonical, "the canonical form is not its own")
        if let outcome = try? SubmissionBundle.spec(document: json, files: nil, readTable: { _ in nil }) {
            check(outcome)
        }
    case 2:
        guard let json = try? JSON(parsing: rest, maxDepth: ManifestLimits.maxDepth),
            let table = try? FileTable(json: json)
        else { return 0 }
        let again = (try? JSON(parsing: table.bytes)).flatMap { try? FileTable(json: $0) }
        hold(again?.digest == table.digest, "a file table does not read as it was written")
    default: _ = try? SweepTable(csv: rest)
    }
    return 0
}

/// What was read can be written, read again as the same, and expanded at both ends.
private func check(_ outcome: ManifestOutcome) {
    guard let spec = outcome.spec else {
        hold(outcome.problems.hasErrors, "no job and no reason")
        return
    }
    let document = ManifestDocument(of: spec)
    guard let json = try? JSON(parsing: document.canonical, maxDepth: ManifestLimits.maxDepth) else {
        fatalError("property broken: the document of a job is not JSON: \(document.canonical)")
    }
    let tables = document.tables.mapValues(\.csv)
    let again = try? SubmissionBundle.spec(document: json, files: nil) { tables[$0] }
    // Inputs that nobody uploaded are the only thing that may be missing.
    if let read = again?.spec {
        hold(ManifestDocument(of: read).canonical == document.canonical, "the document changed: \(document.canonical)")
    } else {
        let others = again?.problems.filter { $0.severity == .error && !$0.path.contains("inputs") } ?? []
        hold(others.isEmpty, "a document that was written is refused: \(others) \(document.canonical)")
    }
    for step in spec.steps where step.elements.count > 0 {
        _ = try? Substitution.expand(step, element: 0)
        _ = try? Substitution.expand(step, element: step.elements.count - 1)
    }
}
