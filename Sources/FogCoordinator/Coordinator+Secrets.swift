internal import FogCore
internal import FogJobs
internal import FogStore
internal import Logging

/// Secrets on their way from a submitter to the workers that may be told them.
extension Coordinator {
    /// Keeps the values of a job that is about to be taken in.
    /// - Returns: the job's id, under which they lie; nil when it has none.
    /// - Throws: `bad_secrets`, `no_secrets_here`, and what the disk says.
    func keepSecrets(_ values: [String: String], of spec: JobSpec) throws -> JobID? {
        if let mistake = spec.mistake(inSecrets: values) { throw CoordinatorFailure("bad_secrets", mistake) }
        guard !values.isEmpty else { return nil }
        guard let files = content.secrets else {
            throw CoordinatorFailure("no_secrets_here", "this coordinator keeps no secrets")
        }
        var generator = SystemRandomNumberGenerator()
        let id = JobID(at: clock.now, using: &generator)
        try files.put(values, for: id)
        secretJobs.insert(id)
        return id
    }

    /// The leases with the values of their secrets. What cannot be read is left out: the worker then says so.
    func withSecrets(_ leases: [Lease]) -> [Lease] {
        guard leases.contains(where: { $0.secrets != nil }) else { return leases }
        var values: [JobID: [String: String]] = [:]
        return leases.map { lease in
            guard let wanted = lease.secrets else { return lease }
            let job = lease.attempt.task.job
            if values[job] == nil {
                do {
                    values[job] = try content.secrets?.read(job) ?? [:]
                } catch {
                    logger.error("secrets could not be read", metadata: ["job_id": "\(job)", "error": "\(error)"])
                    values[job] = [:]
                }
            }
            var filled = lease
            filled.secrets = wanted.map { LeaseSecret(use: $0.use, value: values[job]?[$0.use.name]) }
            return filled
        }
    }

    /// Drops what a job that was not taken in, or is over, was told.
    func dropSecrets(of id: JobID) {
        secretJobs.remove(id)
        do {
            try content.secrets?.delete(id)
        } catch {
            logger.error("secrets could not be removed", metadata: ["job_id": "\(id)", "error": "\(error)"])
        }
    }

    /// After each commit: jobs that are over need their secrets no more.
    func dropSecretsOfEndedJobs() {
        guard !secretJobs.isEmpty else { return }
        for id in secretJobs where core.jobs[id] == nil && !admitting.contains(id) { dropSecrets(of: id) }
    }

    /// After a start: which jobs have secrets, and what a crash left without a job.
    func findSecrets() {
        secretJobs = Set(core.jobs.values.filter { !$0.spec.secretNames.isEmpty }.map(\.record.id))
        do {
            try content.secrets?.sweep(keeping: secretJobs.union(admitting))
        } catch {
            logger.error("old secrets could not be removed", metadata: ["error": "\(error)"])
        }
    }
}
