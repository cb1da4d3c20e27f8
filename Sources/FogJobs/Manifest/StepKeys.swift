internal import FogCore

/// The keys that may stand at the job and in a step, as far as they were given.
struct StepKeys {
    var action: StepSpec.Action?
    /// Every text in which places may stand, for the checks against a step's parameters.
    var actionTexts: [Located] = []
    var inputs: [InputDraft]?
    var outputs: [Located]?
    var environment: [String: Located]?
    var elements: Elements?
    var maxParallel: Int?
    var maxFailures: Int?
    var resources: ResourceRequest?
    var resourcesNode: ManifestNode?
    var requires: [Requirement]?
    var image: StepSpec.Image?
    var secrets: [SecretUse]?
    var secretsNode: ManifestNode?
    var profile: String?
    var profileNode: ManifestNode?
    var allowHosts: [AllowedHost]?
    var allowHostsNode: ManifestNode?
    var retry: RetryPolicy?
    var retryNode: ManifestNode?
    var checkpoint: CheckpointPolicy?
    var verify: StepSpec.Verification?

    struct InputDraft: Hashable {
        let name: Located
        let source: Located
    }
}

extension ManifestReading {
    mutating func readStepKeys(_ fields: ManifestReader.Fields) -> StepKeys {
        var keys = StepKeys()
        readAction(fields, into: &keys)
        keys.inputs = fields["inputs"].flatMap { readInputs($0, fields.path(of: "inputs")) }
        keys.outputs = fields["outputs"].flatMap { readOutputs($0, fields.path(of: "outputs")) }
        keys.environment = fields["env"].flatMap { readEnvironment($0, fields.path(of: "env")) }
        keys.elements = readElements(fields)
        let counts = 1...ManifestLimits.maxTasks
        keys.maxParallel = fields["max_parallel"].flatMap {
            reader.readInteger($0, fields.path(of: "max_parallel"), counts)
        }
        keys.maxFailures = fields["max_failures"].flatMap {
            reader.readInteger($0, fields.path(of: "max_failures"), counts)
        }
        keys.resourcesNode = fields["resources"]
        keys.resources = fields["resources"].flatMap { readResources($0, fields.path(of: "resources")) }
        keys.requires = fields["requires"].flatMap { readRequires($0, fields.path(of: "requires")) }
        keys.profile = fields["profile"].flatMap { reader.readName($0, fields.path(of: "profile")) }
        keys.profileNode = fields["profile"]
        keys.allowHostsNode = fields["allow_hosts"]
        keys.allowHosts = fields["allow_hosts"].flatMap { readAllowedHosts($0, fields.path(of: "allow_hosts")) }
        keys.retryNode = fields["retry"]
        keys.retry = fields["retry"].flatMap { readRetry($0, fields.path(of: "retry")) }
        keys.checkpoint = fields["checkpoint"].flatMap { readCheckpoint($0, fields.path(of: "checkpoint")) }
        keys.verify = fields["verify"].flatMap { readVerify($0, fields.path(of: "verify")) }
        keys.image = fields["image"].flatMap { readImage($0, fields.path(of: "image")) }
        keys.secretsNode = fields["secrets"]
        keys.secrets = fields["secrets"].flatMap { readSecrets($0, fields.path(of: "secrets")) }
        return keys
    }

    private mutating func readAction(_ fields: ManifestReader.Fields, into keys: inout StepKeys) {
        if let node = fields["run"] {
            let path = fields.path(of: "run")
            let isList = if case .sequence = node.content { true } else { false }
            let help = isList ? "a list is a `command`: `command: [program, argument]`" : nil
            if let text = reader.readText(node, path, wanted: "the text of a shell command", help: help) {
                let isBlank = text.allSatisfy(\.isWhitespace)
                if isBlank { reader.refuse("bad_value", node, path, wanted: "the text of a shell command") }
                keys.action = .run(text)
                keys.actionTexts = [Located(text: text, path: path, node: node)]
            }
        }
        guard let node = fields["command"] else { return }
        let path = fields.path(of: "command")
        var help: String?
        if case .scalar(let text, _) = node.content {
            help = "for a shell command write `run: \(clipped(text, to: 40))`"
        }
        guard
            let elements = reader.readList(
                node, path, wanted: "a list of a program and its arguments", limit: ManifestLimits.maxArguments,
                help: help)
        else { return }
        let words = readTexts(elements, path, wanted: "text")
        if words.first?.text.isEmpty ?? elements.isEmpty {
            reader.refuse("bad_value", node, path, wanted: "a list that begins with a program")
        }
        keys.action = .command(words.map(\.text))
        keys.actionTexts = words
    }

    mutating func readTexts(
        _ elements: [ManifestNode], _ path: String, wanted: String, limit: Int = ManifestLimits.maxTextBytes
    ) -> [Located] {
        elements.enumerated().compactMap { index, element in
            let place = "\(path)[\(index)]"
            return reader.readText(element, place, wanted: wanted, limit: limit).map {
                Located(text: $0, path: place, node: element)
            }
        }
    }

