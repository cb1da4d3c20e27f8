/// Something a node must have before a task may run there.
package enum Requirement: Hashable, Sendable, Codable {
    package enum Comparison: String, Sendable, Codable, CaseIterable {
        case atLeast = ">="
        case atMost = "<="
        case equal = "=="
        case above = ">"
        case below = "<"
    }

    /// `arch:x86_64`
    case architecture(String)
    /// `label:lab`
    case label(String)
    /// `node:NAME`
    case node(String)
    /// `owner:NAME`
    case owner(String)
    /// `ffmpeg`, `python3>=3.11`
    case program(String, Comparison?, String)
    /// An input is a program for one of these machines. Found in the inputs; no manifest says it.
    case machine([String], input: String)
    /// A folder that the machine's owner shares. Follows from an input `volume:NAME`.
    case volume(String)
    /// The worker understands a lease with what is named. Follows from the step; no manifest says it.
    case protocolVersion(Int, for: String)

    /// As a manifest writes it.
    package var text: String {
        switch self {
        case .architecture(let name): "arch:\(name)"
        case .label(let name): "label:\(name)"
        case .node(let name): "node:\(name)"
        case .owner(let name): "owner:\(name)"
        case .program(let name, let comparison, let version): name + (comparison?.rawValue ?? "") + version
        case .machine(let names, let input): "arch:\(names.joined(separator: "|")) for \(input)"
        case .volume(let name): "volume:\(name)"
        case .protocolVersion(let version, let what): "protocol \(version) for \(what)"
        }
    }

    /// Whether the machine of the report, enrolled by the owner, has it.
    package func holds(for report: NodeReport, owner: String) -> Bool {
        switch self {
        case .architecture(let name): return report.architecture == name
        case .label(let name): return report.labels.contains(name)
        case .node(let name): return report.name == name
        case .owner(let name): return owner == name
        case .machine(let names, _): return names.contains(report.architecture)
        case .volume(let name): return report.volumes.contains(name)
        case .protocolVersion(let version, _): return report.protocolVersion >= version
        case .program(let name, let comparison, let wanted):
            guard let found = report.programs[name] else { return false }
            guard let comparison else { return true }
            guard !found.isEmpty else { return false }
            let order = compareVersions(found, wanted)
            return switch comparison {
            case .atLeast: order >= 0
            case .atMost: order <= 0
            case .equal: order == 0
            case .above: order > 0
            case .below: order < 0
            }
        }
    }
}

/// Negative, 0 or positive as the first version is older, equal or newer: numbers between dots, a missing one is 0.
package func compareVersions(_ first: String, _ second: String) -> Int {
    func numbers(_ text: String) -> [Int] {
        text.split { !$0.isASCII || !$0.isNumber }.map { Int($0) ?? .max }
    }
    let left = numbers(first), right = numbers(second)
    for index in 0..<max(left.count, right.count) {
        let difference = (index < left.count ? left[index] : 0) - (index < right.count ? right[index] : 0)
        if difference != 0 { return difference }
    }
    return 0
}
