package import FogCore
internal import FogJobs
package import FogLedger

/// What a key on the coordinator's own machine signs where no request comes over the network: its enrolment at the first
/// start, and the operator's first credits.
package struct LocalStatement: Sendable {
    private static let domain = "fog-local-v1"

    package let coordinator: PublicKey
    package let key: PublicKey
    /// What is asked for, in a few words that hold no name.
    package let act: String
    package let time: Timestamp
    /// Tells two statements of one moment apart.
    private let nonce: [UInt8]

    package init(_ act: String, of key: PublicKey, to coordinator: PublicKey, at time: Timestamp) {
        (self.act, self.key, self.coordinator, self.time) = (act, key, coordinator, time)
        nonce = SecureRandom.bytes(16)
    }

    /// What is signed.
    package var bytes: [UInt8] {
        var out = CanonicalWriter()
        out.write(Self.domain)
        out.write(raw: coordinator.bytes)
        out.write(raw: key.bytes)
        out.write(act)
        out.write(time)
        out.write(raw: nonce)
        return out.bytes
    }

    package func signed(by key: SigningKey) throws(LedgerFailure) -> Authorisation {
        let base = bytes
        return try Authorisation(base: base, key: self.key.id, signature: key.sign(base))
    }
}

extension CoordinatorCore {
    /// From here on every record says who answers for it, and what somebody must ask for is refused without a request.
    ///
    /// A ledger that older software wrote first gets, in the older form, what a request cannot be found for any more: the
    /// coordinator's own key, and the escrows of jobs that were taken in before.
    package mutating func attributeRecords(at now: Moment) {
        if ledger.head.count > 0 {
            if ledger.key(key.id) == nil {
                must(post([coordinatorEnrolment], at: now), "the coordinator's key can be enrolled")
            }
            for id in jobs.keys.sorted() {
                _ = withJob(id) { core, job in
                    guard !job.record.progress.escrowOpen, !job.request.isRequest else { return }
                    core.must(core.openEscrow(of: &job, at: now), "an escrow opens once")
                    core.saveProgress(of: job)
                }
            }
        }
        ledger.authority = key.id
    }

    /// The coordinator's own key, which signs grants and checkpoints.
    var coordinatorEnrolment: LedgerEntry {
        LedgerEntry(
            .enrol(KeyEnrolment(key: key, roles: [.coordinator], owner: .treasury)),
            subject: SubjectID(digestOf: key.bytes))
    }
}
