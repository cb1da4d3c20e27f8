internal import FogCore

/// What one element of a step is called and what its parameters are.
package struct ElementValues: Hashable, Sendable {
    package struct Parameter: Hashable, Sendable {
        package let name: String
        package let value: String
    }

    /// The element's label: its own number in an array, else its place counted from 0.
    package let index: Int
    package let parameters: [Parameter]
}

/// One element of a step, ready to run.
package struct ExpandedStep: Hashable, Sendable {
    /// Program and arguments; a `run` text is behind `/bin/sh -eu -c`.
    package var arguments: [String]
    /// The manifest's variables, `FOG_TASK_INDEX` and `FOG_PARAM_<name>`.
    package var environment: [String: String]
    package var inputs: [InputSpec]
    package var outputs: [String]
}

/// Fills the places of a step for one of its elements. Costs nothing per element that is not asked for.
package enum Substitution {
    /// - Parameter index: the place of the element, 0..<count; not its label.
    /// - Throws: `no_such_element`.
    package static func element(_ index: Int, of step: StepSpec) throws(JobsFailure) -> ElementValues {
        guard index >= 0, index < step.elements.count else {
            throw JobsFailure(
                "no_such_element", "step `\(step.name)` has elements 0 to \(step.elements.count - 1), found \(index)")
        }
        return ElementValues(index: step.elements.label(of: index), parameters: step.elements.values(of: index))
    }

    /// - Throws: `no_such_element`; `unsafe_value` when a value must not stand in the text of `run`; `bad_path` when a
    ///   value would make the name of an input or output leave the work folder.
    package static func expand(_ step: StepSpec, element index: Int) throws(JobsFailure) -> ExpandedStep {
        let values = try element(index, of: step)
        var byName: [String: String] = [:]
        for parameter in values.parameters { byName[parameter.name] = parameter.value }
        if step.elements != .single { byName["index"] = String(values.index) }
        func fill(_ text: String) -> String {
            text.utf8.contains(UInt8(ascii: "{")) ? Template(text).filled { byName[$0] } : text
        }

        let arguments: [String]
        switch step.action {
        case .command(let words): arguments = words.map(fill)
        case .run(let text):
            for place in Template(text).places {
                guard let value = byName[place], !isShellSafe(value) else { continue }
                throw JobsFailure(
                    "unsafe_value", "`{\(place)}` in `run` has the value `\(clipped(value))`: use $FOG_PARAM_\(place)")
            }
            arguments = ["/bin/sh", "-eu", "-c", fill(text)]
        }
        var environment = step.environment.mapValues(fill)
        environment["FOG_TASK_INDEX"] = String(values.index)
        for parameter in values.parameters { environment["FOG_PARAM_\(parameter.name)"] = parameter.value }
        let inputs = step.inputs.map { input in
            InputSpec(name: fill(input.name), source: InputSource.normalised(fill(input.source)))
        }
        let outputs = step.outputs.map(fill)
        for name in inputs.map(\.name) + outputs {
            guard let mistake = WorkPath.mistake(in: name) else { continue }
            throw JobsFailure("bad_path", "`\(clipped(name))` of element \(values.index) \(mistake)")
        }
        return ExpandedStep(arguments: arguments, environment: environment, inputs: inputs, outputs: outputs)
    }

    /// Whether a value may stand in the text of a shell command: no space, quote, `$`, `;`, `*` or newline.
    package static func isShellSafe(_ value: String) -> Bool {
        value.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
            default: shellSafe.contains(byte)
            }
        }
    }

    private static let shellSafe = Array("._+:/@%=,-".utf8)

    /// Each different text that a template gives over all elements, in order of first appearance.
    ///
    /// Only the parameters that the template names are walked: a template without places costs one step whatever the
    /// size of the array.
    /// - Throws: `too_many_inputs` beyond the limit.
    static func distinct(
        _ text: String, over elements: Elements, limit: Int = ManifestLimits.maxLocalInputs
    ) throws(JobsFailure) -> [String] {
        guard text.utf8.contains(UInt8(ascii: "{")) else { return [text] }
        let template = Template(text)
        let walked = elements.restricted(to: Set(template.places))
        var lookups: [String: (Int) -> String] = [:]
        for name in Set(template.places) { lookups[name] = walked.lookup(of: name) }
        var seen: Set<String> = []
        var out: [String] = []
        for index in 0..<walked.count {
            let filled = template.filled { lookups[$0]?(index) }
            guard seen.insert(filled).inserted else { continue }
            guard out.count < limit else {
                throw JobsFailure("too_many_inputs", "`\(clipped(text))` names more than \(limit) different paths")
            }
            out.append(filled)
        }
        return out
    }
}

extension Elements {
    /// Names of the parameters, in their order.
    package var parameterNames: [String] {
        switch self {
        case .single, .array: []
        case .product(let parameters): parameters.map(\.name)
        case .table(let table): table.columns
        }
    }

    func label(of index: Int) -> Int {
        if case .array(let first, _, let stride) = self { first + index * stride } else { index }
    }

    func values(of index: Int) -> [ElementValues.Parameter] {
        switch self {
        case .single, .array: return []
        case .table(let table):
            return zip(table.columns, table.rows[index]).map { .init(name: $0, value: $1) }
        case .product(let parameters):
            // Mixed radix, the last parameter fastest.
            var rest = index
            var out: [ElementValues.Parameter] = []
            for parameter in parameters.reversed() {
                let count = parameter.values.count
                out.append(.init(name: parameter.name, value: parameter.values[rest % count]))
                rest /= count
            }
            return out.reversed()
        }
    }

    /// The values of one parameter by element; nil when there is no such parameter.
    fileprivate func lookup(of name: String) -> ((Int) -> String)? {
        if name == "index" { return self == .single ? nil : { String(label(of: $0)) } }
        switch self {
        case .single, .array: return nil
        case .table(let table):
            guard let column = table.columns.firstIndex(of: name) else { return nil }
            return { table.rows[$0][column] }
        case .product(let parameters):
            guard let place = parameters.firstIndex(where: { $0.name == name }) else { return nil }
            let values = parameters[place].values
            let stride = parameters[(place + 1)...].reduce(1) { $0 * $1.values.count }
            return { values[$0 / stride % values.count] }
        }
    }

    /// The fewest elements that still show every combination of the named parameters.
    fileprivate func restricted(to names: Set<String>) -> Elements {
        if names.contains("index") { return self }
        switch self {
        case .single, .array: return .single
        case .product(let parameters):
            let kept = parameters.filter { names.contains($0.name) }
            return kept.isEmpty ? .single : .product(kept)
        case .table(let table): return names.isDisjoint(with: table.columns) ? .single : self
        }
    }
}
