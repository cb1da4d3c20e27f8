internal import FogCore

/// What came of reading a manifest.
package struct ManifestOutcome: Sendable {
    /// Nil when there is any error.
    package let spec: JobSpec?
    /// Errors and warnings in the order of their places.
    package let problems: [ManifestProblem]

    package init(spec: JobSpec?, problems: [ManifestProblem]) {
        self.spec = spec
        self.problems = problems
    }
}

/// What the parser asks of the world outside the document: files on the client, blobs on the coordinator.
package struct ManifestResolver {
    package enum Presence: Hashable, Sendable {
        case file
        case directory
        /// With the name of what lies nearest, if anything does.
        case missing(nearest: String?)
    }

    /// The table behind `sweep: params.csv` or `sweep: blob:<digest>`.
    package var readTable: (String) throws(JobsFailure) -> SweepTable
    /// What lies at a local source; nil = nobody looks.
    package var presence: ((String) -> Presence)?
    /// What a local file that is there lacks of an image, by its first bytes, as `is compressed by xz`; nil = nothing
    /// that could be seen.
    package var imageMistake: ((String) -> String?)?

    package init(
        readTable: @escaping (String) throws(JobsFailure) -> SweepTable, presence: ((String) -> Presence)? = nil,
        imageMistake: ((String) -> String?)? = nil
    ) {
        self.readTable = readTable
        self.presence = presence
        self.imageMistake = imageMistake
    }

    /// Knows no table and looks at no file.
    package static var none: ManifestResolver {
        ManifestResolver { path throws(JobsFailure) in
            throw JobsFailure("not_found", "no table `\(path)`")
        }
    }
}

/// Reads a manifest into a ``JobSpec``, telling everything that is wrong with it in one pass.
package enum ManifestParser {
    /// - Parameter defaultName: the job's name when the manifest has none: the file's name without its suffix.
    package static func parse(
        _ root: ManifestNode, defaultName: String? = nil, resolver: ManifestResolver = .none
    ) -> ManifestOutcome {
        var reading = ManifestReading(resolver: resolver)
        let spec = reading.readJob(root, defaultName: defaultName)
        reading.reader.sortByPlace()
        let problems = reading.reader.problems
        return ManifestOutcome(spec: problems.hasErrors ? nil : spec, problems: problems)
    }

    /// A job's name from a file's: `Train Model.yaml` gives `train-model`; nil when nothing is left.
    package static func name(ofFile path: String) -> String? {
        let file = path.split(separator: "/").last ?? ""
        let stem = file.lastIndex(of: ".").map { $0 > file.startIndex ? file[..<$0] : file } ?? file
        let name = ManifestReader.name(from: String(stem))
        return name.isEmpty ? nil : name
    }
}

/// One pass over a manifest.
struct ManifestReading {
    var reader = ManifestReader()
    let resolver: ManifestResolver

    init(resolver: ManifestResolver) {
        self.resolver = resolver
    }

