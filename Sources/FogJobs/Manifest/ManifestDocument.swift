package import FogCore

/// A manifest in its one resolved form: what is hashed for idempotence, stored, and parsed again by the coordinator.
///
/// Made from the ``JobSpec`` alone, so two manifests that mean the same give the same bytes. Keys at their default are
/// left out; what a job hands down to its steps stands in the steps; a table stands as `blob:<digest>` of its CSV.
package struct ManifestDocument: Hashable, Sendable {
    package let json: JSON
    /// Tables that the document names, by digest; they travel as blobs.
    package let tables: [Digest: SweepTable]

    package init(of spec: JobSpec) {
        var tables: [Digest: SweepTable] = [:]
        var members: [JSON.Member] = []
        if spec.steps.count == 1, let step = spec.steps.first, step.name.isEmpty {
            members = Self.members(of: step, tables: &tables)
        } else {
            let steps = spec.steps.map { JSON.Member($0.name, .object(Self.members(of: $0, tables: &tables))) }
            members = [JSON.Member("steps", .object(steps))]
        }
        json = .object(Self.members(of: spec) + members)
        self.tables = tables
    }

    /// RFC 8785.
    package var canonical: String { json.canonical }
    package var digest: Digest { .blake2b(Array(canonical.utf8)) }

    // MARK: - The job

    private static func members(of spec: JobSpec) -> [JSON.Member] {
        let plain = JobSpec(name: spec.name, steps: [])
        let timeout = object([
            ("queue", spec.queueTimeout.map { text($0) }), ("total", spec.totalTimeout.map { text($0) }),
        ])
        let deadline: JSON? =
            switch spec.deadline {
            case .at(let time)?: text(time)
            case .after(let span)?: text(span)
            case nil: nil
            }
        return present([
            ("name", .string(spec.name)), ("labels", map(spec.labels)), ("timeout", timeout),
            ("privacy", spec.privacy == plain.privacy ? nil : .string(spec.privacy.rawValue)),
            ("sla", spec.sla == plain.sla ? nil : .string(spec.sla.rawValue)),
            ("priority", spec.priority == plain.priority ? nil : number(spec.priority)), ("deadline", deadline),
            ("placement", placement(spec.placement)),
            ("disconnect_grace", spec.disconnectGrace == plain.disconnectGrace ? nil : text(spec.disconnectGrace)),
            ("exclusive", spec.exclusive ? true : nil), ("budget", spec.budget.map { text($0) }),
        ])
    }

    private static func placement(_ wishes: PlacementWishes) -> JSON? {
        object([
            ("strategy", wishes.strategy.map { .string($0) }), ("region", wishes.region.map { .string($0) }),
            ("max_latency", wishes.maxLatency.map { text($0) }), ("max_price", wishes.maxPrice.map { text($0) }),
            ("purchase", wishes.purchase == .onDemand ? nil : .string(wishes.purchase.rawValue)),
            ("min_trust", wishes.minTrust == 0 ? nil : .double(wishes.minTrust)), ("exclude", list(wishes.exclude)),
            (
                "weights",
                wishes.weights.map { weights in
                    object(
                        zip(ManifestKeys.objectives, weights).map { ($0, $1 == 0 ? nil : .double($1)) }) ?? .object([])
                }
            ),
        ])
    }

    // MARK: - A step

    private static func members(of step: StepSpec, tables: inout [Digest: SweepTable]) -> [JSON.Member] {
        let plain = StepSpec(action: .run(""))
        var members: [(String, JSON?)] =
            switch step.action {
            case .run(let text): [("run", .string(text))]
            case .command(let words): [("command", .array(words.map { .string($0) }))]
            }
        let inputs = Dictionary(step.inputs.map { ($0.name, $0.source) }) { first, _ in first }
        members += [
            ("needs", list(step.needs)), ("inputs", map(inputs)), ("outputs", list(step.outputs)),
            ("env", map(step.environment)), ("secrets", secrets(step.secrets)),
            elements(step.elements, tables: &tables), ("max_parallel", step.maxParallel.map(number)),
            ("max_failures", step.maxFailures.map(number)), ("resources", resources(step.resources)),
            ("requires", list(step.requires.map(\.text))), ("image", image(step.image)),
            ("profile", step.profile == plain.profile ? nil : .string(step.profile)),
            ("allow_hosts", list(step.allowHosts.map(\.description))), ("retry", retry(step.retry)),
            ("checkpoint", checkpoint(step.checkpoint)), ("verify", verify(step.verify)),
        ]
        return present(members)
    }

    private static func elements(_ elements: Elements, tables: inout [Digest: SweepTable]) -> (String, JSON?) {
        switch elements {
        case .single: return ("array", nil)
        case .array(let first, let last, let stride):
            return ("array", .string("\(first)-\(last)" + (stride == 1 ? "" : ":\(stride)")))
        case .product(let parameters):
            // A list, for the order of parameters is the order of elements and a canonical map has none.
            let list = parameters.map { parameter in
                let values: JSON =
                    switch parameter.values {
                    case .list(let values): .array(values.map { .string($0) })
                    case .range(let first, let last): .string("\(first)-\(last)")
                    }
                return JSON.object([JSON.Member(parameter.name, values)])
            }
            return ("sweep", .array(list))
        case .table(let table):
            let digest = Digest.blake2b(table.csv)
            tables[digest] = table
            return ("sweep", .string("blob:\(digest)"))
        }
    }

    private static func resources(_ request: ResourceRequest) -> JSON? {
        let plain = ResourceRequest()
        let cpu: JSON = request.cpu.count % 1000 == 0 ? .integer(request.cpu.count / 1000) : text(request.cpu)
        return object([
            ("cpu", request.cpu == plain.cpu ? nil : cpu),
            ("memory", request.memory == plain.memory ? nil : text(request.memory)),
            ("disk", request.disk == plain.disk ? nil : text(request.disk)),
            ("time", request.time == plain.time ? nil : text(request.time)), ("pids", request.pids.map(number)),
            ("gpu", request.gpu == 0 ? nil : number(request.gpu)),
        ])
    }

    private static func retry(_ policy: RetryPolicy) -> JSON? {
        let plain = RetryPolicy()
        let backoff = policy.backoff
        return object([
            ("max_attempts", policy.maxAttempts == plain.maxAttempts ? nil : number(policy.maxAttempts)),
            ("max_evictions", policy.maxEvictions == plain.maxEvictions ? nil : number(policy.maxEvictions)),
            ("delay", backoff.delay == plain.backoff.delay ? nil : text(backoff.delay)),
            ("max_delay", backoff.maxDelay == plain.backoff.maxDelay ? nil : text(backoff.maxDelay)),
            ("backoff", backoff.growth == plain.backoff.growth ? nil : .string(backoff.growth.rawValue)),
            ("jitter", backoff.jitter == plain.backoff.jitter ? nil : .string(backoff.jitter.rawValue)),
            ("on_exit_codes", policy.onExitCodes.map { .array($0.map(number)) }),
            ("not_on_exit_codes", policy.notOnExitCodes.isEmpty ? nil : .array(policy.notOnExitCodes.map(number))),
            ("max_memory", policy.maxMemory.map { text($0) }),
        ])
    }

    private static func checkpoint(_ policy: CheckpointPolicy) -> JSON? {
        let plain = CheckpointPolicy()
        return object([
            ("every", policy.every.map { text($0) }),
            ("max_size", policy.maxSize == plain.maxSize ? nil : text(policy.maxSize)),
            ("exit_code", policy.exitCode == plain.exitCode ? nil : number(policy.exitCode)),
        ])
    }

    private static func verify(_ verification: StepSpec.Verification) -> JSON? {
        switch verification {
        case .auto: nil
        case .none: "none"
        case .owners(let count): number(count)
        }
    }

    /// A list where all are files, which is the shorter form.
    private static func secrets(_ uses: [SecretUse]) -> JSON? {
        if uses.allSatisfy({ $0.place == .file }) { return list(uses.map(\.name)) }
        return map(Dictionary(uses.map { ($0.name, $0.placeText) }) { first, _ in first })
    }

    private static func image(_ image: StepSpec.Image) -> JSON? {
        if case .source(let source) = image { .string(source) } else { nil }
    }

    // MARK: - Values

    private static func text(_ value: some CustomStringConvertible) -> JSON { .string(value.description) }
    private static func number(_ value: Int) -> JSON { .integer(Int64(value)) }

    private static func list(_ texts: [String]) -> JSON? {
        texts.isEmpty ? nil : .array(texts.map { .string($0) })
    }

    private static func map(_ texts: [String: String]) -> JSON? {
        texts.isEmpty
            ? nil : .object(texts.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .string($0.value)) })
    }

    private static func present(_ members: [(String, JSON?)]) -> [JSON.Member] {
        members.compactMap { name, value in value.map { JSON.Member(name, $0) } }
    }

    private static func object(_ members: [(String, JSON?)]) -> JSON? {
        let present = present(members)
        return present.isEmpty ? nil : .object(present)
    }
}
