package import FogCore
package import FogJobs
package import FogStore
package import Logging
internal import ServiceLifecycle
internal import Synchronization

/// The operator's hook: a program that is run for chosen events, with the event as JSON on its standard input.
///
/// It never holds the coordinator up: events are offered after their commit into a queue of bounded length, and one
/// program runs at a time for a bounded time. What is committed while the coordinator stops is not told again after a
/// start: who must miss nothing reads `GET /v1/events`.
package final class Notifier: Service {
    package struct Configuration: Sendable {
        /// An executable; it gets no arguments and no shell.
        package var program: String
        package var events: EventSelection
        /// Events that wait; the oldest goes when one more comes. 1,000.
        package var queueLimit = 1000
        /// Then the program and its children are killed. 10 s.
        package var patience = TimeSpan.seconds(10)

        /// The variables that the program finds, beside `FOG_EVENT`.
        package var environment: [String: String]

        package init(program: String, events: EventSelection = .standard, environment: [String: String]) {
            self.program = program
            self.events = events
            self.environment = environment
        }
    }

    package struct Counts: Sendable, Hashable {
        /// Runs that ended with 0.
        package var told = 0
        /// Runs that ended otherwise, were killed, or could not start.
        package var failed = 0
        /// Events that no program was run for, since the queue was full.
        package var dropped = 0

        package init() {}
    }

    private let configuration: Configuration
    private let store: any Store
    private let logger: Logger
    private let queue: AsyncStream<EventRecord>
    private let entrance: AsyncStream<EventRecord>.Continuation
    private let state = Mutex(Counts())

    package init(_ configuration: Configuration, store: any Store, logger: Logger) {
        self.configuration = configuration
        self.store = store
        self.logger = logger
        (queue, entrance) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(configuration.queueLimit))
    }

    package var counts: Counts { state.withLock { $0 } }

    /// Puts those of the events into the queue that the operator wants; never waits.
    package func offer(_ events: [EventRecord]) {
        for event in events where configuration.events.contains(event.kind) {
            guard case .dropped = entrance.yield(event) else { continue }
            let dropped = state.withLock { state in
                state.dropped += 1
                return state.dropped
            }
            // The first, and then ever more seldom: a full queue comes with many.
            if dropped & (dropped - 1) == 0 {
                logger.warning("events are dropped: the program is too slow", metadata: ["dropped": "\(dropped)"])
            }
        }
    }

    package func run() async throws {
        for await event in queue.cancelOnGracefulShutdown() {
            let record = try? await store.job(event.job ?? JobID(high: 0, low: 0))?.record
            let ending = await HookProgram.run(
                configuration.program, input: Array((Self.document(event, of: record).compact + "\n").utf8),
                environment: configuration.environment.merging(["FOG_EVENT": event.kind]) { $1 },
                patience: configuration.patience)
            if ending == .exited(0) {
                state.withLock { $0.told += 1 }
            } else {
                state.withLock { $0.failed += 1 }
                logger.warning(
                    "the program for events failed",
                    metadata: ["program": "\(configuration.program)", "event": "\(event.kind)", "end": "\(ending)"])
            }
        }
    }

    /// The event as the API shows it, with the job's name and labels.
    static func document(_ event: EventRecord, of job: JobRecord?) -> JSON {
        .object([
            "sequence": .integer(Int64(clamping: event.sequence)), "kind": .string(event.kind),
            "at": .string(event.at.description), "job": event.job.map { .string($0.description) },
            "job_name": job.map { .string($0.name) },
            "labels": job.map { .object($0.labels) },
            "task": event.task.map { .integer(Int64($0)) }, "token": event.token.map { .integer(Int64($0)) },
            "node": event.node.map { .string($0.description) }, "detail": .object(event.detail),
        ])
    }
}

extension JSON {
    fileprivate static func object(_ words: [String: String]) -> JSON {
        .object(words.sorted { $0.key < $1.key }.map { Member($0.key, .string($0.value)) })
    }
}

extension Coordinator {
    /// From here on the hook hears of every committed event.
    package func attach(_ notifier: Notifier) { self.notifier = notifier }
}

/// Which events a hook is run for.
package struct EventSelection: Sendable, Hashable {
    /// Ends and holds of jobs, and what an operator acts on.
    package static let standard = EventSelection(words: [
        "job_succeeded", "job_failed", "job_cancelled", "job_held", "task_held", "deadline_missed", "node_lost",
        "node_probation", "coordinator_paused", "coordinator_restored",
    ])

    private let words: Set<String>
    private let beginnings: [String]

    private init(words: [String]) {
        self.words = Set(words.filter { !$0.hasSuffix("*") })
        beginnings = words.filter { $0.hasSuffix("*") }.map { String($0.dropLast()) }
    }

    /// Kinds with commas between; `job_*` stands for all that begin so. Nil for a word that is none.
    package init?(_ text: String) {
        let words = text.split(separator: ",").map { String($0.filter { $0 != " " }) }
        let isGood = words.allSatisfy { word in
            let plain = word.hasSuffix("*") ? word.dropLast() : word[...]
            return !word.isEmpty && plain.utf8.allSatisfy { (0x61...0x7a).contains($0) || $0 == 0x5f }
        }
        guard isGood, !words.isEmpty else { return nil }
        self.init(words: words)
    }

    package func contains(_ kind: String) -> Bool {
        words.contains(kind) || beginnings.contains { kind.hasPrefix($0) }
    }
}