    private mutating func readEnvironment(_ node: ManifestNode, _ path: String) -> [String: Located]? {
        var help: String?
        if case .sequence = node.content { help = "write a map: `env: {NAME: value}`" }
        guard
            let entries = reader.readMap(
                node, path, wanted: "a map of variables", limit: ManifestLimits.maxVariables, help: help)
        else { return nil }
        var out: [String: Located] = [:]
        for entry in entries {
            let place = "\(path).\(entry.key)"
            func problem(_ code: String, _ message: String, help: String?) -> ManifestProblem {
                ManifestProblem(
                    code, message, path: place, mark: entry.keyMark, width: max(1, entry.key.unicodeScalars.count),
                    found: entry.key, wanted: "a name of letters, digits and _, not beginning with FOG_", help: help)
            }
            if entry.key.hasPrefix("FOG_") {
                let message = "variable `\(clipped(entry.key))` is reserved: FOG_* is set by Fog"
                reader.report(problem("reserved", message, help: "choose a name without FOG_"))
            } else if !Template.isName(entry.key) {
                let better = String(entry.key.map { $0 == "-" || $0 == "." ? "_" : $0 })
                reader.report(
                    problem(
                        "bad_name", "`\(clipped(entry.key))` cannot be the name of an environment variable",
                        help: Template.isName(better) ? "write \(better)" : nil))
            }
            if let text = reader.readText(entry.value, place, limit: ManifestLimits.maxValueBytes) {
                out[entry.key] = Located(text: text, path: place, node: entry.value)
            }
        }
        return out
    }

    // MARK: - Putting a step together

    /// The step with its own keys before the job's, and both against its parameters.
    mutating func makeStep(_ name: String, _ own: StepKeys, inherited: StepKeys?) -> StepSpec? {
        let elements = own.elements ?? .single
        var environment = inherited?.environment ?? [:]
        environment.merge(own.environment ?? [:]) { _, new in new }
        let inputs = mergedInputs(own.inputs ?? [], over: inherited?.inputs ?? [])
        let outputs = own.outputs ?? []
        let resources = own.resources ?? inherited?.resources ?? ResourceRequest()
        let retry = own.retry ?? inherited?.retry ?? RetryPolicy()
        checkMemory(
            retry, resources, at: own.retryNode ?? inherited?.retryNode ?? own.resourcesNode,
            name.isEmpty || own.retryNode == nil ? "retry" : "steps.\(name).retry")
        let texts = own.actionTexts + environment.values.sorted { $0.path < $1.path }
        checkPlaces(in: texts + inputs.flatMap { [$0.name, $0.source] } + outputs, elements)
        checkShellValues(in: own, elements)
        let secrets = own.secrets ?? inherited?.secrets ?? []
        checkVariables(secrets, environment, at: own.secretsNode ?? inherited?.secretsNode)
        checkNetwork(own, inherited, name)
        checkNameValues(in: inputs.map(\.name) + outputs, elements)
        checkPresence(of: inputs, elements)
        guard let action = own.action else { return nil }
        return StepSpec(
            name: name, action: action,
            inputs: inputs.map { InputSpec(name: $0.name.text, source: $0.source.text) },
            outputs: outputs.map(\.text), environment: environment.mapValues(\.text), secrets: secrets,
            elements: elements,
            maxParallel: own.maxParallel ?? inherited?.maxParallel,
            maxFailures: own.maxFailures ?? inherited?.maxFailures, resources: resources,
            requires: own.requires ?? inherited?.requires ?? [], image: own.image ?? inherited?.image ?? .host,
            profile: own.profile ?? inherited?.profile ?? "default",
            allowHosts: own.allowHosts ?? inherited?.allowHosts ?? [], retry: retry,
            checkpoint: own.checkpoint ?? inherited?.checkpoint ?? CheckpointPolicy(),
            verify: own.verify ?? inherited?.verify ?? .auto)
    }

    /// By name, sorted, so that the order does not depend on the order of a map's members.
    private mutating func mergedInputs(
        _ own: [StepKeys.InputDraft], over shared: [StepKeys.InputDraft]
    ) -> [StepKeys.InputDraft] {
        var byName: [String: StepKeys.InputDraft] = [:]
        for draft in shared + own { byName[draft.name.text] = draft }
        for (name, draft) in byName {
            var above = name[...]
            while let slash = above.lastIndex(of: "/") {
                above = above[..<slash]
                guard byName[String(above)] != nil else { continue }
                reader.report(
                    "conflict", at: draft.name.node, draft.name.path,
                    "input `\(clipped(name))` lies inside input `\(above)`", wanted: "inputs beside each other",
                    help: "inputs are read-only; give one of them another name")
            }
        }
        return byName.values.sorted { $0.name.text < $1.name.text }
    }

    /// No two values for one variable.
    private mutating func checkVariables(
        _ secrets: [SecretUse], _ environment: [String: Located], at node: ManifestNode?
    ) {
        var seen = Set(environment.keys)
        for use in secrets {
            guard case .variable(let name) = use.place, !seen.insert(name).inserted, let node else { continue }
            reader.report(
                "conflict", at: node, "secrets.\(use.name)",
                "the variable `\(name)` of the secret `\(use.name)` has another value as well",
                wanted: "one value for each variable")
        }
    }

    private mutating func checkMemory(
        _ retry: RetryPolicy, _ resources: ResourceRequest, at node: ManifestNode?, _ path: String
    ) {
        guard let most = retry.maxMemory, most < resources.memory, let node else { return }
        reader.report(
            "out_of_range", at: node, "\(path).max_memory",
            "`\(path).max_memory` is \(most), less than the memory asked for, \(resources.memory)",
            wanted: "at least \(resources.memory)")
    }
}
