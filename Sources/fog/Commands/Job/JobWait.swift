internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogNet

/// `fog job wait`: returns when all jobs have ended, and says how by its status.
struct JobWait: SessionCommand {
    static let configuration = CommandConfiguration(
        "wait", "Wait for jobs to end.",
        examples: ["fog job wait 7fa3 --timeout 1h", "fog job wait $(fog job list -q --label run=7)"],
        more:
            "Exit 0: all succeeded; 1: some failed or were cancelled; 3: the coordinator is gone; 124: the time is over."
    )

    @Argument(help: "Jobs: ids, unique prefixes, or names.")
    var jobs: [String]

    @Option(help: "The longest wait: 30s, 10m, 2h.")
    var timeout: String?

    @OptionGroup var common: CommonOptions

    func validate() throws {
        if jobs.isEmpty { throw ValidationError("name at least one job") }
        if let timeout, (try? TimeSpan(timeout)) == nil { throw ValidationError("--timeout reads 30s, 10m or 2h") }
    }

    func run(_ session: Session) async throws {
        let limit = try timeout.map { try TimeSpan($0) }
        do {
            let client = try await session.client()
            guard let ended = try await wait(session, client, limit) else {
                try await Self.expectReachable(client)
                session.console.note("not all jobs ended within \(limit?.description ?? "the time")")
                throw ExitStatus.timeout.exit
            }
            try show(ended, session)
        } catch let failure as CarrierFailure {
            throw EndedWith(status: .waitUnreachable, error: failure)
        }
    }

    /// Nil when the time was over first.
    private func wait(_ session: Session, _ client: FogClient, _ limit: TimeSpan?) async throws -> [JobBody]? {
        try await withThrowingTaskGroup(of: [JobBody]?.self) { group in
            group.addTask {
                var ended: [JobBody] = []
                for reference in jobs {
                    let job = try await Patience.long { try await client.job(reference) }
                    ended.append(try await JobFollowing(session, client).end(of: job))
                }
                return ended
            }
            if let limit {
                group.addTask {
                    try await Task.sleep(for: limit.duration)
                    return nil
                }
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
    }

    /// The wait asks again while nobody answers, so its time may be over though the coordinator was gone all along.
    /// - Throws: ``CarrierFailure`` when it is gone; any answer of its own will do.
    private static func expectReachable(_ client: FogClient) async throws {
        var client = client
        client.deadline = min(client.deadline, .seconds(15))
        do { _ = try await client.me() } catch let failure as CarrierFailure { throw failure } catch {}
    }

    private func show(_ ended: [JobBody], _ session: Session) throws {
        switch session.mode {
        case .json: session.console.print(.array(try ended.map { try Documents.document(of: $0) }))
        case .quiet: break
        case .table: for job in ended { session.console.print(job.sentence) }
        }
        if !ended.allSatisfy({ $0.exitStatus == .success }) { throw ExitStatus.failure.exit }
    }
}
