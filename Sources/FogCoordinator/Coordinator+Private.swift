package import FogCore
package import FogJobs

/// What submitters of private jobs ask.
extension Coordinator {
    /// - Throws: `bad_limit`.
    package func candidates(for demand: ResourceRequest, region: String?, limit: Int) throws -> [CoordinatorCore
        .Candidate]
    {
        guard (1...CoordinatorCore.candidateLimit).contains(limit) else {
            throw CoordinatorFailure(
                "bad_limit", "`limit` must be 1 to \(CoordinatorCore.candidateLimit), found \(limit)")
        }
        return core.candidates(for: demand, region: region, limit: limit, at: now)
    }

    /// - Throws: `conflict` for a job that is over, `not_found`, `not_private`, `bad_keys`.
    package func reseal(_ id: JobID, adding keys: SealedKeys, by principal: Principal) async throws -> JobRecord {
        if core.jobs[id] == nil {
            let record = try await job(id, for: principal, asking: .changeJobs)
            throw CoordinatorFailure("conflict", "job \(record.id.short) is \(record.state.rawValue) already")
        }
        return try await perform { core, now throws(CoordinatorFailure) in
            try core.reseal(id, adding: keys, by: principal, at: now)
        }
    }

    /// Whether a document may be taken in as what it says it is.
    /// - Throws: `private_in_clear` for a private job that would be told, `bad_keys` for keys without a use or none.
    static func check(_ spec: JobSpec, keys: SealedKeys?) throws(CoordinatorFailure) {
        guard spec.privacy != .public else {
            guard keys == nil else { throw CoordinatorFailure("bad_keys", "a public job has no key to be sealed") }
            return
        }
        if let mistake = StandIn.mistake(in: spec) {
            throw CoordinatorFailure(
                "private_in_clear",
                "the job says `privacy: \(spec.privacy.rawValue)`, and \(mistake): a private job is sealed where it is submitted"
            )
        }
        guard keys != nil else {
            throw CoordinatorFailure(
                "bad_keys", "a private job comes with its key, sealed to 1 to \(SealedKeys.limit) machines")
        }
    }
}
