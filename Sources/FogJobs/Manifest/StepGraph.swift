internal import FogCore

/// Which step needs which, and the order that follows.
struct StepGraph {
    private var steps: [String] = []
    private var needs: [String: [Located]] = [:]

    mutating func add(_ step: String) { steps.append(step) }
    mutating func add(_ need: Located, to step: String) { needs[step, default: []].append(need) }

    /// Each once, in the order written.
    func needs(of step: String) -> [String] {
        var seen: Set<String> = []
        return (needs[step] ?? []).map(\.text).filter { seen.insert($0).inserted }
    }

    /// The steps so that each stands after what it needs; among those that could be next, by name, so that the order
    /// does not depend on the order of a map's members. Empty when there is no such order.
    func resolve(reporting reader: inout ManifestReader) -> [String] {
        let known = Set(steps)
        for step in steps {
            var seen: Set<String> = []
            for need in needs[step] ?? [] {
                if !seen.insert(need.text).inserted {
                    reader.report(
                        "duplicate", at: need.node, need.path, "step `\(step)` needs `\(clipped(need.text))` twice",
                        wanted: "each step once")
                }
                guard !known.contains(need.text) else { continue }
                let near = nearest(to: need.text, among: steps)
                reader.report(
                    "unknown_need", at: need.node, need.path,
                    "step `\(step)` needs `\(clipped(need.text))`, which is no step", wanted: "the name of a step",
                    help: near.map { "did you mean `\($0)`?" }
                        ?? "steps here: \(steps.sorted().joined(separator: ", "))")
            }
        }
        let (order, rest) = sorted()
        if let cycle = cycle(among: rest), let first = cycle.first,
            let need = needs[first]?.first(where: { $0.text == cycle[1] })
        {
            reader.report(
                "cycle", at: need.node, need.path, "the steps need each other: \(cycle.joined(separator: " -> "))",
                wanted: "no circle", help: "`a -> b` reads: a needs b")
        }
        return order
    }

    /// Kahn (1962). What is left over lies on or behind a cycle.
    private func sorted() -> (order: [String], rest: Set<String>) {
        let known = Set(steps)
        var missing: [String: Set<String>] = [:]
        var dependents: [String: [String]] = [:]
        for step in known {
            let own = Set(needs(of: step)).intersection(known)
            missing[step] = own
            for need in own { dependents[need, default: []].append(step) }
        }
        var ready = known.filter { missing[$0]?.isEmpty ?? true }.sorted(by: >)
        var order: [String] = []
        while let step = ready.popLast() {
            order.append(step)
            for dependent in dependents[step] ?? [] {
                missing[dependent]?.remove(step)
                if missing[dependent]?.isEmpty ?? false { ready.append(dependent) }
            }
            ready.sort(by: >)
        }
        return (order, known.subtracting(order))
    }

    /// One cycle among steps that each need another of them, first and last alike; begins at its least name.
    private func cycle(among rest: Set<String>) -> [String]? {
        guard var step = rest.min() else { return nil }
        var path: [String] = []
        while !path.contains(step) {
            path.append(step)
            guard let next = needs(of: step).first(where: { rest.contains($0) }) else { return nil }
            step = next
        }
        let circle = Array(path[(path.firstIndex(of: step) ?? 0)...])
        let start = circle.firstIndex(of: circle.min() ?? step) ?? 0
        let turned = Array(circle[start...] + circle[..<start])
        return turned + turned.prefix(1)
    }
}
