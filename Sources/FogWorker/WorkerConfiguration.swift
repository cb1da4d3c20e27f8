import FogCore
import FogJobs

/// What a worker must be told; the rest it finds out.
package struct WorkerConfiguration: Sendable {
    /// Where cache, work folders and undelivered results live. Kept at mode 0700: other users of the machine must not
    /// reach the work folders, whose files a task may leave open to all.
    package var stateDirectory: String
    /// The machine's name in the pool; `node:NAME` in a manifest.
    package var name: String
    package var labels: [String] = []
    package var region = ""
    /// Folders that tasks may read, by the name that manifests ask for: `volume:NAME`.
    package var volumes: [String: String] = [:]
    /// Programs to look for beside those that every worker knows.
    package var programs: [String] = []
    /// The `fog-sandbox` executable.
    package var launcherPath: String
    /// The folder with `default.json` and the others.
    package var profilesDirectory: String
    /// Tasks at once, 1 to ``maxSlots``; nil = one a core.
    package var slots: Int?
    /// What tasks may use together; nil = all cores.
    package var cpu: Millicores?
    /// What tasks may use together; nil = 90 % of the machine's memory.
    package var memory: ByteCount?
    /// Content kept for later tasks; nil = 10 GiB, or a tenth of the disk's free space when that is less.
    package var cacheLimit: ByteCount?
    /// Results that wait for delivery. Beyond it no new work is taken.
    package var spoolLimit = ByteCount.gibibytes(4)
    /// 0 to 19 for tasks, as of nice(2).
    package var niceness: Int8 = 0
    /// Keeps the next sandbox of each slot ready, an idle process a slot (``SandboxHost/Options/preparesAhead``).
    package var preparesSandboxes = true
    /// Offers the profile `none`, which isolates nothing. For comparisons only.
    package var allowUnsafe = false
    /// Whether tasks may reach the network where no policy speaks of it (``DedicatedMachine``).
    package var allowsNetwork = false
    /// Addresses that tasks may reach although the proxy refuses them otherwise: private ones, or loopback.
    package var proxyExempt: [NetworkRange] = []
    /// The highest level of private work that it takes; public = none.
    package var privacy = PrivacyLevel.public
    /// The level at which its calls go through a mixnet; nil = directly.
    package var mix: PrivacyLevel?
    /// Where the coordinator is, which no task may reach.
    package var coordinatorPlace: CoordinatorPlace?
    /// The version, for the node's report.
    package var software = ""
    /// How long a poll waits at the coordinator for work.
    package var pollWait = TimeSpan.seconds(20)
    /// What running tasks get to finish when the worker is asked to stop; then they end as `drained`.
    package var drainGrace = TimeSpan.seconds(30)
    /// How often the log of a running task is sent on. Logs of tasks shorter than this travel in the report.
    package var logInterval = TimeSpan.seconds(1)
    /// Between tries while the coordinator is away.
    package var retry = Backoff(delay: .milliseconds(250), maxDelay: .seconds(30))

    package struct CoordinatorPlace: Sendable, Hashable {
        package let host: NetworkHost
        package let port: UInt16

        /// - Parameter url: `https://HOST[:PORT]`; nil for anything else.
        package init?(url: String) {
            let parts = url.split(separator: "/", omittingEmptySubsequences: true)
            guard parts.count >= 2, parts[0] == "https:" || parts[0] == "http:" else { return nil }
            var (text, port): (Substring, UInt16?) = (parts[1], parts[0] == "https:" ? 443 : 80)
            if let colon = text.lastIndex(of: ":"), !text[colon...].contains("]") {
                port = AllowedHost.port(text[text.index(after: colon)...])
                text = text[..<colon]
            }
            guard let port, let host = NetworkHost(text) else { return nil }
            (self.host, self.port) = (host, port)
        }
    }

    package static let maxSlots = 256

    package init(stateDirectory: String, name: String, launcherPath: String, profilesDirectory: String) {
        self.stateDirectory = stateDirectory
        self.name = name
        self.launcherPath = launcherPath
        self.profilesDirectory = profilesDirectory
    }

    var cacheFolder: String { stateDirectory + "/cache" }
    var workFolder: String { stateDirectory + "/work" }
    var spoolFolder: String { stateDirectory + "/spool" }
}
