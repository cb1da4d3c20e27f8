package import FogCore

/// One key of the manifest: where it may stand, what it means, and the form of its value as JSON Schema.
///
/// The parser takes the names it knows from here and ``ManifestSchema`` is generated from here, so the two agree.
package struct ManifestKey: Sendable {
    package enum Place: Sendable {
        case job
        case step
        /// At the job, and in a step, where it replaces the job's value (`env` and `inputs` merge).
        case both
    }

    package let name: String
    package let place: Place
    /// One line for editors.
    package let meaning: String
    package let form: JSON
    /// The keys of the map that is this key's value, if that map has fixed keys.
    package let members: [ManifestKey]

    init(_ name: String, _ place: Place, _ meaning: String, _ form: JSON, members: [ManifestKey] = []) {
        self.name = name
        self.place = place
        self.meaning = meaning
        self.form = form
        self.members = members
    }

    /// A key whose value is a map with fixed keys of its own.
    init(_ name: String, _ place: Place, _ meaning: String, members: [ManifestKey]) {
        self.init(name, place, meaning, Form.map(members), members: members)
    }
}

/// All keys of the manifest.
package enum ManifestKeys {
    package static let all: [ManifestKey] = [
        ManifestKey("name", .job, "Shown, and usable instead of the id; default: the file's name", Form.name),
        ManifestKey("labels", .job, "For list, cancel and hooks", Form.textMap),
        ManifestKey("run", .both, "Text for /bin/sh -eu -c in the work folder", Form.text),
        ManifestKey("command", .both, "Program and arguments, no shell", Form.texts(atLeast: 1)),
        ManifestKey(
            "steps", .job, "A graph of steps by name",
            .object([
                "type": "object", "minProperties": 1, "propertyNames": Form.name,
                "additionalProperties": .object(["$ref": "#/$defs/step"]),
            ])),
        ManifestKey("needs", .step, "Runs after these succeeded; their outputs lie in NEED/…", Form.texts()),
        ManifestKey(
            "inputs", .both, "Paths beside the manifest, or name: source (a path, blob:<digest> or volume:NAME/path)",
            Form.either(Form.texts(), Form.textMap)),
        ManifestKey("outputs", .both, "A file, dir/ or glob below the work folder", Form.texts()),
        ManifestKey("env", .both, "Environment variables; FOG_* is reserved", Form.textMap),
        ManifestKey(
            "secrets", .both, "Names of secrets: files in /run/secrets; or name: file, or name: env:VARIABLE",
            Form.either(Form.texts(), Form.textMap)),
        ManifestKey("array", .both, "One task an index: 0-99 or 1-99:2", Form.text(like: "^[0-9]+-[0-9]+(:[0-9]+)?$")),
        ManifestKey("sweep", .both, "A task for each combination of values, or for each row of a CSV file", Form.sweep),
        ManifestKey("max_parallel", .both, "Tasks of this array at once", Form.integer(1...ManifestLimits.maxTasks)),
        ManifestKey(
            "max_failures", .both, "Failed tasks that cancel the rest", Form.integer(1...ManifestLimits.maxTasks)),
        ManifestKey("resources", .both, "Limits of one attempt and what placement reserves", members: resources),
        ManifestKey(
            "requires", .both, "The node must have: arch:x86_64, python3>=3.11, label:lab, node:NAME, owner:NAME",
            Form.texts()),
        ManifestKey(
            "image", .both, "Root file system: host = the worker's /usr, or an archive (a path or blob:<digest>)",
            Form.text),
        ManifestKey("profile", .both, "A sandbox profile", Form.name),
        ManifestKey(
            "allow_hosts", .both, "HOST:PORT that tasks may reach through the worker's proxy (profile network-client)",
            Form.texts()),
        ManifestKey("retry", .both, "When and how a task runs again", members: retry),
        ManifestKey(
            "timeout", .job, "Longest wait for a first lease; longest life of the job",
            members: [
                ManifestKey("queue", .both, "Longest wait for a first lease", Form.spanOrNone),
                ManifestKey("total", .both, "Longest life of the job", Form.spanOrNone),
            ]),
        ManifestKey("checkpoint", .both, "Periodic copy of FOG_CHECKPOINT_DIR", members: checkpoint),
        ManifestKey("verify", .both, "Equal results wanted: auto, none, or from 2 to 5 owners", Form.verification),
        ManifestKey(
            "privacy", .job,
            "Mix hops between submitter and worker: none, 3, 5 or 7; above public all content is sealed",
            Form.words(PrivacyLevel.allCases.map(\.rawValue))),
        ManifestKey("sla", .job, "S: deadline first, highest price; B: cheapest, may be pre-empted", Form.words(sla)),
        ManifestKey("priority", .job, "Order among one account's jobs", Form.integer(0...100)),
        ManifestKey("deadline", .job, "Wanted end: RFC 3339 time or a duration; missed = an event", Form.text),
        ManifestKey("placement", .job, "Wishes and hard limits of placement", members: placement),
        ManifestKey("disconnect_grace", .job, "How long a cut-off worker may go on (up to 24h)", Form.span),
        ManifestKey("exclusive", .job, "Kill at the lease's end, before a new grant", .object(["type": "boolean"])),
        ManifestKey("budget", .job, "Cap on what the job may spend, in credits", Form.credits),
    ]

    /// Strategies of placement that exist.
    package static let strategies = [
        "nsga2", "round-robin", "least-loaded", "latency-first", "load-balance", "cost-optimize", "trust-first",
        "affinity", "proximity", "privacy-aware", "random",
    ]

    /// Objectives of placement, in the order of their weights.
    package static let objectives = ["latency", "balance", "trust", "cost", "price"]

    static let weights = objectives.map {
        ManifestKey(
            $0, .both, "How much it counts, 0 to 1000", .object(["type": "number", "minimum": 0, "maximum": 1000]))
    }

    static let resources: [ManifestKey] = [
        ManifestKey("cpu", .both, "Cores: 1, 0.5 or 500m", Form.either(Form.number, Form.text(like: "^[0-9.]+m?$"))),
        ManifestKey("memory", .both, "Memory", Form.size),
        ManifestKey("disk", .both, "Space in the work folder", Form.size),
        ManifestKey("time", .both, "Time of one attempt", Form.span),
        ManifestKey("pids", .both, "Processes and threads at once", Form.integer(1...Bounds.pids)),
        ManifestKey("gpu", .both, "Graphics processors", Form.integer(0...Bounds.gpus)),
    ]

    static let retry: [ManifestKey] = [
        ManifestKey(
            "max_attempts", .both, "Attempts that end by the task's own fault", Form.integer(1...Bounds.attempts)),
        ManifestKey(
            "max_evictions", .both, "Evictions after which the task is held", Form.integer(0...Bounds.evictions)),
        ManifestKey("delay", .both, "Wait before the second attempt", Form.span),
        ManifestKey("backoff", .both, "How the wait grows", Form.words(Backoff.Growth.allCases.map(\.rawValue))),
        ManifestKey("max_delay", .both, "The longest wait", Form.span),
        ManifestKey("jitter", .both, "How the wait is spread", Form.words(Backoff.Jitter.allCases.map(\.rawValue))),
        ManifestKey("on_exit_codes", .both, "Exit codes that are tried again", Form.exitCodesOrAll),
        ManifestKey("not_on_exit_codes", .both, "Exit codes that are final", Form.exitCodes),
        ManifestKey("max_memory", .both, "Most memory a retry after running out of it may ask for", Form.size),
    ]

    static let checkpoint: [ManifestKey] = [
        ManifestKey("every", .both, "How often; eviction copies always", Form.spanOrNone),
        ManifestKey("max_size", .both, "Largest checkpoint", Form.size),
        ManifestKey("exit_code", .both, "Exit code that says: saved, run me again", Form.integer(1...255)),
    ]

    static let placement: [ManifestKey] = [
        ManifestKey("strategy", .both, "Default: the operator's", Form.words(strategies)),
        ManifestKey("region", .both, "Only nodes of this region", Form.name),
        ManifestKey("max_latency", .both, "Longest round trip to the node", Form.span),
        ManifestKey("max_price", .both, "Credits a core-hour; what spot and auction bid", Form.credits),
        ManifestKey("purchase", .both, "How capacity is bought", Form.words(Purchase.allCases.map(\.rawValue))),
        ManifestKey(
            "min_trust", .both, "Lowest trust of a node", .object(["type": "number", "minimum": 0, "maximum": 1])),
        ManifestKey("weights", .both, "How much each objective counts; default by sla", members: weights),
        ManifestKey("exclude", .both, "Nodes (NAME) or owners (owner:NAME) never to use", Form.texts()),
    ]

    static let sla = SLAClass.allCases.map(\.rawValue)

    /// Ranges of numbers in the manifest.
    enum Bounds {
        static let cpu: ClosedRange<Int64> = 1...1_024_000
        static let size: ClosedRange<Int64> = 1...(1 << 50)
        static let time: ClosedRange<Int64> = 1000...(365 * 86_400_000)
        static let delay: ClosedRange<Int64> = 0...86_400_000
        static let latency: ClosedRange<Int64> = 1...60_000
        static let index = 999_999_999
        static let pids = 65_536
        static let gpus = 64
        static let attempts = 100
        static let evictions = 10_000
    }

    /// Names of the keys that may stand at the job or in a step.
    static let ofJob = Set(all.filter { $0.place != .step }.map(\.name))
    static let ofStep = Set(all.filter { $0.place != .job }.map(\.name))

    /// Names of the fixed keys of maps, by the map's key.
    static let members: [String: Set<String>] = Dictionary(
        uniqueKeysWithValues: all.filter { !$0.members.isEmpty }.map { ($0.name, Set($0.members.map(\.name))) })

    /// What people write who come from elsewhere, and our word for it.
    static let synonyms: [String: String] = [
        "cpus": "cpu", "cores": "cpu", "ncpus": "cpu", "mem": "memory", "ram": "memory", "storage": "disk",
        "walltime": "time", "time_limit": "time", "gpus": "gpu", "environment": "env", "variables": "env",
        "depends_on": "needs", "depends": "needs", "dependencies": "needs", "after": "needs", "script": "run",
        "shell": "run", "cmd": "command", "args": "command", "entrypoint": "command", "argv": "command",
        "matrix": "sweep", "parameters": "sweep", "params": "sweep", "jobs": "steps", "tasks": "steps",
        "stages": "steps", "artifacts": "outputs", "files": "inputs", "container": "image", "retries": "retry",
        "max_retries": "max_attempts", "parallelism": "max_parallel", "replicas": "verify", "sandbox": "profile",
        "tags": "labels", "network": "allow_hosts", "hosts": "allow_hosts", "allow_host": "allow_hosts",
        "egress": "allow_hosts", "where": "requires", "constraints": "requires",
    ]
}
