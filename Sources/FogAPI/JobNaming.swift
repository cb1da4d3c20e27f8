/// What this user calls private jobs, whose names no coordinator knows.
package protocol JobNaming: Sendable {
    /// What the coordinator calls the job that is called so here; any other text as it is.
    func told(_ reference: String) -> String
    /// What a job is called here that the coordinator knows as this stand-in; nil = it is not known here.
    func own(_ standIn: String) -> String?
}
