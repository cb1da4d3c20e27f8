/// The API's description for tools, OpenAPI 3.1. A test holds it against the routes.
package enum OpenAPI {
    package static let text = document

    private static let document: String = {
        var paths: [String: [(String, String)]] = [:]
        for (route, summary) in summaries {
            let parts = route.split(separator: " ")
            paths[String(parts[1]), default: []].append((parts[0].lowercased(), summary))
        }
        let body = paths.keys.sorted().map { path in
            let operations = (paths[path] ?? []).sorted { $0.0 < $1.0 }.map { method, summary in
                "\"\(method)\":{\"summary\":\"\(summary)\",\"parameters\":[\(parameters(of: path))],"
                    + "\"responses\":{\"2XX\":{\"description\":\"done\"},"
                    + "\"default\":{\"$ref\":\"#/components/responses/Problem\"}}}"
            }
            return "\"\(path)\":{\(operations.joined(separator: ","))}"
        }
        return "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Fog coordinator\",\"version\":\"1\",\"description\":"
            + "\"Requests are signed by RFC 9421 (ed25519, tag fog-v1) over @method, @path, @query, content-digest, "
            + "fog-coordinator and fog-idempotency-key. Errors are RFC 9457 documents with a stable code.\"},"
            + "\"paths\":{\(body.joined(separator: ","))},\"components\":{\"responses\":{\"Problem\":{\"description\":"
            + "\"refused\",\"content\":{\"application/problem+json\":{\"schema\":{\"type\":\"object\",\"required\":"
            + "[\"title\",\"status\",\"detail\",\"code\"],\"properties\":{\"title\":{\"type\":\"string\"},\"status\":"
            + "{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},\"code\":{\"type\":\"string\"}}}}}}}}}"
    }()

    private static func parameters(of path: String) -> String {
        path.split(separator: "/").filter { $0.hasPrefix("{") }.map { segment in
            "{\"name\":\"\(segment.dropFirst().dropLast())\",\"in\":\"path\",\"required\":true,"
                + "\"schema\":{\"type\":\"string\"}}"
        }.joined(separator: ",")
    }

    /// What each route does, in a few words.
    static let summaries: [(String, String)] = [
        ("GET /healthz", "The process lives."),
        ("GET /readyz", "The store takes commits."),
        ("GET /metrics", "Figures for Prometheus."),
        ("GET /openapi.json", "This document."),
        ("GET /v1/info", "The coordinator's name, key and time."),
        ("POST /v1/join", "Enrol a key with a token's secret."),
        ("POST /v1/jobs", "Submit a job, or with dry_run learn what it would come to."),
        ("GET /v1/jobs", "Jobs, newest first."),
        ("GET /v1/jobs/{job}", "A job by id, unique prefix or name; with wait, when it has ended."),
        ("GET /v1/jobs/{job}/document", "The canonical manifest."),
        ("GET /v1/jobs/{job}/tasks", "Tasks that were granted at least once."),
        ("GET /v1/jobs/{job}/attempts", "Attempts with outcome, use and price."),
        ("GET /v1/jobs/{job}/events", "The job's history; with wait, live."),
        ("GET /v1/events", "The whole history, for operators and auditors."),
        ("GET /v1/jobs/{job}/explain", "Why tasks wait, node by node."),
        ("POST /v1/jobs/{job}/cancel", "End the job."),
        ("POST /v1/jobs/{job}/hold", "Start nothing new of it."),
        ("POST /v1/jobs/{job}/release", "Let it go on."),
        ("POST /v1/jobs/{job}/fund", "Raise its budget."),
        ("POST /v1/jobs/{job}/keep", "Keep its history, logs and outputs for so long from now."),
        ("POST /v1/jobs/{job}/retry", "Run it again as a new job."),
        ("GET /v1/jobs/{job}/logs", "A piece of a task's output stream."),
        ("POST /v1/blobs/missing", "Which blobs must still be uploaded."),
        ("PUT /v1/blobs/{digest}", "A piece of a blob."),
        ("GET /v1/blobs/{digest}", "A piece of a blob."),
        ("POST /v1/worker/hello", "A worker starts."),
        ("POST /v1/worker/link", "Agree on a key for the worker's frequent requests."),
        ("POST /v1/worker/poll", "Work for a worker, as soon as there is some."),
        ("POST /v1/worker/heartbeat", "Renew all leases of a worker."),
        ("POST /v1/worker/complete", "The ends of attempts."),
        ("POST /v1/worker/checkpoint", "A checkpoint of a running attempt."),
        ("POST /v1/worker/logs", "A piece of a running attempt's log."),
        ("POST /v1/worker/leave", "A machine leaves the pool for good."),
        ("GET /v1/me", "Who asks."),
        ("GET /v1/usage", "What the asker's account takes of each bound."),
        ("GET /v1/usage/all", "The same of every account, for operators and auditors."),
        ("GET /v1/nodes", "Machines."),
        ("GET /v1/nodes/{node}", "A machine by id, unique prefix or name."),
        ("POST /v1/nodes/{node}/cordon", "No new work for it."),
        ("POST /v1/nodes/{node}/drain", "No new work, and what it has comes back."),
        ("POST /v1/nodes/{node}/resume", "Work again."),
        ("GET /v1/ledger/accounts/{account}", "An account's balance."),
        ("GET /v1/ledger/accounts/{account}/history", "An account's records, newest first."),
        ("GET /v1/receipts/{attempt}", "The signed receipt of an attempt."),
        ("POST /v1/ledger/grants", "Issue credits."),
        ("GET /v1/ledger/audit", "Replay the log and compare every projection."),
        ("POST /v1/enroll", "Invite a newcomer."),
        ("GET /v1/enrolments", "Open invitations, and keys that wait for approval."),
        ("POST /v1/enrolments/{enrolment}/approve", "Let in a key that waits."),
        ("POST /v1/enrolments/{enrolment}/revoke", "End an invitation, or refuse a key that waits."),
        ("GET /v1/identities", "Keys that are in, or were."),
        ("POST /v1/identities/{identity}/suspend", "Refuse what a key asks and cancel its jobs."),
        ("POST /v1/identities/{identity}/resume", "Let a suspended key act again."),
        ("POST /v1/identities/{identity}/revoke", "End a key for good."),
        ("POST /v1/identity/rotate", "Put a new key in the place of one's own."),
        ("POST /v1/nodes/{node}/labels", "Give a machine labels, or take them away."),
        ("GET /v1/overview", "Queues and running tasks, in one look."),
        ("POST /v1/housekeeping", "Let go of what retention does not keep; with dry_run, count it."),
    ]
}
