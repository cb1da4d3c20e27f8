import FogCore
import FogJobs
import Testing

/// A manifest from JSON text.
func parsed(_ text: String, resolver: ManifestResolver = .none) throws -> ManifestOutcome {
    ManifestParser.parse(try ManifestNode(JSON(parsing: text)), defaultName: "job", resolver: resolver)
}

/// The job of a manifest that must be good.
func goodSpec(_ text: String, resolver: ManifestResolver = .none) throws -> JobSpec {
    let outcome = try parsed(text, resolver: resolver)
    return try #require(outcome.spec, "\(outcome.problems.map(\.message))")
}

/// A resolver that knows one table by any name.
func tableResolver(_ csv: String) -> ManifestResolver {
    ManifestResolver { _ throws(JobsFailure) in try SweepTable(csv: Array(csv.utf8)) }
}
