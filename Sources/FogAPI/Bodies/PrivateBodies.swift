package import FogCore
package import FogJobs

/// `POST /v1/candidates`
package struct CandidatesRequest: Hashable, Sendable, Codable {
    /// What the largest task asks.
    package var resources: ResourceRequest
    /// Nil = any.
    package var region: String?
    /// 1 to 64.
    package var limit: Int

    package init(resources: ResourceRequest, region: String? = nil, limit: Int = 64) {
        self.resources = resources
        self.region = region
        self.limit = limit
    }
}

package struct CandidatesBody: Hashable, Sendable, Codable {
    package struct Candidate: Hashable, Sendable, Codable {
        package var node: NodeID
        /// The coordinator's word, as all but the statement.
        package var owner: String
        package var report: NodeReport
        /// Whether its owner lets tasks reach hosts.
        package var network: Bool
        /// ``CandidateStatement/init(signed:)`` reads it.
        package var statement: Base64Bytes

        package init(node: NodeID, owner: String, report: NodeReport, network: Bool, statement: Base64Bytes) {
            self.node = node
            self.owner = owner
            self.report = report
            self.network = network
            self.statement = statement
        }
    }

    /// The first of them are of as many owners as there are.
    package var candidates: [Candidate]

    package init(candidates: [Candidate]) { self.candidates = candidates }
}

/// `POST /v1/jobs/{job}/keys`
package struct ResealBody: Hashable, Sendable, Codable {
    /// The job's key, sealed to machines, by their key ids.
    package var keys: SealedKeys

    package init(keys: SealedKeys) { self.keys = keys }
}
