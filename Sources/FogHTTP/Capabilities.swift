internal import FogAPI
internal import FogCoordinator
internal import FogJobs

extension Routes {
    /// What each route asks for; who may ask is ``Capability``'s to say. A route that does not stand here is nobody's.
    static let capabilities: [String: Capability] = [
        "POST /v1/jobs": .submitJobs,
        "GET /v1/jobs": .seeJobs,
        "GET /v1/jobs/{job}": .seeJobs,
        "GET /v1/jobs/{job}/document": .readJobs,
        "GET /v1/jobs/{job}/tasks": .seeJobs,
        "GET /v1/jobs/{job}/attempts": .seeJobs,
        "GET /v1/jobs/{job}/events": .seeJobs,
        "GET /v1/jobs/{job}/explain": .seeJobs,
        "GET /v1/jobs/{job}/decisions": .seeJobs,
        "GET /v1/jobs/{job}/nodes/{node}": .seeJobs,
        "GET /v1/jobs/{job}/logs": .readJobs,
        "POST /v1/jobs/{job}/cancel": .changeJobs,
        "POST /v1/jobs/{job}/hold": .changeJobs,
        "POST /v1/jobs/{job}/release": .changeJobs,
        "POST /v1/jobs/{job}/fund": .changeJobs,
        "POST /v1/jobs/{job}/keep": .changeJobs,
        "POST /v1/jobs/{job}/retry": .changeJobs,
        "POST /v1/jobs/{job}/keys": .changeJobs,
        "POST /v1/candidates": .submitJobs,
        "GET /v1/events": .seeHistory,
        "POST /v1/blobs/missing": .storeContent,
        "PUT /v1/blobs/{digest}": .storeContent,
        "GET /v1/blobs/{digest}": .readContent,
        "POST /v1/worker/link": .work,
        "POST /v1/worker/hello": .work,
        "POST /v1/worker/poll": .work,
        "POST /v1/worker/heartbeat": .work,
        "POST /v1/worker/complete": .work,
        "POST /v1/worker/checkpoint": .work,
        "POST /v1/worker/logs": .work,
        "POST /v1/worker/leave": .work,
        "GET /v1/me": .seeOneself,
        "GET /v1/usage": .seeOneself,
        "GET /v1/usage/all": .seeUsage,
        "GET /v1/nodes": .seeMachines,
        "GET /v1/nodes/{node}": .seeMachines,
        "POST /v1/nodes/{node}/cordon": .changeMachines,
        "POST /v1/nodes/{node}/drain": .changeMachines,
        "POST /v1/nodes/{node}/resume": .changeMachines,
        "GET /v1/ledger/accounts/{account}": .seeAccounts,
        "GET /v1/ledger/accounts/{account}/history": .seeAccounts,
        "GET /v1/receipts/{attempt}": .seeReceipts,
        "GET /v1/receipts/{attempt}/proof": .seeReceipts,
        "GET /v1/ledger/entries/{bundle}": .readLedger,
        "POST /v1/ledger/grants": .grantCredits,
        "GET /v1/ledger/audit": .auditLedger,
        "POST /v1/ledger/transfers": .moveCredits,
        "POST /v1/ledger/rewards": .grantCredits,
        "GET /v1/ledger/rules": .seeOneself,
        "POST /v1/ledger/rules": .grantCredits,
        "POST /v1/ledger/corrections": .grantCredits,
        "GET /v1/ledger/accounts/{account}/earnings": .seeAccounts,
        "GET /v1/ledger/accounts/{account}/statement": .seeAccounts,
        "GET /v1/ledger/jobs/{job}/history": .seeAccounts,
        "POST /v1/enroll": .administer,
        "GET /v1/enrolments": .administer,
        "POST /v1/enrolments/{enrolment}/approve": .administer,
        "POST /v1/enrolments/{enrolment}/revoke": .administer,
        "GET /v1/identities": .administer,
        "POST /v1/identities/{identity}/suspend": .administer,
        "POST /v1/identities/{identity}/resume": .administer,
        "POST /v1/identities/{identity}/revoke": .administer,
        "POST /v1/identity/rotate": .seeOneself,
        "POST /v1/housekeeping": .administer,
        "POST /v1/nodes/{node}/labels": .changeMachines,
        "POST /v1/nodes/{node}/ask": .changeMachines,
        "GET /v1/market/prices": .seeMachines,
        "GET /v1/market/history": .seeMachines,
        "POST /v1/nodes/{node}/trust": .trustMachines,
        "POST /v1/nodes/{node}/distrust": .trustMachines,
        "GET /v1/overview": .seeJobs,
    ]

    static let everybody = Set(Role.allCases)

    /// - Throws: 403 `missing_role` for a principal that may not ask this at all.
    static func check(_ principal: Principal, at pattern: RoutePattern) throws(Problem) {
        let route = "\(pattern.method) \(pattern.text)"
        guard let capability = capabilities[route] else {
            throw Problem(403, "missing_role", "`\(route)` stands in no table of capabilities, so nobody may ask it")
        }
        guard principal.may(capability) else {
            let wanted = capability.rule.roles.sorted().map(\.rawValue).joined(separator: " or ")
            throw Problem(403, "missing_role", "this needs the role \(wanted), and \(principal.name) has it not")
        }
    }
}
