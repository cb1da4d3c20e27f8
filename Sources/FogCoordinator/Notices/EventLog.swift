internal import FogCore
internal import FogJobs
internal import Logging

/// Committed events as lines of the log: what an operator acts on at info, the rest at debug.
enum EventLog {
    private static let quiet = ["job_", "task_", "attempt_", "step_", "checkpoint_"]
    private static let loud: Set = ["job_held", "task_held"]

    static func level(of kind: String) -> Logger.Level {
        if loud.contains(kind) { return .info }
        return kind == "topology" || quiet.contains { kind.hasPrefix($0) } ? .debug : .info
    }

    static func write(_ events: [EventRecord], to logger: Logger) {
        guard logger.logLevel <= .info else { return }
        for event in events {
            let level = level(of: event.kind)
            guard logger.logLevel <= level else { continue }
            var metadata: Logger.Metadata = ["event": "\(event.sequence)"]
            metadata["job_id"] = event.job.map { "\($0)" }
            metadata["task"] = event.task.map { "\($0)" }
            metadata["token"] = event.token.map { "\($0)" }
            metadata["node_id"] = event.node.map { "\($0)" }
            for (name, value) in event.detail where metadata[name] == nil { metadata[name] = "\(value)" }
            logger.log(level: level, "\(event.kind)", metadata: metadata)
        }
    }
}