    /// The job, as far as it could be read; nil when it could not at all.
    mutating func readJob(_ root: ManifestNode, defaultName: String?) -> JobSpec? {
        guard
            let fields = reader.readFields(
                root, "", known: ManifestKeys.ofJob, misplaced: { Self.belonging($0, inStep: false) })
        else { return nil }
        let shared = readStepKeys(fields)
        let steps = readSteps(fields, root: root, shared: shared)
        let name = readJobName(fields, root: root, defaultName: defaultName)
        let timeout = fields["timeout"].flatMap { readTimeout($0) }
        let privacy = readPrivacy(fields)
        let sla = fields["sla"].flatMap { reader.readWord($0, "sla", of: ManifestKeys.sla) }
        let grace = fields["disconnect_grace"].flatMap {
            reader.readSpan($0, "disconnect_grace", ManifestKeys.Bounds.delay)
        }
        let spec = JobSpec(
            name: name ?? "", labels: fields["labels"].flatMap { readLabels($0) } ?? [:], steps: steps,
            queueTimeout: timeout?.queue, totalTimeout: timeout?.total, privacy: privacy,
            sla: sla.flatMap(SLAClass.init(rawValue:)) ?? .b,
            priority: fields["priority"].flatMap { reader.readInteger($0, "priority", 0...100) } ?? 50,
            deadline: fields["deadline"].flatMap { readDeadline($0) },
            placement: fields["placement"].flatMap { readPlacement($0) } ?? PlacementWishes(),
            disconnectGrace: grace ?? .minutes(10),
            exclusive: fields["exclusive"].flatMap { reader.readBool($0, "exclusive") } ?? false,
            budget: fields["budget"].flatMap { reader.readCredits($0, "budget") })
        let tasks = steps.reduce(0) { $0 + min($1.elements.count, ManifestLimits.maxTasks + 1) }
        if tasks > ManifestLimits.maxTasks, steps.count > 1 {
            reader.report(
                "too_many", at: fields["steps"] ?? root, "steps",
                "the steps have more than \(ManifestLimits.maxTasks) tasks together",
                wanted: "at most \(ManifestLimits.maxTasks) tasks")
        }
        return spec
    }

    private mutating func readJobName(_ fields: ManifestReader.Fields, root: ManifestNode, defaultName: String?)
        -> String?
    {
        if let node = fields["name"] { return reader.readName(node, "name") }
        if let defaultName, ManifestReader.isName(defaultName) { return defaultName }
        reader.report(
            "missing_key", at: root, "name", "the manifest has no `name`", wanted: "a name",
            help: "for example `name: \(defaultName.map { ManifestReader.name(from: $0) } ?? "hello")`")
        return nil
    }

    /// Where a key belongs that cannot stand here.
    static func belonging(_ key: String, inStep: Bool) -> String? {
        if inStep, ManifestKeys.ofJob.contains(key) { return "`\(key)` stands at the job, not in a step" }
        if !inStep, ManifestKeys.ofStep.contains(key) { return "`\(key)` stands in a step, below `steps`" }
        for parent in ManifestKeys.all where parent.members.contains(where: { $0.name == key }) {
            return "it belongs under `\(parent.name)`: `\(parent.name): {\(key): …}`"
        }
        return nil
    }

    // MARK: - Steps

    private mutating func readSteps(
        _ fields: ManifestReader.Fields, root: ManifestNode, shared: StepKeys
    ) -> [StepSpec] {
        guard let stepsNode = fields["steps"] else {
            checkOneAction(fields, at: root, mark: nil, beside: "run, command or steps")
            return makeStep("", shared, inherited: nil).map { [$0] } ?? []
        }
        for key in ["run", "command", "array", "sweep", "outputs"] {
            guard let node = fields[key] else { continue }
            let entry = fields.entries[key]
            reader.report(
                ManifestProblem(
                    "conflict", "`\(key)` cannot stand beside `steps`", path: key, mark: entry?.keyMark ?? node.mark,
                    width: key.count, found: key, wanted: "`\(key)` in a step", help: "move it into a step"))
        }
        guard
            let entries = reader.readMap(
                stepsNode, "steps", wanted: "a map of step names to steps", limit: ManifestLimits.maxSteps)
        else { return [] }
        if entries.isEmpty {
            reader.refuse("bad_value", stepsNode, "steps", wanted: "a map with at least one step")
        }
        var inherited = shared
        inherited.action = nil
        inherited.elements = nil
        inherited.outputs = nil
        var steps: [StepSpec] = []
        var graph = StepGraph()
        for entry in entries { readStep(entry, inherited: inherited, into: &steps, graph: &graph) }
        let order = graph.resolve(reporting: &reader)
        let byName = Dictionary(steps.map { ($0.name, $0) }) { first, _ in first }
        return order.compactMap { byName[$0] }
    }

