package import FogCore

/// What the coordinator is given in place of a private job's manifest: what placement, retries and prices need, and one
/// sealed input.
///
/// It is an ordinary document, so that everything above it stays as it is: a task of it is placed, leased and paid like any
/// other. Its name is the seal's; a step is called `s` and its number, and runs `sealed NUMBER`, which only a worker that
/// opens the bundle understands.
package enum StandIn {
    package static let program = "sealed"
    package static let bundleName = "bundle"
    package static let resultName = "result"
    private static let namePrefix = "sealed-"

    package static func name(of id: SealID) -> String { namePrefix + id.description }

    /// Nil for a name that no stand-in has.
    package static func id(inName name: String) -> SealID? {
        guard name.hasPrefix(namePrefix) else { return nil }
        return try? SealID(name.dropFirst(namePrefix.count))
    }

    package static func stepName(_ number: Int) -> String { "s\(number)" }

    /// The number of the step that a stand-in's step is for; "" is the only step of a job without steps.
    package static func step(inName name: String) -> Int? {
        if name.isEmpty { return 0 }
        guard name.hasPrefix("s"), let number = Int(name.dropFirst()), stepName(number) == name else { return nil }
        return number
    }

    /// The names of a manifest's steps in the order in which they are numbered: by name, since the order in which a
    /// manifest is read is not the same on both sides.
    package static func numbered(_ names: [String]) -> [String] { names.isEmpty ? [""] : names.sorted() }

    /// - Parameter bundle: the digest of the sealed bundle.
    package static func make(of spec: JobSpec, id: SealID, bundle: Digest) -> JobSpec {
        let names = numbered(spec.steps.map(\.name))
        let numbers = Dictionary(names.enumerated().map { ($1, $0) }) { first, _ in first }
        return make(of: spec, id: id, bundle: bundle) { numbers[$0] ?? 0 }
    }

    private static func make(
        of spec: JobSpec, id: SealID, bundle: Digest, number: (String) -> Int
    ) -> JobSpec {
        var out = spec
        out.name = name(of: id)
        out.labels = [:]
        out.steps = spec.steps.map { step in
            let own = number(step.name)
            let elements =
                step.elements == .single
                ? step.elements
                : .array(first: 0, last: step.elements.count - 1, stride: 1)
            return StepSpec(
                name: step.name.isEmpty ? "" : stepName(own), action: .command([program, String(own)]),
                needs: step.needs.map { stepName(number($0)) },
                inputs: [InputSpec(name: bundleName, source: "blob:\(bundle)")], outputs: [resultName],
                elements: elements, maxParallel: step.maxParallel, maxFailures: step.maxFailures,
                resources: step.resources, retry: step.retry, verify: step.verify)
        }
        return out
    }

    /// What of a job that says it is private would be told to the coordinator, or is otherwise no stand-in's; nil for one.
    ///
    /// A stand-in of a stand-in is itself, so that whatever a manifest may say is looked at here, also what keys later
    /// versions know.
    package static func mistake(in spec: JobSpec) -> String? {
        guard let id = id(inName: spec.name) else { return "its name is in clear" }
        guard let bundle = bundle(of: spec) else { return "its input is no sealed bundle" }
        guard spec.steps.allSatisfy({ step(inName: $0.name) != nil }) else {
            return "the names of its steps are in clear"
        }
        let made = make(of: spec, id: id, bundle: bundle) { step(inName: $0) ?? 0 }
        if made.labels != spec.labels { return "its labels are in clear" }
        for (step, wanted) in zip(spec.steps, made.steps) where step != wanted {
            if step.action != wanted.action { return "its command is in clear" }
            if step.environment != wanted.environment { return "its environment is in clear" }
            if step.inputs != wanted.inputs || step.outputs != wanted.outputs {
                return "the names of its files are in clear"
            }
            return "it says more than a private job tells a coordinator"
        }
        return nil
    }

    /// The digest of the bundle that all steps read.
    package static func bundle(of spec: JobSpec) -> Digest? {
        guard let source = spec.steps.first?.inputs.first?.source, case .blob(let digest)? = try? InputSource(source)
        else {
            return nil
        }
        return digest
    }
}
