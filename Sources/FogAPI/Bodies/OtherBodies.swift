package import FogCore
package import FogJobs

/// `GET /v1/info`: open to everybody; what a client needs before it signs.
package struct InfoBody: Hashable, Sendable, Codable {
    package var name: String
    package var version: String
    package var coordinator: PublicKey
    package var time: Timestamp

    package init(name: String, version: String, coordinator: PublicKey, time: Timestamp) {
        self.name = name
        self.version = version
        self.coordinator = coordinator
        self.time = time
    }
}

/// `GET /v1/me`
package struct MeBody: Hashable, Sendable, Codable {
    package var key: PublicKey
    package var name: String
    package var roles: [Role]
    package var account: AccountID

    package init(_ principal: Principal) {
        key = principal.key
        name = principal.name
        roles = principal.roles.sorted()
        account = principal.account
    }
}

package struct NodeBody: Hashable, Sendable, Codable {
    package var id: NodeID
    package var name: String
    package var owner: String
    package var standing: NodeRow.Standing
    /// `live`, `suspect`, `lost`, `offline`.
    package var liveness: String
    package var allowance: Allowance?
    /// Why it takes no new work; nil = it does.
    package var closed: String?
    package var leases: Int
    package var report: NodeReport
    package var enrolledAt: Timestamp
    package var lastSeen: Timestamp
    package var probationUntil: Timestamp?
    package var trusted: Bool
    /// Labels that were given here, beside those of the report; a name alone has an empty value.
    package var labels: [String: String]?
    /// What its owner asks for a core-hour and a GiB-hour; nil = the operator's price.
    package var coreAsk: Credits?
    package var gibAsk: Credits?
    /// How long it will probably stay, as its owner has lent it so far; nil = no end in sight.
    package var expectedStay: TimeSpan?
    /// What may be counted on, 0 to 1.
    package var trust: Double?
    /// Why trust is what it is: an entry for each class of capability. Only where one node is asked for.
    package var reputation: [ReputationBody]?

    package init(
        row: NodeRow, owner: String, liveness: String, allowance: Allowance?, closed: String?, leases: Int
    ) {
        id = row.id
        name = row.report.name
        self.owner = owner
        standing = row.standing
        self.liveness = liveness
        self.allowance = allowance
        self.closed = closed
        self.leases = leases
        report = row.report
        enrolledAt = row.enrolledAt
        lastSeen = row.lastSeen
        probationUntil = row.probationUntil
        trusted = row.trusted
        labels = row.labels
        coreAsk = row.coreAsk
        gibAsk = row.gibAsk
        expectedStay = row.stays.expected(from: row.lastSeen)
    }

    enum CodingKeys: String, CodingKey {
        case id, name, owner, standing, liveness, allowance, closed, leases, report, trusted, labels, trust, reputation
        case enrolledAt = "enrolled_at"
        case lastSeen = "last_seen"
        case probationUntil = "probation_until"
        case coreAsk = "core_ask"
        case gibAsk = "gib_ask"
        case expectedStay = "expected_stay"
    }
}

package struct NodeListBody: Hashable, Sendable, Codable {
    package var nodes: [NodeBody]

    package init(nodes: [NodeBody]) { self.nodes = nodes }
}

/// How much of a blob is here.
package struct UploadBody: Hashable, Sendable, Codable {
    package var received: Int64
    package var complete: Bool

    package init(received: Int64, complete: Bool) {
        self.received = received
        self.complete = complete
    }
}

package struct DigestListBody: Hashable, Sendable, Codable {
    package static let limit = 10_000

    package var digests: [Digest]

    package init(digests: [Digest]) { self.digests = digests }
}