    private mutating func readStep(
        _ entry: ManifestNode.Entry, inherited: StepKeys, into steps: inout [StepSpec], graph: inout StepGraph
    ) {
        let path = "steps.\(entry.key)"
        if !ManifestReader.isName(entry.key) {
            let better = ManifestReader.name(from: entry.key)
            let wanted = "a name of a-z, 0-9 and -, at most \(ManifestLimits.maxNameBytes) long"
            reader.report(
                ManifestProblem(
                    "bad_name", "step `\(clipped(entry.key))` must have \(wanted)", path: path, mark: entry.keyMark,
                    width: max(1, entry.key.unicodeScalars.count), found: entry.key, wanted: wanted,
                    help: better.isEmpty ? nil : "write \(better)"))
        }
        graph.add(entry.key)
        guard
            let fields = reader.readFields(
                entry.value, path, known: ManifestKeys.ofStep, misplaced: { Self.belonging($0, inStep: true) },
                help: "for example `\(entry.key): {run: echo hello}`")
        else { return }
        let keys = readStepKeys(fields)
        checkOneAction(fields, at: entry.value, mark: entry.keyMark, beside: "run or command")
        if let node = fields["needs"] {
            for need in readNeeds(node, fields.path(of: "needs")) { graph.add(need, to: entry.key) }
        }
        guard var step = makeStep(entry.key, keys, inherited: inherited) else { return }
        step.needs = graph.needs(of: entry.key)
        checkNeedsAgainstInputs(step, fields, path)
        steps.append(step)
    }

    private mutating func checkOneAction(
        _ fields: ManifestReader.Fields, at node: ManifestNode, mark: SourceMark?, beside wanted: String
    ) {
        let place = fields.path.isEmpty ? "the manifest" : "`\(fields.path)`"
        switch (fields.entries["run"], fields.entries["command"]) {
        case (let run?, let command?):
            let second = Self.later(run, command)
            reader.report(
                ManifestProblem(
                    "conflict", "\(place) has both `run` and `command`", path: fields.path(of: second.key),
                    mark: second.keyMark ?? second.value.mark, width: second.key.count, found: second.key,
                    wanted: "exactly one of \(wanted)", help: "keep one of them"))
        case (nil, nil):
            // A key that is there but could not be read has been reported already.
            guard case .mapping(let entries) = node.content,
                !entries.contains(where: { ["run", "command", "steps"].contains($0.key) })
            else { return }
            reader.report(
                ManifestProblem(
                    "missing_key", "\(place) says nothing to run", path: fields.path, mark: mark ?? node.mark,
                    width: mark == nil ? 1 : max(1, fields.path.split(separator: ".").last?.count ?? 1),
                    found: "none of them", wanted: "exactly one of \(wanted)", help: "for example `run: echo hello`"))
        default: return
        }
    }

    /// Of two keys, the one that was written second.
    static func later(_ first: ManifestNode.Entry, _ second: ManifestNode.Entry) -> ManifestNode.Entry {
        guard let left = first.keyMark, let right = second.keyMark else { return second }
        return (left.line, left.column) > (right.line, right.column) ? first : second
    }

    private mutating func readNeeds(_ node: ManifestNode, _ path: String) -> [Located] {
        let list = reader.readList(node, path, wanted: "a list of step names", limit: ManifestLimits.maxSteps)
        return (list ?? []).enumerated().compactMap { index, element in
            let place = "\(path)[\(index)]"
            return reader.readText(element, place, wanted: "the name of a step").map {
                Located(text: $0, path: place, node: element)
            }
        }
    }

    /// The outputs of a need lie in a folder of its name, so no input may take that name.
    private mutating func checkNeedsAgainstInputs(_ step: StepSpec, _ fields: ManifestReader.Fields, _ path: String) {
        for input in step.inputs {
            let first = String(input.name.split(separator: "/").first ?? "")
            guard step.needs.contains(first), let node = fields["inputs"] ?? fields["needs"] else { continue }
            reader.report(
                "conflict", at: node, "\(path).inputs",
                "input `\(clipped(input.name))` lies where the outputs of step `\(first)` will be",
                wanted: "another name", help: "rename the input or the step")
        }
    }
}
