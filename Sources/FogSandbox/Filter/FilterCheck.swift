import Glibc

/// Holds a compiled filter against its profile: every number 0 to 1023, x32 and foreign architectures; for calls with
/// conditions the corner values of their arguments, and for all calls arguments that conditions of others ask for.
struct FilterCheck {
    let filter: CompiledFilter
    let rules: [UInt32: [FilterProfile.Rule]]
    let defaultAction: FilterProfile.Action

    /// AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_AARCH64, AUDIT_ARCH_X86_64 and none at all.
    private static let architectures: [UInt32] = [0x4000_0003, 0x4000_0028, 0xc000_00b7, 0xc000_003e, 0]

    func run(_ profile: String) throws(SandboxFailure) {
        try run(profile, [filter.bytes])
        if !filter.shared.isEmpty { try run(profile, [filter.own, filter.shared]) }
    }

    /// - Parameter programs: those that are put on one after another, the last one first, as the kernel asks them.
    private func run(_ profile: String, _ programs: [[UInt8]]) throws(SandboxFailure) {
        let machines = programs.compactMap { BPFMachine($0) }
        guard machines.count == programs.count else {
            throw SandboxFailure("filter_mismatch", "\(profile): the compiled filter is not BPF")
        }
        let shared = examples
        for number in 0..<UInt32(1024) {
            // Beyond the last known number nothing looks at arguments any more.
            let foreign = number <= filter.highestKnown &+ 1 ? shared : Self.extremes
            for arguments in corners(of: number).union(foreign) {
                try expect(
                    machines, .init(number: number, architecture: filter.architecture, arguments: arguments), profile)
            }
            let x32 = number | FilterCompiler.x32Bit
            for arguments in Self.extremes {
                for foreign in Self.architectures where foreign != filter.architecture {
                    try expect(
                        machines, .init(number: number, architecture: foreign, arguments: arguments), profile)
                }
                try expect(
                    machines, .init(number: x32, architecture: filter.architecture, arguments: arguments), profile)
            }
        }
    }

    private static let extremes: Set<[UInt64]> = [
        [UInt64](repeating: 0, count: 6), [UInt64](repeating: .max, count: 6),
    ]

    /// Arguments with which some rule of the filter holds, each among zeros and among ones. Every call is tried with them:
    /// a jump that went astray can bring one call to the conditions of another.
    private var examples: Set<[UInt64]> {
        var tuples = Self.extremes
        for rule in rules.values.joined() where !rule.comparisons.isEmpty {
            for background in Self.extremes {
                var tuple = background
                for comparison in rule.comparisons { tuple[comparison.index] = comparison.example }
                tuples.insert(tuple)
            }
        }
        return tuples
    }

    private func expect(_ machines: [BPFMachine], _ call: BPFMachine.Call, _ profile: String) throws(SandboxFailure) {
        let wanted = expected(call).value
        let found = BPFMachine.run(machines, call)
        guard found == wanted else {
            let found = found.map { "0x" + String($0, radix: 16) } ?? "no answer"
            throw SandboxFailure(
                "filter_mismatch",
                "\(profile): call \(call.number) with \(call.arguments) on architecture 0x"
                    + "\(String(call.architecture, radix: 16)): filter says \(found), profile 0x\(String(wanted, radix: 16))"
            )
        }
    }

    /// What the profile says, read without libseccomp.
    func expected(_ call: BPFMachine.Call) -> FilterProfile.Action {
        guard call.architecture == filter.architecture else { return .killProcess }
        if call.number >= FilterCompiler.x32Bit {
            // Only x86-64 has a second ABI in its numbers.
            return call.architecture == 0xc000_003e ? .killProcess : .refuse(errno: UInt16(ENOSYS))
        }
        if call.number > filter.highestKnown { return .refuse(errno: UInt16(ENOSYS)) }
        for rule in rules[call.number] ?? []
        where rule.comparisons.allSatisfy({ $0.holds(call.arguments[$0.index]) }) {
            return rule.action
        }
        return defaultAction
    }

    /// Argument tuples around every border that the call's rules draw: for each rule, arguments with which it holds, and
    /// those with each one moved over the corners of all rules; arguments that no rule looks at are 0.
    private func corners(of number: UInt32) -> Set<[UInt64]> {
        let rules = rules[number] ?? []
        var values: [Int: Set<UInt64>] = [:]
        for comparison in rules.flatMap(\.comparisons) {
            values[comparison.index, default: []].formUnion(Self.corners(of: comparison))
        }
        let zero = [UInt64](repeating: 0, count: 6)
        var tuples: Set<[UInt64]> = [zero]
        for rule in rules {
            var base = zero
            for comparison in rule.comparisons { base[comparison.index] = comparison.example }
            for (index, values) in values {
                for value in values {
                    var next = base
                    next[index] = value
                    tuples.insert(next)
                }
            }
        }
        return tuples
    }

    /// The value that matters, its neighbours, each of its bits turned (which covers both 32-bit halves), and the
    /// extremes.
    private static func corners(of comparison: FilterProfile.Comparison) -> [UInt64] {
        let value = comparison.operation == .maskedEqual ? comparison.valueTwo : comparison.value
        return [0, 1, .max, UInt64(UInt32.max), 1 << 32, comparison.value, ~comparison.value]
            + [value, value &+ 1, value &- 1, ~value] + (0..<64).map { value ^ 1 << $0 }
    }
}