package struct BalanceBody: Hashable, Sendable, Codable {
    package var account: AccountID
    package var kind: String
    package var balance: Credits
    package var available: Credits
    /// Reserved by running work.
    package var pending: Credits
    /// At risk as a stake; absent when there never was one.
    package var staked: Credits?
    /// Unstaked and not free yet.
    package var unbonding: [Unbonding]?

    package struct Unbonding: Hashable, Sendable, Codable {
        package var credits: Credits
        package var free: Timestamp

        package init(credits: Credits, free: Timestamp) {
            self.credits = credits
            self.free = free
        }
    }

    package init(account: AccountID, kind: String, balance: Credits, available: Credits, pending: Credits) {
        self.account = account
        self.kind = kind
        self.balance = balance
        self.available = available
        self.pending = pending
    }
}

package struct HistoryBody: Hashable, Sendable, Codable {
    package struct Line: Hashable, Sendable, Codable {
        package var sequence: UInt64
        package var at: Timestamp
        package var kind: String
        /// What moved: positive = the account gained.
        package var amount: Credits
        /// Of a `pending`, which moves nothing yet: what its end may move at most, with the sign of ``amount``.
        package var reserved: Credits?
        /// What a correction would name.
        package var transfer: TransferID?
        package var other: AccountID?
        package var subject: String
        package var evidence: Digest?

        package init(
            sequence: UInt64, at: Timestamp, kind: String, amount: Credits, reserved: Credits? = nil,
            transfer: TransferID? = nil, other: AccountID?, subject: String, evidence: Digest?
        ) {
            self.sequence = sequence
            self.at = at
            self.kind = kind
            self.amount = amount
            self.reserved = reserved
            self.transfer = transfer
            self.other = other
            self.subject = subject
            self.evidence = evidence
        }
    }

    package var account: AccountID
    /// Newest first.
    package var lines: [Line]
    /// Pass as `before` for the next page.
    package var next: UInt64?

    package init(account: AccountID, lines: [Line], next: UInt64?) {
        self.account = account
        self.lines = lines
        self.next = next
    }
}

/// `GET /v1/receipts/{attempt}`: the evidence of one attempt's end.
package struct ReceiptBody: Hashable, Sendable, Codable {
    package var attempt: AttemptID
    /// ``SignedReceipt/bytes``: anyone checks them with the node's key.
    package var receipt: Base64Bytes
    package var paid: Credits
    package var payee: AccountID

    package init(attempt: AttemptID, receipt: Base64Bytes, paid: Credits, payee: AccountID) {
        self.attempt = attempt
        self.receipt = receipt
        self.paid = paid
        self.payee = payee
    }
}

package struct GrantBody: Hashable, Sendable, Codable {
    /// An account's id or the name of a principal.
    package var account: String
    package var credits: Credits
    package var reason: String

    package init(account: String, credits: Credits, reason: String) {
        self.account = account
        self.credits = credits
        self.reason = reason
    }
}

/// `POST /v1/enroll`: what an operator asks for a newcomer.
package struct EnrollBody: Hashable, Sendable, Codable {
    package var roles: [Role]
    package var uses: Int
    package var ttl: TimeSpan
    /// Existing account by name or id, `self` for one's own; nil = a new one for each that joins.
    package var owner: String?
    package var credits: Credits
    /// Whoever joins waits until an admin approves.
    package var approve: Bool?

    package init(
        roles: [Role], uses: Int, ttl: TimeSpan, owner: String?, credits: Credits, approve: Bool? = nil
    ) {
        self.approve = approve
        self.roles = roles
        self.uses = uses
        self.ttl = ttl
        self.owner = owner
        self.credits = credits
    }
}

/// The whole line that a newcomer types.
package struct EnrolledBody: Hashable, Sendable, Codable {
    package var token: String
    package var expiresAt: Timestamp
    /// What the invitation is called in `GET /v1/enrolments`.
    package var id: String?

    package init(token: String, expiresAt: Timestamp, id: String? = nil) {
        self.token = token
        self.expiresAt = expiresAt
        self.id = id
    }
}

/// `POST /v1/join`: signed with the key that joins.
package struct JoinBody: Hashable, Sendable, Codable {
    package var secret: Base64Bytes
    package var key: PublicKey
    package var name: String

    package init(secret: Base64Bytes, key: PublicKey, name: String) {
        self.secret = secret
        self.key = key
        self.name = name
    }
}
