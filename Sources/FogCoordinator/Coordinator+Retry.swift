package import FogCore
package import FogJobs
package import FogLedger
internal import FogStore

extension Coordinator {
    /// Runs a finished job again, as a new job over the same document and the same inputs.
    ///
    /// Final states absorb, so nothing of the old job changes. `onlyFailed` takes the elements that did not succeed; a
    /// graph of steps runs again whole, since later steps read what earlier ones left.
    package func retry(_ id: JobID, onlyFailed: Bool, by principal: Principal, request: Authorisation = .none)
        async throws -> JobRecord
    {
        let record = try await job(id, for: principal, asking: .changeJobs)
        guard record.state.isFinal else {
            throw CoordinatorFailure(
                "conflict", "job \(id.short) is \(record.state.rawValue); only a finished job runs again")
        }
        guard let stored = try await store.job(id) else { throw CoordinatorFailure.notFound }
        let (document, formerSelection) = Retrial.split(try JSON(parsing: stored.document))
        var selection = formerSelection
        if onlyFailed {
            guard record.progress.steps.count == 1 else {
                throw CoordinatorFailure(
                    "conflict", "job \(id.short) is a graph of steps, which runs again whole: retry it without --failed"
                )
            }
            let numbers = try await unsuccessful(of: record)
            guard !numbers.isEmpty else {
                throw CoordinatorFailure(
                    "conflict", "every task of job \(id.short) succeeded; there is nothing to retry")
            }
            selection = numbers.map { number in formerSelection.map { $0[Int(number)] } ?? number }
        }
        return try await submit(
            document: document.canonical, fileTable: record.fileTable, idempotencyKey: nil, by: principal,
            keys: record.progress.keys, only: selection, request: request
        ).record
    }

    /// Numbers of a finished job's tasks that did not succeed, those that were never granted among them.
    private func unsuccessful(of record: JobRecord) async throws -> [UInt32] {
        var numbers: [UInt32] = []
        var after: UInt32?
        let page = 1000
        while true {
            let tasks = try await store.tasks(of: record.id, after: after, states: nil, limit: page)
            numbers += tasks.filter { $0.state != .succeeded }.map(\.id.number)
            guard tasks.count == page, let last = tasks.last else { break }
            after = last.id.number
        }
        let step = record.progress.steps[0]
        return numbers + (step.cursor..<step.count)
    }
}

/// The document of a job that runs part of another again: the manifest, and beside it the elements to run.
enum Retrial {
    /// No manifest key is called so.
    private static let member = "fog_selection"

    static func join(_ document: String, selection: [UInt32]) -> String {
        guard case .object(let members)? = try? JSON(parsing: document) else { return document }
        let list = JSON.array(selection.map { .integer(Int64($0)) })
        return JSON.object(members + [JSON.Member(member, list)]).canonical
    }

    static func split(_ json: JSON) -> (document: JSON, selection: [UInt32]?) {
        guard let members = json.members, let list = json[member]?.array else { return (json, nil) }
        return (
            .object(members.filter { $0.name != member }),
            list.compactMap { $0.integer.flatMap { UInt32(exactly: $0) } }
        )
    }
}
