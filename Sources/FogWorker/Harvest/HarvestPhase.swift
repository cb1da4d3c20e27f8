import FogCore
import FogJobs

/// Where a lent machine stands between its owner and the pool.
package enum HarvestPhase: String, Sendable, Codable, CaseIterable {
    /// Nothing may run, and nothing does.
    case closed
    /// All is well, for not yet long enough.
    case eligible
    /// Work runs and more is welcome, up to a cap.
    case running
    /// What runs goes on at the least cap; nothing starts.
    case throttled
    /// What runs stands still, in memory.
    case frozen
    /// What ran must leave now.
    case evicted
    /// After an eviction: nothing, however well all is.
    case cooldown

    /// What the lease loop and the coordinator are told.
    package var allowance: Allowance.State {
        switch self {
        case .closed, .eligible, .cooldown: .closed
        case .running: .open
        case .throttled: .throttled
        case .frozen: .frozen
        case .evicted: .evicting
        }
    }
}

/// Why a machine is not lent, in the order in which people are told.
package enum HarvestCause: String, Sendable, Codable, CaseIterable {
    case paused, window, input, screen
    /// No sensor tells whether somebody is at the machine.
    case blind
    case unplugged, battery, heat, memory, pressure, metered, load
    /// All is well, but it changed too often within the hour.
    case unsteady

    /// How attempts end that are evicted for it.
    package var outcome: Outcome {
        switch self {
        case .heat: .evictedThermal
        case .battery, .unplugged: .evictedBattery
        case .window: .evictedWindow
        case .paused, .input, .screen, .blind, .memory, .pressure, .metered, .load, .unsteady: .evictedUser
        }
    }

    /// What an owner types who does not want it to count.
    package var change: String {
        switch self {
        case .paused: "fog worker resume"
        case .window: "fog worker policy edit window=any"
        case .input, .blind: "fog worker policy edit idle=any"
        case .screen: "fog worker policy edit screen_off=false"
        case .unplugged: "fog worker policy edit plugged_in=false"
        case .battery: "fog worker policy edit battery=any"
        case .heat, .unsteady: "fog worker run --policy always"
        case .memory: "fog worker policy edit memory_free=0"
        case .pressure: "fog worker policy edit pressure=any"
        case .metered: "fog worker policy edit metered=true"
        case .load: "fog worker policy edit foreign_load=any"
        }
    }

    /// What the owner planned is no reason to stay away longer.
    var coolsDown: Bool { self != .window && self != .paused }
}

/// Something that stands in the way now.
package struct HarvestObstacle: Hashable, Sendable {
    package var cause: HarvestCause
    /// `keyboard used 12s ago`
    package var words: String
    /// `resumes after 5m idle`
    package var end: String
    /// Until it may be gone; nil = nobody can say.
    package var clearsIn: TimeSpan?
}

/// One step from a phase into the next.
package struct HarvestTransition: Hashable, Sendable, Codable {
    package var at: TimeSpan
    package var time: Timestamp
    package var from: HarvestPhase
    package var to: HarvestPhase
    /// For people; never empty.
    package var reason: String
    /// Nil = time alone, or nothing in the way any more.
    package var cause: HarvestCause?

    package init(
        at: TimeSpan, time: Timestamp, from: HarvestPhase, to: HarvestPhase, reason: String, cause: HarvestCause?
    ) {
        self.at = at
        self.time = time
        self.from = from
        self.to = to
        self.reason = reason
        self.cause = cause
    }
}

/// What one reading came to.
package struct HarvestStep: Sendable {
    package var phase: HarvestPhase
    package var decision: HarvestDecision
    package var transitions: [HarvestTransition]
    /// The first of what stands in the way.
    package var cause: HarvestCause?

    /// `frozen: keyboard used 12s ago; resumes after 5m idle`
    package var words: String { "\(phase.rawValue): \(decision.allowance.reason)" }
}

/// What the owner says beside the policy, at any time.
package struct HarvestControls: Hashable, Sendable, Codable {
    package enum Pause: Hashable, Sendable, Codable {
        case untilResumed
        case until(Timestamp)
    }
    package var pause: Pause?

    package init(pause: Pause? = nil) { self.pause = pause }
}

/// What a machine can lend at most.
package struct HarvestMachine: Hashable, Sendable {
    package var cores: Int
    package var memory: ByteCount
    /// The worker's own bounds, whatever the policy.
    package var cpuLimit: Millicores
    package var memoryLimit: ByteCount
    package var slots: Int

    package init(
        cores: Int, memory: ByteCount, cpuLimit: Millicores? = nil, memoryLimit: ByteCount? = nil, slots: Int? = nil
    ) {
        self.cores = max(1, cores)
        self.memory = memory
        self.cpuLimit = cpuLimit ?? .cores(Int64(max(1, cores)))
        self.memoryLimit = memoryLimit ?? ByteCount(memory.bytes / 10 * 9)
        self.slots = slots ?? max(1, cores)
    }
}

/// A cooldown as it outlives the process.
package struct HarvestCooldown: Hashable, Sendable, Codable {
    /// The kernel's id of the boot in which `untilSinceBoot` means something.
    package var boot: String
    package var untilSinceBoot: TimeSpan
    /// For a later boot.
    package var until: Timestamp
    package var cause: HarvestCause

    private enum CodingKeys: String, CodingKey {
        case boot, until, cause
        case untilSinceBoot = "until_since_boot"
    }
}
