internal import FogCore

/// The bounds of a coordinator that an operator may set: the keys of the section `coordinator` of a configuration file,
/// `FOG_COORDINATOR_…` in the environment.
package enum CoordinatorSetting: String, Sendable, CaseIterable {
    case storedBytes = "stored_bytes"
    case queuedTasks = "queued_tasks"
    case openJobs = "open_jobs"
    case tasksPerJob = "tasks_per_job"
    case jobsPerMinute = "jobs_per_minute"
    case openRequests = "open_requests"
    case invitations
    case diskFloor = "disk_floor"
    case diskFloorPercent = "disk_floor_percent"
    case diskReserve = "disk_reserve"

    package static let section = "coordinator"

    package var meaning: String {
        switch self {
        case .storedBytes: "content and logs that an account may keep here"
        case .queuedTasks: "tasks of an account that may be queued at once"
        case .openJobs: "jobs of an account that may be open at once"
        case .tasksPerJob: "tasks that one job may have"
        case .jobsPerMinute: "jobs of an account that are taken in a minute"
        case .openRequests: "requests of a key that may be under way at once"
        case .invitations: "tokens of an inviter that may be open at once"
        case .diskFloor: "free disk below which nothing new is taken in"
        case .diskFloorPercent: "the same in percent of the disk"
        case .diskReserve: "free disk below which only running work may end"
        }
    }

    package var defaultText: String {
        switch self {
        case .storedBytes: "20GiB"
        case .queuedTasks: "10000000"
        case .openJobs: "10000"
        case .tasksPerJob: "1000000"
        case .jobsPerMinute: "6000"
        case .openRequests: "256"
        case .invitations: "100"
        case .diskFloor: "2GiB"
        case .diskFloorPercent: "5"
        case .diskReserve: "256MiB"
        }
    }

    /// `coordinator.stored_bytes`, as `fog config show` names it.
    package var name: String { "\(Self.section).\(rawValue)" }
    package var variable: String { "FOG_COORDINATOR_" + rawValue.uppercased() }

    /// Whether the value is a size with a unit; else it is a whole number.
    private var isSize: Bool {
        switch self {
        case .storedBytes, .diskFloor, .diskReserve: true
        default: false
        }
    }

    private var range: ClosedRange<Int64> {
        switch self {
        case .storedBytes: 1 << 20...1 << 50
        case .queuedTasks: 1...1_000_000_000
        case .openJobs: 1...10_000_000
        case .tasksPerJob: 1...1_000_000
        case .jobsPerMinute: 1...10_000_000
        case .openRequests: 1...100_000
        case .invitations: 1...100_000
        case .diskFloor, .diskReserve: 0...1 << 50
        case .diskFloorPercent: 0...99
        }
    }

    /// The number that a text means; nil when it means none that is allowed.
    package func value(of text: String) -> Int64? {
        let number = isSize ? (try? ByteCount(text))?.bytes : Int64(text)
        return number.flatMap { range.contains($0) ? $0 : nil }
    }

    /// What is wrong with a value, behind the key's name; nil when nothing is.
    package func mistake(in text: String) -> String? {
        guard value(of: text) == nil else { return nil }
        let (low, high) = (range.lowerBound, range.upperBound)
        return isSize
            ? "must be a size from \(ByteCount(low)) to \(ByteCount(high)), found `\(text)`"
            : "must be a whole number from \(low) to \(high), found `\(text)`"
    }
}
