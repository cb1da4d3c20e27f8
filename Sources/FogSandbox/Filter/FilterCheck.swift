import Glibc

/// Holds a compiled filter against its profile: every number 0 to 1023, x32 and a foreign architecture, and for calls
/// with conditions the corner values of their arguments.
struct FilterCheck {
    let filter: CompiledFilter
    let rules: [UInt32: [FilterProfile.Rule]]
    let defaultAction: FilterProfile.Action

    /// Corner tuples of one call; beyond it the list is cut, longest-standing corners first.
    private static let maxTuples = 20_000
    /// AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_AARCH64, AUDIT_ARCH_X86_64 and none at all.
    private static let architectures: [UInt32] = [0x4000_0003, 0x4000_0028, 0xc000_00b7, 0xc000_003e, 0]

    func run(_ profile: String) throws(SandboxFailure) {
        guard let machine = BPFMachine(filter.bytes) else {
            throw SandboxFailure("filter_mismatch", "\(profile): the compiled filter is not BPF")
        }
        for number in 0..<UInt32(1024) {
            for arguments in corners(of: number) {
                try expect(
                    machine, .init(number: number, architecture: filter.architecture, arguments: arguments), profile)
            }
            for foreign in Self.architectures where foreign != filter.architecture {
                try expect(machine, .init(number: number, architecture: foreign), profile)
            }
            let x32 = number | FilterCompiler.x32Bit
            try expect(machine, .init(number: x32, architecture: filter.architecture), profile)
        }
    }

    private func expect(_ machine: BPFMachine, _ call: BPFMachine.Call, _ profile: String) throws(SandboxFailure) {
        let wanted = expected(call).value
        let found = machine.run(call)
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

    /// Argument tuples around every border that the call's rules draw, all other arguments 0.
    private func corners(of number: UInt32) -> [[UInt64]] {
        var values: [Int: Set<UInt64>] = [:]
        for comparison in (rules[number] ?? []).flatMap(\.comparisons) {
            for base in [comparison.value, comparison.valueTwo] {
                values[comparison.index, default: []].formUnion(Self.around(base))
            }
        }
        var tuples = [[UInt64](repeating: 0, count: 6)]
        for (index, values) in values.sorted(by: { $0.key < $1.key }) {
            tuples = tuples.flatMap { tuple in
                values.sorted().map { value in
                    var next = tuple
                    next[index] = value
                    return next
                }
            }
            if tuples.count > Self.maxTuples { tuples.removeLast(tuples.count - Self.maxTuples) }
        }
        return tuples
    }

    /// A value, its neighbours, each of its bits turned (which covers both 32-bit halves), and the extremes.
    private static func around(_ value: UInt64) -> [UInt64] {
        [0, 1, .max, UInt64(UInt32.max), 1 << 32, value, value &+ 1, value &- 1, ~value]
            + (0..<64).map { value ^ 1 << $0 }
    }
}
