package import FogCore

/// What the results of several owners for one task come to. Pure.
///
/// Copies run one after another, so that a copy looks to its worker like any other try: nobody learns that the task is
/// verified, nor by whom. No result can be seen before the verdict.
package enum Quorum {
    /// The most results that a task is given to agree: one more than each disagreement, up to here.
    package static let maxResults = 5

    package enum Verdict: Hashable, Sendable {
        /// Another owner's result is wanted.
        case wait
        /// The result that counts, by its place; the places of those equal to it, itself among them; the others.
        case accept(winner: Int, equal: [Int], others: [Int])
        /// No agreement is to be had any more: a person must look at it.
        case disagree(different: Int)

        package var isAccepted: Bool { if case .accept = self { true } else { false } }
    }

    /// - Parameters:
    ///   - results: digests of output manifests, oldest first, one of each owner.
    ///   - wanted: equal results that decide, 2 to ``maxResults``.
    package static func decide(_ results: [Digest], wanted: Int) -> Verdict {
        var places: [Digest: [Int]] = [:]
        for (place, digest) in results.enumerated() { places[digest, default: []].append(place) }
        // Equal counts are told apart by age, so that the verdict is one.
        let best = places.values.max { ($0.count, $1[0]) < ($1.count, $0[0]) } ?? []
        if best.count >= wanted {
            return .accept(
                winner: best[0], equal: best, others: results.indices.filter { !best.contains($0) })
        }
        let limit = max(maxResults, wanted)
        guard best.count + (limit - results.count) >= wanted else { return .disagree(different: places.count) }
        return .wait
    }

    /// A result that counts by itself, from a machine that is known to be honest, decides over those held before it.
    package static func decide(_ results: [Digest], by honest: Digest) -> (equal: [Int], others: [Int]) {
        (results.indices.filter { results[$0] == honest }, results.indices.filter { results[$0] != honest })
    }
}

extension StepSpec.Verification {
    /// Equal results wanted from so many owners; 1 = any result counts.
    package var copies: Int {
        switch self {
        case .auto, .none: 1
        case .owners(let count): count
        }
    }

    /// As the history says it.
    package var wantedWords: String { self == .auto ? "auto" : "\(copies)" }
}
