import FogCore
import FogJobs

/// The capability table as people should be able to rely on it, written down a second time: who may ask, who of them
/// about everybody's things, and what the answer is.
struct CapabilityRow: Sendable {
    /// What a request is about. A stranger is only ever unknown.
    enum Object: Sendable { case nothing, job, endedJob, blob, node, account, receipt, lease, stranger }

    let route: String
    let roles: Set<Role>
    let everyones: Set<Role>
    let object: Object
    let success: Int
    /// For a thing that is another's and for one that never was.
    let absent: Int

    init(
        _ route: String, _ roles: Set<Role>, everyones: Set<Role> = [], _ object: Object = .nothing,
        _ success: Int = 200, absent: Int = 404
    ) {
        self.route = route
        self.roles = roles
        self.everyones = everyones
        self.object = object
        self.success = success
        self.absent = absent
    }

    private static let all = Set(Role.allCases)
    private static let watchers: Set<Role> = [.admin, .auditor]
    private static let submitters: Set<Role> = [.client, .admin]

    static let table: [CapabilityRow] = [
        CapabilityRow("POST /v1/jobs", submitters, .nothing, 201),
        CapabilityRow("GET /v1/jobs", all),
        CapabilityRow("GET /v1/jobs/{job}", all, everyones: watchers, .job),
        CapabilityRow("GET /v1/jobs/{job}/document", all, everyones: [.admin], .job),
        CapabilityRow("GET /v1/jobs/{job}/tasks", all, everyones: watchers, .job),
        CapabilityRow("GET /v1/jobs/{job}/attempts", all, everyones: watchers, .job),
        CapabilityRow("GET /v1/jobs/{job}/events", all, everyones: watchers, .job),
        CapabilityRow("GET /v1/jobs/{job}/explain", all, everyones: watchers, .job),
        CapabilityRow("GET /v1/jobs/{job}/decisions", all, everyones: watchers, .job),
        CapabilityRow("GET /v1/jobs/{job}/nodes/{node}", all, everyones: watchers, .job, absent: 404),
        CapabilityRow("GET /v1/jobs/{job}/logs", all, everyones: [.admin], .job),
        CapabilityRow("POST /v1/jobs/{job}/cancel", submitters, everyones: [.admin], .job),
        CapabilityRow("POST /v1/jobs/{job}/hold", submitters, everyones: [.admin], .job),
        CapabilityRow("POST /v1/jobs/{job}/release", submitters, everyones: [.admin], .job),
        CapabilityRow("POST /v1/jobs/{job}/fund", submitters, everyones: [.admin], .job),
        CapabilityRow("POST /v1/jobs/{job}/retry", submitters, everyones: [.admin], .endedJob, 201),
        CapabilityRow("POST /v1/jobs/{job}/keep", submitters, everyones: [.admin], .endedJob),
        // The job is a public one.
        CapabilityRow("POST /v1/jobs/{job}/keys", submitters, everyones: [.admin], .job, 409),
        CapabilityRow("POST /v1/candidates", submitters),
        CapabilityRow("GET /v1/events", watchers),
        CapabilityRow("POST /v1/blobs/missing", [.client, .worker, .admin]),
        CapabilityRow("PUT /v1/blobs/{digest}", [.client, .worker, .admin]),
        CapabilityRow("GET /v1/blobs/{digest}", all, .blob),
        CapabilityRow("POST /v1/worker/link", [.worker], .nothing, 201),
        CapabilityRow("POST /v1/worker/poll", [.worker]),
        CapabilityRow("POST /v1/worker/heartbeat", [.worker], .lease, absent: 200),
        CapabilityRow("POST /v1/worker/complete", [.worker], .lease, absent: 200),
        CapabilityRow("POST /v1/worker/checkpoint", [.worker], .lease, absent: 409),
        CapabilityRow("POST /v1/worker/logs", [.worker], .lease, absent: 409),
        CapabilityRow("POST /v1/worker/hello", [.worker]),
        CapabilityRow("GET /v1/me", all),
        CapabilityRow("GET /v1/usage", all),
        CapabilityRow("GET /v1/usage/all", watchers),
        CapabilityRow("GET /v1/overview", all),
        CapabilityRow("GET /v1/nodes", all),
        CapabilityRow("GET /v1/nodes/{node}", all, everyones: all, .node),
        CapabilityRow("POST /v1/nodes/{node}/cordon", all, everyones: [.admin], .node),
        CapabilityRow("POST /v1/nodes/{node}/drain", all, everyones: [.admin], .node),
        CapabilityRow("POST /v1/nodes/{node}/resume", all, everyones: [.admin], .node),
        CapabilityRow("POST /v1/nodes/{node}/labels", all, everyones: [.admin], .node),
        CapabilityRow("POST /v1/nodes/{node}/ask", all, everyones: [.admin], .node),
        CapabilityRow("GET /v1/market/prices", all),
        CapabilityRow("GET /v1/market/history", all),
        CapabilityRow("POST /v1/nodes/{node}/trust", [.admin], everyones: [.admin], .node),
        CapabilityRow("POST /v1/nodes/{node}/distrust", [.admin], everyones: [.admin], .node),
        CapabilityRow("GET /v1/ledger/accounts/{account}", all, everyones: watchers, .account),
        CapabilityRow("GET /v1/ledger/accounts/{account}/history", all, everyones: watchers, .account),
        CapabilityRow("GET /v1/receipts/{attempt}", all, everyones: watchers, .receipt),
        CapabilityRow("GET /v1/receipts/{attempt}/proof", all, everyones: watchers, .receipt),
        CapabilityRow("GET /v1/ledger/entries/{bundle}", watchers),
        CapabilityRow("POST /v1/ledger/grants", [.admin], everyones: [.admin], .account, 201),
        CapabilityRow("GET /v1/ledger/accounts/{account}/earnings", all, everyones: watchers, .account),
        CapabilityRow("GET /v1/ledger/accounts/{account}/statement", all, everyones: watchers, .account),
        CapabilityRow("GET /v1/ledger/jobs/{job}/history", all, everyones: watchers, .job),
        CapabilityRow("POST /v1/ledger/transfers", [.client, .worker, .admin], .nothing, 201),
        CapabilityRow("POST /v1/ledger/rewards", [.admin], everyones: [.admin], .account, 201),
        CapabilityRow("GET /v1/ledger/rules", all),
        CapabilityRow("POST /v1/ledger/rules", [.admin], .nothing, 201),
        CapabilityRow("POST /v1/ledger/corrections", [.admin], .stranger),
        CapabilityRow("GET /v1/ledger/audit", [.admin, .auditor, .client]),
        CapabilityRow("POST /v1/housekeeping", [.admin]),
        CapabilityRow("POST /v1/enroll", [.admin], .nothing, 201),
        CapabilityRow("GET /v1/enrolments", [.admin]),
        CapabilityRow("POST /v1/enrolments/{enrolment}/approve", [.admin], .stranger),
        CapabilityRow("POST /v1/enrolments/{enrolment}/revoke", [.admin], .stranger),
        CapabilityRow("GET /v1/identities", [.admin]),
        CapabilityRow("POST /v1/identities/{identity}/suspend", [.admin], .stranger),
        CapabilityRow("POST /v1/identities/{identity}/resume", [.admin], .stranger),
        CapabilityRow("POST /v1/identities/{identity}/revoke", [.admin], .stranger),
        // A statement that neither key has signed.
        CapabilityRow("POST /v1/identity/rotate", all, .nothing, 400),
        CapabilityRow("POST /v1/worker/leave", [.worker]),
    ]
}
