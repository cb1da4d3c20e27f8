/// What a policy file may say, a key each.
package enum HarvestPolicyKey: String, Sendable, CaseIterable {
    case base, battery
    case pluggedIn = "plugged_in"
    case metered, idle
    case screenOff = "screen_off"
    case window, schedule, cpu, memory, throttle, bandwidth
    case foreignLoad = "foreign_load"
    case pressure
    case memoryFree = "memory_free"
    case heat, cooldown
    case evictAfter = "evict_after"
    case evictGrace = "evict_grace"
    case priority
    case settle, submitters, profiles, network, slots

    /// What it is, what is written, and in which unit.
    package var help: String {
        switch self {
        case .base: "personal, lab or dedicated: what holds for every other key"
        case .battery: "{minimum: 20, optimal: 50} percent, or any"
        case .pluggedIn: "true: only on mains"
        case .metered: "false: not while the network is metered"
        case .idle: "how long nobody may have touched the machine: 5m, or any"
        case .screenOff: "true: only while the screen is off"
        case .window: "22:00-07:00 each day, or any"
        case .schedule: "windows by weekday: {mon-fri: 22:00-07:00, sat: any, sun: never}"
        case .cpu: "percent of all cores, 1 to 100"
        case .memory: "percent of all memory, 1 to 100"
        case .throttle: "percent of all cores while throttled, 1 to 100"
        case .bandwidth: "10Mbit/s, 500kbit/s, or any"
        case .foreignLoad: "{above: 50, resume: 30} percent of all cores that others use, or any"
        case .pressure: "{cpu, memory, io: {above: 20, resume: 5}} percent of time that tasks wait, or any"
        case .memoryFree: "percent of memory that stays available, 0 to 90"
        case .heat: "{full: 20, throttled: 10, frozen: 0} degrees below a sensor's limit, unknown: percent of cores"
        case .cooldown: "after an eviction: 30m"
        case .evictAfter: "from the freeze to the eviction: 10m"
        case .evictGrace: "how long evicted tasks may take to save their work: 10s"
        case .priority: "idle: only what everybody else leaves of processor and disk; or ordinary"
        case .settle: "how long all must be well before work starts: 5s"
        case .submitters: "{allow: [ACCOUNT], deny: [ACCOUNT]}"
        case .profiles: "[default, python]: the sandbox profiles that tasks may have, or any"
        case .network: "allow: tasks reach the hosts that their jobs name, through the worker's proxy; or deny"
        case .slots: "tasks at once, 1 to 256"
        }
    }
}
